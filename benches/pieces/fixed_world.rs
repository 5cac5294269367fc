//! A clock that ticks at each look and chance from a seed: the same in every run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use drystone_core::names::Timestamp;
use drystone_core::world::{Clock, Entropy};

use crate::signed_request::NOW;

/// A clock that moves a millisecond at each look.
pub(crate) struct Ticks(AtomicU64);

impl Ticks {
    /// Begins at the moment of all signed requests.
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(NOW.0))
    }
}

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Chance from a seed (splitmix64).
pub(crate) struct Seeded(AtomicU64);

impl Seeded {
    /// The same numbers every time.
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(1))
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            let mut n = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            for (to, from) in piece.iter_mut().zip((n ^ (n >> 31)).to_le_bytes()) {
                *to = from;
            }
        }
    }
}
