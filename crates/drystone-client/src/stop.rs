//! Ctrl-C for commands that have something to put in order first.
//!
//! The first Ctrl-C asks the work to stop: it lets go of what it may drop, such as parts that are being sent, and
//! still does what must not be left, such as aborting the upload they belong to. A request whose answer decides
//! what has to be put in order is waited for. A second Ctrl-C leaves all of it at once.

use tokio::sync::watch;

use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// The wish that the work stops. Clones share it.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stop {
    /// Asks the work to stop.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Whether a stop has been asked for.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Does the work, unless a stop was or is asked for first; the work is dropped then.
    ///
    /// # Errors
    /// [`Failure::Interrupted`], or the work's own.
    pub fn unless<T, E: From<Failure>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> impl Future<Output = Result<T, E>> {
        // Boxed here, once for all callers: requests of the SDK are large.
        let (work, mut asked) = (Box::pin(work), self.0.subscribe());
        async move {
            tokio::select! {
                biased;
                _ = asked.wait_for(|asked| *asked) => Err(Failure::Interrupted.into()),
                done = work => done,
            }
        }
    }

    /// Waits for work that listens to this wish: the first Ctrl-C asks it to stop, the second leaves it.
    ///
    /// # Errors
    /// [`Failure::Interrupted`] when a second Ctrl-C came before the work had ended, or the work's own.
    pub fn guard<T>(
        &self,
        mut interrupt: Interrupt,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> impl Future<Output = Result<T, Failure>> {
        let mut work = Box::pin(work);
        async move {
            tokio::select! {
                done = &mut work => return done,
                () = interrupt.asked() => self.ask(),
            }
            interrupt.unless(work).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_may_be_dropped_is_dropped_when_a_stop_is_asked_for() {
        let stop = Stop::default();
        assert_eq!(stop.unless(async { Ok::<_, Failure>(7) }).await.unwrap(), 7);
        assert!(!stop.is_asked());
        let waiting = stop.clone();
        let never = waiting.unless(std::future::pending::<Result<(), Failure>>());
        let (dropped, ()) = tokio::join!(never, async { stop.ask() });
        assert!(matches!(dropped, Err(Failure::Interrupted)));
        assert!(stop.is_asked());
        let late = stop.unless(async { Ok::<_, Failure>(7) }).await;
        assert!(matches!(late, Err(Failure::Interrupted)), "nothing begins after it");
    }
}
