//! Waiting for a server: the only place of the commands that sets timers.
#![expect(clippy::disallowed_methods, reason = "this is the room that the ban on timers points to")]

use std::time::Duration;

/// Waits until something at the server may have changed.
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits that grow: each twice as long as the one before, up to a limit.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// Begins with `first`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first.min(longest), longest }
    }

    /// How long to wait now.
    pub fn step(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(self.longest);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_limit() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(300));
        let steps: Vec<_> = std::iter::repeat_with(|| backoff.step().as_millis()).take(4).collect();
        assert_eq!(steps, [100, 200, 300, 300]);
    }
}
