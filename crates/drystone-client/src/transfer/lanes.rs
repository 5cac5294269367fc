//! How much is in flight at a time, in the whole command.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests at a time, as many as the AWS CLI's: one connection of 100 ms carries 8 MiB in less than a second, ten
/// of them fill most lines.
const REQUESTS_MAX: u32 = 10;

/// Bytes of bodies in memory at a time. A part that is larger has the memory to itself.
const MEMORY_BYTES: u64 = 256 << 20;

/// Memory is counted in these, so that a count of 32 bits is enough.
const UNIT_BYTES: u64 = 64 << 10;

/// The lanes of a command. Clones share them.
#[derive(Clone, Debug)]
pub struct Lanes {
    requests: Arc<Semaphore>,
    memory: Arc<Semaphore>,
}

/// The right to one request and to its body's memory, until it is dropped.
#[derive(Debug)]
pub struct Lane {
    _request: OwnedSemaphorePermit,
    _memory: OwnedSemaphorePermit,
}

impl Default for Lanes {
    fn default() -> Self {
        let requests = Arc::new(Semaphore::new(REQUESTS_MAX as usize));
        Self { requests, memory: Arc::new(Semaphore::new(units(MEMORY_BYTES) as usize)) }
    }
}

impl Lanes {
    /// Waits for a lane for a body of so many bytes. Whoever holds one must not wait for another.
    pub async fn enter(&self, bytes: u64) -> Lane {
        // Memory first: a large part that waits for it would keep small ones from lanes that it cannot use yet.
        let memory = Arc::clone(&self.memory).acquire_many_owned(units(bytes)).await;
        let request = Arc::clone(&self.requests).acquire_owned().await;
        Lane {
            _request: request.expect("nobody closes the semaphore"),
            _memory: memory.expect("nobody closes the semaphore"),
        }
    }

    /// How many pieces of a stream are read ahead of the one that is being written, so that memory suffices.
    pub fn ahead(piece_bytes: u64) -> usize {
        let fit = MEMORY_BYTES / piece_bytes.max(1);
        usize::try_from(fit.clamp(1, u64::from(REQUESTS_MAX))).unwrap_or(1)
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.clamp(1, MEMORY_BYTES).div_ceil(UNIT_BYTES)).expect("256 MiB are 4,096 units")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn requests_and_memory_are_bounded() {
        let lanes = Lanes::default();
        let held: Vec<Lane> =
            (0..REQUESTS_MAX).map(|_| lanes.enter(8 << 20).now_or_never().unwrap()).collect();
        assert!(lanes.enter(0).now_or_never().is_none(), "all lanes are taken");
        drop(held);
        let half = lanes.enter(MEMORY_BYTES / 2 + 1).now_or_never().unwrap();
        assert!(lanes.enter(MEMORY_BYTES / 2).now_or_never().is_none(), "memory is taken");
        assert!(lanes.enter(1).now_or_never().is_some(), "what is small still fits");
        drop(half);
        assert!(lanes.enter(5 << 30).now_or_never().is_some(), "the largest part gets all of it");
        assert_eq!([1, 8 << 20, 64 << 20, 5 << 30].map(Lanes::ahead), [10, 10, 4, 1]);
    }
}
