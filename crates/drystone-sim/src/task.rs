//! A future that a test advances step by step, so that a race is an order that the test writes down.
//!
//! Nothing here waits: a future that is pending and that nobody will wake is a failed test, not a hang.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Whether a future asked to be polled again.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A future in the hands of a test.
pub struct Task<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    woken: Arc<Woken>,
}

impl<'a, T> Task<'a, T> {
    /// Takes `future` without polling it.
    pub fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self { future: Box::pin(future), woken: Arc::new(Woken(AtomicBool::new(true))) }
    }

    /// Polls it once.
    pub fn poll(&mut self) -> Poll<T> {
        self.woken.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.woken));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Whether polling it may get it further.
    pub fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::SeqCst)
    }

    /// Polls it until it waits for something that the test has not done yet.
    ///
    /// # Panics
    /// When it ends instead.
    pub fn advance(&mut self) {
        while self.is_woken() {
            assert!(self.poll().is_pending(), "the operation waits here");
        }
    }

    /// Polls it to its end.
    ///
    /// # Panics
    /// When it waits for something that nobody will do.
    pub fn finish(mut self) -> T {
        loop {
            assert!(self.is_woken(), "the operation waits for ever");
            if let Poll::Ready(outcome) = self.poll() {
                return outcome;
            }
        }
    }
}

/// Runs a future that needs nobody else.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    Task::new(future).finish()
}
