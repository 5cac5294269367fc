//! Time and chance: the only way that either comes into the core.
//!
//! A test that owns the clock can jump years in a microsecond and replay a failure from its seed.

use std::time::Duration;

use crate::names::Timestamp;

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock, in UTC. It may jump backwards; nothing orders by it alone.
    fn now(&self) -> Timestamp;
    /// Time since the clock was made; never goes back. For durations in metrics and deadlines.
    fn elapsed(&self) -> Duration;
}

/// Where chance comes from: cryptographically strong in production, a seed in tests.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with randomness.
    fn fill(&self, bytes: &mut [u8]);

    /// Eight random bytes as a number.
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}
