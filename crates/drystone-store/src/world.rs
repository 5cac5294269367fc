//! Time and chance of the machine: the only place that asks the operating system for either.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use drystone_core::names::Timestamp;
use drystone_core::world::{Clock, Entropy};

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    made: Instant,
}

impl SystemClock {
    /// Starts to count [`Clock::elapsed`].
    #[expect(clippy::disallowed_methods, reason = "this is the door through which time comes in")]
    pub fn new() -> Self {
        Self { made: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the door through which time comes in")]
    fn now(&self) -> Timestamp {
        // A clock before 1970 is wrong in any case; the epoch is the least surprising answer.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(since.as_millis() as u64)
    }

    fn elapsed(&self) -> Duration {
        self.made.elapsed()
    }
}

/// The machine's randomness.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the door through which chance comes in")]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system always has randomness once it has started");
    }
}
