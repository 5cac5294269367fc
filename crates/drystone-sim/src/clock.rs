//! Time that stands still until a test sets it, and chance that repeats itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use drystone_core::names::Timestamp;
use drystone_core::world::{Clock, Entropy};

/// Where a test's clock begins: 2026-11-23T08:00:00Z.
pub const MORNING: Timestamp = Timestamp(1_795_420_800_000);

/// A wall clock that stands still until the test sets it.
pub struct SetClock(AtomicU64);

impl Default for SetClock {
    fn default() -> Self {
        Self(AtomicU64::new(MORNING.0))
    }
}

impl SetClock {
    /// Sets it, backwards too.
    pub fn set(&self, time: Timestamp) {
        self.0.store(time.0, Ordering::SeqCst);
    }

    /// Moves it forward.
    pub fn forward(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst).saturating_sub(MORNING.0))
    }
}

/// Chance that repeats itself: SplitMix64.
pub struct Seeded(AtomicU64);

impl Seeded {
    /// Chance from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            for (to, from) in chunk.iter_mut().zip((z ^ z >> 31).to_le_bytes()) {
                *to = from;
            }
        }
    }
}
