//! Room for connections and for requests in flight, and who leaves when there is none.
//!
//! Both are bounded, because each costs memory. When a bound is reached, whoever has stood still
//! longest makes room: of connections the one that has gone longest without a request, of requests
//! in flight the one that has waited longest for its client to send or to take a byte. Nobody leaves
//! because the server is slow. Without this, clients that do nothing at all would keep out everybody
//! else for as long as patience with slow clients lasts.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tracing::debug;

use crate::deadline::{self, Stopwatch};

/// How long a connection may be idle before it may have to make room: one that has just come is about to ask.
const IDLE_MS: u64 = 100;
/// How long a client may stand still in a request before it may have to make room for another.
const STILL_MS: u64 = 2_000;
/// How often a request that waits for its turn looks for somebody who stands still.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often it looks at most: ten seconds, after which its client is told to come again.
const LOOKS_MAX: usize = 50;
/// No time: nobody waits.
const NEVER: u64 = u64::MAX;

/// The places of one listener.
pub(super) struct Places {
    watch: Stopwatch,
    connections: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, Arc<Seat>>,
}

/// One connection, as whoever looks for room sees it.
#[derive(Debug)]
pub(super) struct Seat {
    watch: Stopwatch,
    /// Requests that are being answered or wait for their turn: two when the next is there before an answer has left.
    requests: AtomicUsize,
    /// Since when no request is being answered.
    idle_since_ms: AtomicU64,
    /// Since when the client makes us wait in a request; [`NEVER`] while it does not.
    waits_since_ms: AtomicU64,
    leave: Notify,
}

/// A place for a connection; dropped, it is free.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    pub(super) seat: Arc<Seat>,
    _permit: OwnedSemaphorePermit,
}

/// A request's turn; dropped, it is the next one's.
pub(super) struct Turn {
    _busy: Busy,
    _permit: OwnedSemaphorePermit,
}

/// A request of a connection, which therefore is not idle.
struct Busy(Arc<Seat>);

impl Places {
    /// Room for so many connections, and so many requests in flight on all of them.
    pub(super) fn new(connections_max: usize, requests_max: usize) -> Arc<Self> {
        Arc::new(Self {
            watch: Stopwatch::start(),
            connections: Arc::new(Semaphore::new(connections_max)),
            requests: Arc::new(Semaphore::new(requests_max)),
            seats: Mutex::default(),
        })
    }

    /// A place for the next connection, which waits for one that ends; an idle one is asked to.
    pub(super) async fn take(self: &Arc<Self>) -> Place {
        let permit = match Arc::clone(&self.connections).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait_for_place().await,
        };
        let seat = Arc::new(Seat {
            watch: self.watch,
            requests: AtomicUsize::new(0),
            idle_since_ms: AtomicU64::new(self.watch.elapsed_ms()),
            waits_since_ms: AtomicU64::new(NEVER),
            leave: Notify::new(),
        });
        let mut seats = self.seats.lock();
        let number = seats.next;
        seats.next += 1;
        seats.taken.insert(number, Arc::clone(&seat));
        Place { places: Arc::clone(self), number, seat, _permit: permit }
    }

    /// Nobody need be idle now: who is so later leaves later.
    async fn wait_for_place(&self) -> OwnedSemaphorePermit {
        let mut waiting = pin!(Arc::clone(&self.connections).acquire_owned());
        loop {
            self.clear_idle();
            if let Some(permit) = deadline::within(LOOK_EVERY, &mut waiting).await {
                return permit.expect("nobody closes the semaphore");
            }
        }
    }

    /// Asks the connection that has been idle longest to leave.
    pub(super) fn clear_idle(&self) {
        let before = self.watch.elapsed_ms().saturating_sub(IDLE_MS);
        self.clear(|seat| match seat.requests.load(Ordering::Relaxed) {
            0 => Some(seat.idle_since_ms.load(Ordering::Relaxed)).filter(|since| *since <= before),
            _ => None,
        });
    }

    /// Asks the connection to leave whose client has stood still longest in a request.
    fn clear_still(&self) {
        let before = self.watch.elapsed_ms().saturating_sub(STILL_MS);
        self.clear(|seat| Some(seat.waits_since_ms.load(Ordering::Relaxed)).filter(|since| *since < before));
    }

    fn clear(&self, since: impl Fn(&Seat) -> Option<u64>) {
        let mut seats = self.seats.lock();
        let longest = seats
            .taken
            .iter()
            .filter_map(|(number, seat)| Some((since(seat)?, *number)))
            .min()
            .and_then(|(_, number)| seats.taken.remove(&number));
        drop(seats);
        // Who was asked is not asked again, so that each call makes room once.
        if let Some(seat) = longest {
            debug!("a connection that stood still makes room for another");
            seat.leave.notify_one();
        }
    }
}

