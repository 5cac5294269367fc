//! Time, which this program exists to measure: the one place where it is read or waited for.
//!
//! Without it every file would need its own exception from the rule that bans the clock.
#![expect(clippy::disallowed_methods, reason = "a load generator measures time; no test depends on it")]

use std::time::{Duration, Instant};

/// A moment to measure from.
#[derive(Clone, Copy, Debug)]
pub struct Moment(Instant);

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// Time since this moment.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// Microseconds since this moment; the longest that can be told is 71 minutes.
    pub fn elapsed_us(self) -> u32 {
        u32::try_from(self.0.elapsed().as_micros()).unwrap_or(u32::MAX)
    }
}

/// Seconds and nanoseconds since 1970, in UTC.
pub fn unix_time() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// The step of a poll for something that cannot be awaited: a file system, a process that starts.
pub async fn pause(step: Duration) {
    tokio::time::sleep(step).await;
}

/// Runs `work`, but not longer than `limit`; `None` when the limit has passed.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}
