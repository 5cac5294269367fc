//! A bounded queue from async callers to threads.
//!
//! A caller that finds it full waits as a future, a thread that finds it empty sleeps; both the
//! commit lane and the threads of the data door take their work from one. Without the bound a burst
//! of requests would become a burst of memory.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use drystone_core::sync::{Condvar, Mutex};

/// A queue of at most `capacity` items.
pub(crate) struct Queue<T> {
    capacity: usize,
    state: Mutex<State<T>>,
    arrived: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    /// Callers that wait for room.
    waiting: Vec<Waker>,
    closed: bool,
}

/// Why an item was not taken in; it comes back.
pub(crate) enum Rejected<T> {
    /// There is no room now.
    Full(T),
    /// There will never be room again.
    Closed(T),
}

impl<T> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State { items: VecDeque::new(), waiting: Vec::new(), closed: false };
        Self { capacity, state: Mutex::new(state), arrived: Condvar::new() }
    }

    /// Takes `item` in if there is room.
    pub(crate) fn try_push(&self, item: T) -> Result<(), Rejected<T>> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Rejected::Closed(item));
        }
        if state.items.len() >= self.capacity {
            return Err(Rejected::Full(item));
        }
        state.items.push_back(item);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Takes `item` in, after waiting for room. The item comes back when the queue is closed.
    pub(crate) fn push(&self, item: T) -> Push<'_, T> {
        Push { queue: self, item: Some(item) }
    }

    /// Waits for items and moves at most `max` of them behind those in `into`. Returns `false` when
    /// the queue is closed and empty: there will be no more.
    pub(crate) fn take(&self, max: usize, into: &mut VecDeque<T>) -> bool {
        let mut state = self.state.lock();
        while state.items.is_empty() {
            if state.closed {
                return false;
            }
            self.arrived.wait(&mut state);
        }
        let count = max.min(state.items.len());
        into.extend(state.items.drain(..count));
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        true
    }

    /// Takes no more items in; those inside are still handed out.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.arrived.notify_all();
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// A wait for room in a queue.
pub(crate) struct Push<'q, T> {
    queue: &'q Queue<T>,
    item: Option<T>,
}

impl<T: Unpin> Future for Push<'_, T> {
    type Output = Result<(), T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let item = self.item.take().expect("a finished future is not polled again");
        let mut state = self.queue.state.lock();
        if state.closed {
            return Poll::Ready(Err(item));
        }
        if state.items.len() >= self.queue.capacity {
            if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            drop(state);
            self.item = Some(item);
            return Poll::Pending;
        }
        state.items.push_back(item);
        drop(state);
        self.queue.arrived.notify_one();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use drystone_sim::wait::wait;

    use super::*;

    #[test]
    fn a_full_queue_makes_the_caller_wait_for_room() {
        let queue = Arc::new(Queue::new(2));
        for item in 0..2 {
            assert!(queue.try_push(item).is_ok());
        }
        assert!(matches!(queue.try_push(2), Err(Rejected::Full(2))));
        let pusher = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || wait(queue.push(2)).is_ok()
        });
        let mut taken = VecDeque::new();
        while taken.len() < 3 {
            assert!(queue.take(1, &mut taken));
        }
        assert!(pusher.join().expect("the pusher ends"));
        assert_eq!(taken, [0, 1, 2]);
    }

    #[test]
    fn a_closed_queue_hands_out_what_it_has_and_takes_no_more() {
        let queue = Queue::new(8);
        assert!(queue.try_push("inside").is_ok());
        queue.close();
        assert!(matches!(queue.try_push("late"), Err(Rejected::Closed("late"))));
        assert_eq!(wait(queue.push("late")), Err("late"));
        let mut taken = VecDeque::new();
        assert!(queue.take(8, &mut taken));
        assert!(!queue.take(8, &mut taken));
        assert_eq!(taken, ["inside"]);
    }
}