impl Seat {
    /// A turn for a request of this connection, at once while there is room; `None` when too many others
    /// are busy for too long.
    pub(super) async fn turn(self: &Arc<Self>, places: &Places) -> Option<Turn> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let busy = Busy(Arc::clone(self));
        let permit = match Arc::clone(&places.requests).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => wait_for_turn(places).await?,
        };
        self.moves();
        Some(Turn { _busy: busy, _permit: permit })
    }

    /// How long no request has been answered, if none is.
    pub(super) fn idle(&self) -> Duration {
        Duration::from_millis(
            self.watch.elapsed_ms().saturating_sub(self.idle_since_ms.load(Ordering::Relaxed)),
        )
    }

    /// The client makes us wait: for a byte of its body, or to take a byte of an answer.
    pub(super) fn waits(&self) {
        if self.waits_since_ms.load(Ordering::Relaxed) == NEVER {
            self.waits_since_ms.store(self.watch.elapsed_ms(), Ordering::Relaxed);
        }
    }

    /// The client has sent or taken something.
    pub(super) fn moves(&self) {
        if self.waits_since_ms.load(Ordering::Relaxed) != NEVER {
            self.waits_since_ms.store(NEVER, Ordering::Relaxed);
        }
    }

    /// Completes when the connection is to make room.
    pub(super) async fn leave(&self) {
        self.leave.notified().await;
    }
}

async fn wait_for_turn(places: &Places) -> Option<OwnedSemaphorePermit> {
    let mut waiting = pin!(Arc::clone(&places.requests).acquire_owned());
    for _ in 0..LOOKS_MAX {
        places.clear_still();
        if let Some(permit) = deadline::within(LOOK_EVERY, &mut waiting).await {
            return permit.ok();
        }
    }
    None
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.seats.lock().taken.remove(&self.number);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let Self(seat) = self;
        seat.idle_since_ms.store(seat.watch.elapsed_ms(), Ordering::Relaxed);
        seat.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn is_asked(seat: &Seat) -> bool {
        let mut leave = pin!(seat.leave());
        leave.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_is_idle_longest_makes_room() {
        let places = Places::new(3, 10);
        let first = places.take().await;
        deadline::pause(Duration::from_millis(200)).await;
        let second = places.take().await;
        deadline::pause(Duration::from_millis(200)).await;
        let third = places.take().await;
        deadline::pause(Duration::from_millis(200)).await;
        // The first was idle longest, but is busy now.
        let turn = first.seat.turn(&places).await.expect("there is room");
        let mut fourth = pin!(places.take());
        assert!(fourth.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(is_asked(&second.seat) && !is_asked(&first.seat) && !is_asked(&third.seat));
        drop(second);
        drop(fourth.await);
        drop((turn, first, third));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_whose_client_stands_still_makes_room_and_a_slow_server_does_not() {
        let places = Places::new(10, 2);
        let (still, working, next) = (places.take().await, places.take().await, places.take().await);
        let turn = still.seat.turn(&places).await.expect("there is room");
        let _working = working.seat.turn(&places).await.expect("there is room");
        still.seat.waits();
        deadline::pause(Duration::from_secs(30)).await;
        let asked = async {
            still.seat.leave().await;
            drop(turn);
        };
        let (given, ()) = tokio::join!(next.seat.turn(&places), asked);
        assert!(given.is_some(), "the one that stood still made room");
        assert!(!is_asked(&working.seat), "the server's own time is nobody's fault");
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_are_busy_the_next_is_told_to_come_again() {
        let places = Places::new(10, 1);
        let (one, other) = (places.take().await, places.take().await);
        let turn = one.seat.turn(&places).await.expect("there is room");
        one.seat.waits();
        one.seat.moves();
        assert!(other.seat.turn(&places).await.is_none());
        assert!(!is_asked(&one.seat));
        drop(turn);
        assert!(other.seat.turn(&places).await.is_some());
    }
}
