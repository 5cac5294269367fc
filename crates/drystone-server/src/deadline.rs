//! How long the server waits for a client: the only room that sets timers.
//!
//! A client that stops, or drips a byte a minute, must not hold a connection, a reservation or a
//! file for ever. Time that the server itself takes (a slow disk) never counts against the client.
#![expect(clippy::disallowed_methods, reason = "this is the room that the ban on timers points to")]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};

/// Waits for `future`, but for `limit` at most; `None` when that is over.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    timeout(limit, future).await.ok()
}

/// Waits until something outside this process may have changed.
pub(crate) async fn pause(duration: Duration) {
    sleep(duration).await;
}

/// Milliseconds since it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts at 0.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// How long ago it was started, in milliseconds.
    pub(crate) fn elapsed_ms(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// How slow the other side may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// How long it may stand still, and the most that it can save up by being fast.
    pub(crate) slack_max: Duration,
    /// The rate, in bytes per second, at which it must move in the long run.
    pub(crate) rate_min: u32,
}

/// Bodies and answers: a minute of standing still, and a kibibyte a second in the long run. AWS
/// closes after some 20 s without a byte; the slowest modem moves 5 KiB a second.
pub(crate) const PATIENCE: Patience = Patience { slack_max: Duration::from_mins(1), rate_min: 1024 };

/// Measures one direction of one connection against its [`Patience`].
///
/// Waiting uses slack up, bytes give it back. No clock is read and no timer set before the first
/// wait, so that a body which is already there costs nothing.
#[derive(Debug)]
pub(crate) struct Pace {
    patience: Patience,
    slack: Duration,
    waiting_since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// Starts with all the slack there is.
    pub(crate) fn new(patience: Patience) -> Self {
        Self { patience, slack: patience.slack_max, waiting_since: None, alarm: None }
    }

    /// `bytes` were moved.
    pub(crate) fn progressed(&mut self, bytes: usize) {
        if let Some(since) = self.waiting_since.take() {
            self.slack = self.slack.saturating_sub(since.elapsed());
        }
        if self.slack < self.patience.slack_max {
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            let earned =
                Duration::from_micros(bytes.saturating_mul(1_000_000) / u64::from(self.patience.rate_min));
            self.slack = (self.slack + earned).min(self.patience.slack_max);
        }
    }

    /// Called while the other side has nothing for us: ready when it has used its slack up.
    pub(crate) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let deadline = *self.waiting_since.get_or_insert(now) + self.slack;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        // An alarm that is left over from an earlier wait rings too early; that is cheaper than
        // setting it anew for each wait.
        if alarm.deadline() > deadline {
            alarm.as_mut().reset(deadline);
        }
        loop {
            ready!(alarm.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(deadline);
        }
    }
}

/// Wakes a task that waits for something to stand still. One timer serves many waits, because whatever moves in between
/// need not set it anew.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Has the task woken `after` this time at the latest; earlier, if it was set before.
    pub(crate) fn wake_after(&mut self, after: Duration, cx: &mut Context<'_>) {
        let alarm = self.0.get_or_insert_with(|| Box::pin(sleep(after)));
        if alarm.as_mut().poll(cx).is_ready() {
            alarm.as_mut().reset(Instant::now() + after);
            // It registers the task: it is not over yet, or the task is polled again at once.
            if alarm.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const TEST: Patience = Patience { slack_max: Duration::from_secs(10), rate_min: 100 };

    async fn expiry(pace: &mut Pace) -> Duration {
        let start = Instant::now();
        poll_fn(|cx| pace.poll_expired(cx)).await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn standing_still_uses_the_slack_up() {
        assert_eq!(expiry(&mut Pace::new(TEST)).await.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_give_slack_back_up_to_its_maximum() {
        let mut pace = Pace::new(TEST);
        // Nine seconds of waiting, then bytes for two.
        assert!(within(Duration::from_secs(9), expiry(&mut pace)).await.is_none());
        pace.progressed(200);
        let left = expiry(&mut pace).await.as_millis();
        assert!((2_990..=3_010).contains(&left), "{left} ms");

        let mut pace = Pace::new(TEST);
        assert!(within(Duration::from_secs(9), expiry(&mut pace)).await.is_none());
        pace.progressed(1 << 40);
        assert_eq!(expiry(&mut pace).await.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_below_the_rate_expires_in_the_end() {
        let mut pace = Pace::new(TEST);
        let mut waits = 0;
        while within(Duration::from_secs(1), expiry(&mut pace)).await.is_none() {
            pace.progressed(50);
            waits += 1;
            assert!(waits < 100, "half the rate must not live for ever");
        }
        assert!(waits > 10, "but it may live longer than standing still: {waits}");
    }

    #[tokio::test(start_paused = true)]
    async fn our_own_time_does_not_count() {
        let mut pace = Pace::new(TEST);
        assert!(within(Duration::from_secs(5), expiry(&mut pace)).await.is_none());
        pace.progressed(500);
        pause(Duration::from_secs(1000)).await;
        assert_eq!(expiry(&mut pace).await.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_rings_for_each_wait_in_turn() {
        let mut alarm = Alarm::default();
        for seconds in [10, 3, 20] {
            let (limit, start) = (Duration::from_secs(seconds), Instant::now());
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                let left = limit.saturating_sub(start.elapsed());
                if left.is_zero() {
                    return Poll::Ready(());
                }
                alarm.wake_after(left, cx);
                Poll::Pending
            })
            .await;
            assert_eq!((start.elapsed().as_secs(), polls), (seconds, 2));
        }
    }
}
