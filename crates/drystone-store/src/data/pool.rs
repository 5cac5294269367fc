//! Threads for work that blocks: writing, cold reading, syncing, punching.
//!
//! Their number and their queue have bounds. When the queue is full the caller does the work itself,
//! which slows down exactly those who ask for too much; so nothing waits for a place that only its
//! own progress would free.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use drystone_core::sync::Mutex;
use drystone_core::sync::thread::{self, JoinHandle};
use futures_channel::oneshot;

use crate::queue::{Queue, Rejected};

/// Jobs that wait for a thread. A writer has one at a time and a reader one and one ahead, so this
/// is room for about a thousand requests at once.
const QUEUE_JOBS_MAX: usize = 4096;

type Job = Box<dyn FnOnce() + Send>;

/// A few threads with one queue.
pub(super) struct Pool {
    queue: Arc<Queue<Job>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Pool {
    /// Starts `count` threads named `name` and their number.
    pub(super) fn start(name: &str, count: usize) -> std::io::Result<Self> {
        let pool = Self { queue: Arc::new(Queue::new(QUEUE_JOBS_MAX)), threads: Mutex::default() };
        for number in 0..count {
            let queue = Arc::clone(&pool.queue);
            let thread = thread::Builder::new().name(format!("{name}-{number}")).spawn(move || {
                let mut jobs: VecDeque<Job> = VecDeque::new();
                while queue.take(1, &mut jobs) {
                    jobs.drain(..).for_each(guarded);
                }
            })?;
            pool.threads.lock().push(thread);
        }
        Ok(pool)
    }

    /// Runs `job` on a thread, or here when too many wait or the pool is closed.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        if let Err(Rejected::Full(job) | Rejected::Closed(job)) = self.queue.try_push(Box::new(job)) {
            guarded(job);
        }
    }

    /// Like [`Pool::run`]; hands out the result. A panic in `job` cancels it.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (answer, answered) = oneshot::channel();
        // Nobody may be left to hear it: then the result is dropped, which gives back what it holds.
        self.run(move || drop(answer.send(job())));
        answered
    }

    /// Does what waits and ends the threads; later jobs run on their callers' threads.
    pub(super) fn close(&self) {
        self.queue.close();
        let this = thread::current().id();
        for thread in self.threads.lock().drain(..) {
            // The last handle may be dropped by one of the pool's own jobs.
            if thread.thread().id() != this && thread.join().is_err() {
                tracing::error!("a thread of the data door ended with a panic");
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

/// A panic ends its job, not the thread that others need.
fn guarded(job: Job) {
    if catch_unwind(AssertUnwindSafe(job)).is_err() {
        tracing::error!("a job of the data door panicked");
    }
}
