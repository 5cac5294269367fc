//! Hashing what is written: batches that wait at the same time are hashed side by side.
//!
//! One body's MD5 keeps a core busy with a quarter of what the core can do for eight bodies. So few threads hash, and a
//! second one begins only when there is enough for both: bodies wait a moment for each other, not for a core. What
//! comes after hashing happens on the pool's other threads, because it may wait for a disk.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use drystone_core::checksum::Digests;
use drystone_core::checksum::md5::Md5;
use futures_channel::oneshot;
use parking_lot::Mutex;

use crate::data::pool::Pool;

/// A batch of a body, the digests that take it in, and what comes then.
struct Batch {
    pieces: Vec<Bytes>,
    digests: Digests,
    then: Box<dyn FnOnce(Vec<Bytes>, Digests) + Send>,
}

/// Batches that wait to be hashed, and the threads that do it.
pub(super) struct Hashing {
    pool: Arc<Pool>,
    /// Most threads that hash: one for each core.
    hashers_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// A writer has one batch at a time, so there are never more than writers.
    waiting: VecDeque<Batch>,
    hashers: usize,
}

impl Hashing {
    pub(super) fn new(pool: Arc<Pool>) -> Arc<Self> {
        let hashers_max = thread::available_parallelism().map_or(1, NonZero::get);
        Arc::new(Self { pool, hashers_max, state: Mutex::default() })
    }

    /// Takes `pieces` into `digests`, then does what comes `then`; hands out the result. A panic cancels it.
    pub(super) fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        pieces: Vec<Bytes>,
        digests: Digests,
        then: impl FnOnce(&[Bytes], Digests) -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (answer, answered) = oneshot::channel();
        let pool = Arc::clone(&self.pool);
        let then = Box::new(move |pieces: Vec<Bytes>, digests| {
            // Nobody may be left to hear it: then the result is dropped, which gives back what it holds.
            pool.run(move || drop(answer.send(then(&pieces, digests))));
        });
        let mut state = self.state.lock();
        state.waiting.push_back(Batch { pieces, digests, then });
        let enough = state.hashers == 0 || state.waiting.len() >= Md5::TOGETHER;
        if enough && state.hashers < self.hashers_max {
            state.hashers += 1;
            drop(state);
            let hashing = Arc::clone(self);
            self.pool.run(move || hashing.work());
        }
        answered
    }

    /// Hashes what waits until nothing does.
    fn work(&self) {
        let hasher = Hasher(self);
        while let Some(mut batches) = hasher.next_after_others() {
            Digests::update_together(
                batches.iter_mut().map(|batch| (&mut batch.digests, batch.pieces.as_slice())),
            );
            batches.into_iter().for_each(|Batch { pieces, digests, then }| then(pieces, digests));
        }
    }
}

/// One of the threads that hash.
struct Hasher<'h>(&'h Hashing);

impl Hasher<'_> {
    /// As [`Hasher::next`], after whoever else wants this core while few wait: they may bring more.
    fn next_after_others(&self) -> Option<Vec<Batch>> {
        if self.0.state.lock().waiting.len() < Md5::TOGETHER / 2 {
            thread::yield_now();
        }
        self.next()
    }

    /// What is hashed next; `None` when nothing waits and this thread is none of them any more.
    fn next(&self) -> Option<Vec<Batch>> {
        let mut state = self.0.state.lock();
        let count = state.waiting.len().min(Md5::TOGETHER);
        if count == 0 {
            state.hashers -= 1;
            return None;
        }
        Some(state.waiting.drain(..count).collect())
    }
}

impl Drop for Hasher<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            // Those that wait must not wait for a thread that is gone.
            let mut state = self.0.state.lock();
            state.hashers -= 1;
            let cancelled = std::mem::take(&mut state.waiting);
            drop(state);
            drop(cancelled);
        }
    }
}
