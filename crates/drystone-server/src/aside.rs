//! Work that waits for the disk, out of the way of other work.
//!
//! Rows are looked up on the thread that asks for them: from memory that takes microseconds, and handing it to another
//! thread would cost more. The runtime has a thread for each processor. While look-ups wait for the disk, as many of
//! them would keep all processors from everything else; so work that may look something up gives its thread's place
//! away then, for as long as it keeps the thread busy: tokio's [`block_in_place`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use drystone_core::world::Clock;
use http::{Request, Response};
use parking_lot::Mutex;
use tokio::task::block_in_place;

use crate::listen::{Arriving, Peer};
use crate::response_body::ResponseBody;

/// So much work is out of the way at most: each takes a thread. They are fewer than requests at once
/// ([`REQUESTS_MAX`](crate::listen::REQUESTS_MAX)).
const PLACES: usize = 64;
/// When what is out of the way does not come back for so long, the disk stands still, and others step aside although
/// no look-up has ended that could say so.
const STANDS_STILL: Duration = Duration::from_millis(5);

/// Who is out of the way, and when one should be.
pub struct Aside {
    waits: Box<dyn Fn() -> bool + Send + Sync>,
    clock: Arc<dyn Clock>,
    /// Since when, the first first.
    since: Mutex<Vec<Duration>>,
    /// How many there are, for those who need not wait for the lock.
    taken: AtomicUsize,
}

impl fmt::Debug for Aside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aside").field("since", &self.since).finish_non_exhaustive()
    }
}

impl Aside {
    /// Nobody is out of the way yet. `waits` says whether look-ups wait for the disk, and is asked very often.
    pub fn new(waits: impl Fn() -> bool + Send + Sync + 'static, clock: Arc<dyn Clock>) -> Self {
        Self { waits: Box::new(waits), clock, since: Mutex::default(), taken: AtomicUsize::new(0) }
    }

    /// Does `work`, which steps aside while look-ups wait.
    ///
    /// # Panics
    /// When it does so on a runtime of one thread: nobody could go on.
    pub fn of<W: Future + Unpin>(self: &Arc<Self>, work: W) -> Stepping<W> {
        Stepping { aside: Arc::clone(self), work }
    }

    /// A [handler](crate::listen::Listener::serve) whose requests do.
    pub fn around<H, F>(
        self: &Arc<Self>,
        handler: H,
    ) -> impl Fn(Request<Arriving>, Peer) -> Stepping<F> + Clone + Send + Sync + 'static
    where
        H: Fn(Request<Arriving>, Peer) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<ResponseBody>> + Unpin,
    {
        let aside = Arc::clone(self);
        move |request, peer| aside.of(handler(request, peer))
    }

    /// A place out of the way, if one is wanted now, and free.
    fn step(&self) -> Option<Place<'_>> {
        let waits = (self.waits)();
        if !waits && self.taken.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let now = self.clock.elapsed();
        let mut since = self.since.lock();
        let stands_still = since.first().is_some_and(|first| now.saturating_sub(*first) >= STANDS_STILL);
        if !(waits || stands_still) || since.len() >= PLACES {
            return None;
        }
        since.push(now);
        self.taken.store(since.len(), Ordering::Relaxed);
        Some(Place { aside: self, since: now })
    }
}

/// Work that steps aside.
#[derive(Debug)]
pub struct Stepping<W> {
    aside: Arc<Aside>,
    work: W,
}

impl<W: Future + Unpin> Future for Stepping<W> {
    type Output = W::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W::Output> {
        let Self { aside, work } = self.get_mut();
        match aside.step() {
            Some(_place) => block_in_place(|| Pin::new(work).poll(cx)),
            None => Pin::new(work).poll(cx),
        }
    }
}

/// A place, given back when it is dropped.
struct Place<'a> {
    aside: &'a Aside,
    since: Duration,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut since = self.aside.since.lock();
        // Whose it is does not matter where two came at the same time.
        if let Some(place) = since.iter().position(|since| *since == self.since) {
            since.remove(place);
        }
        self.aside.taken.store(since.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicBool, AtomicU64};
    use std::sync::mpsc::sync_channel;

    use drystone_core::names::Timestamp;

    use super::*;

    /// A clock that the test moves.
    #[derive(Default)]
    struct Moved(AtomicU64);

    impl Clock for Moved {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.load(Ordering::SeqCst))
        }

        fn elapsed(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::SeqCst))
        }
    }

    /// With what says whether look-ups wait, and a clock.
    fn aside() -> (Arc<Aside>, Arc<AtomicBool>, Arc<Moved>) {
        let (waits, clock) = (Arc::new(AtomicBool::new(false)), Arc::new(Moved::default()));
        let asked = Arc::clone(&waits);
        let aside = Aside::new(move || asked.load(Ordering::SeqCst), Arc::clone(&clock) as Arc<dyn Clock>);
        (Arc::new(aside), waits, clock)
    }

    #[test]
    fn one_thread_goes_on_while_work_keeps_it_busy_that_steps_aside() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (aside, waits, _) = aside();
        waits.store(true, Ordering::SeqCst);
        let (send, receive) = sync_channel(1);
        let (tell, told) = sync_channel(1);
        // Without an end, a mistake would let it wait for ever.
        let stuck = Box::pin(poll_fn(move |_| Poll::Ready(receive.recv_timeout(Duration::from_secs(30)))));
        let mut tasks = crate::work::Tasks::default();
        runtime.block_on(async {
            tasks.spawn(async move { tell.send(aside.of(stuck).await).unwrap() });
            // It runs on the same thread, after the first has begun to wait for it.
            tasks.spawn(async move { send.send("it goes on").unwrap() });
            tasks.reap().await;
            tasks.reap().await;
        });
        assert_eq!(told.recv(), Ok(Ok("it goes on")));
    }

    #[test]
    fn nobody_steps_aside_before_look_ups_wait() {
        let (aside, waits, _) = aside();
        assert!(aside.step().is_none());
        waits.store(true, Ordering::SeqCst);
        let place = aside.step();
        assert!(place.is_some());
        waits.store(false, Ordering::SeqCst);
        assert!(aside.step().is_none(), "the other has only begun");
    }

    #[test]
    fn when_one_does_not_come_back_others_step_aside() {
        let (aside, waits, clock) = aside();
        waits.store(true, Ordering::SeqCst);
        let stuck = aside.step();
        waits.store(false, Ordering::SeqCst);
        clock.0.store(STANDS_STILL.as_millis() as u64, Ordering::SeqCst);
        let (second, third) = (aside.step(), aside.step());
        assert!(second.is_some() && third.is_some());
        drop(stuck);
        assert!(aside.step().is_none(), "the others came at this moment");
        drop((second, third));
        assert!(aside.step().is_none());
    }

    #[test]
    fn there_are_so_many_places_and_each_is_given_back() {
        let (aside, waits, _) = aside();
        waits.store(true, Ordering::SeqCst);
        for _ in 0..2 {
            let places: Vec<_> = (0..PLACES).map(|_| aside.step().expect("a place")).collect();
            assert!(aside.step().is_none());
            drop(places);
        }
        assert_eq!(aside.taken.load(Ordering::SeqCst), 0);
    }
}
