//! Housekeeping: work that no request asks for, done at long intervals.
//!
//! | metric | meaning |
//! |---|---|
//! | `drystone_lifecycle_failed_runs_total` | times that the rules could not be carried out |
//! | `drystone_lifecycle_last_run_timestamp_seconds` | when the rules were last carried out |
//! | `drystone_lifecycle_next_run_timestamp_seconds` | when they are next |
//!
//! What the rules aborted and freed is in the [audit's](drystone_server::audit) lines and numbers.

use std::sync::Arc;
use std::time::Duration;

use drystone_core::lifecycle::expire::Expired;
use drystone_core::store::{Chain, Store};
use drystone_core::world::Clock;

/// How often old completion records are forgotten and failed reclaims are tried again.
const INTERVAL: Duration = Duration::from_mins(1);

/// How often the lifecycle rules are carried out.
const LIFECYCLE_INTERVAL: Duration = Duration::from_mins(10);

/// How long freed bytes gather before they go back together: each time costs two syncs, and each freed byte is to be
/// back within a second.
const GATHER: Duration = Duration::from_millis(20);

const FAILED: &str = "drystone_lifecycle_failed_runs_total";
const LAST_RUN: &str = "drystone_lifecycle_last_run_timestamp_seconds";
const NEXT_RUN: &str = "drystone_lifecycle_next_run_timestamp_seconds";

/// Gives freed bytes back for ever.
#[expect(clippy::disallowed_methods, reason = "as housekeeping, of which it is a part")]
pub(crate) async fn give_back(store: Arc<Store>) {
    store.work(|| tokio::time::sleep(GATHER)).await;
}

/// Carries out the lifecycle rules for ever.
#[expect(clippy::disallowed_methods, reason = "as housekeeping, of which it is a part")]
pub(crate) async fn run_lifecycle(store: Arc<Store>, clock: Arc<dyn Clock>) {
    describe();
    let mut ticks = tokio::time::interval(LIFECYCLE_INTERVAL);
    loop {
        ticks.tick().await;
        let (mut uploads, mut bytes) = (0_u64, 0_u64);
        let count = |expired: Expired| {
            uploads += 1;
            bytes += expired.aborted.bytes;
        };
        let run = store.expire_uploads(count).await;
        if uploads > 0 {
            tracing::info!(uploads, bytes, "aborted uploads by lifecycle rules");
        }
        let seconds = f64::from(u32::try_from(clock.now().seconds()).unwrap_or(u32::MAX));
        metrics::gauge!(NEXT_RUN).set(seconds + LIFECYCLE_INTERVAL.as_secs_f64());
        match run {
            Ok(()) => metrics::gauge!(LAST_RUN).set(seconds),
            Err(error) => {
                metrics::counter!(FAILED).increment(1);
                tracing::error!(error = %Chain(&error), "the lifecycle rules could not all be carried out; trying again in ten minutes");
            }
        }
    }
}

fn describe() {
    metrics::describe_counter!(FAILED, "Times that the lifecycle rules could not be carried out.");
    metrics::describe_gauge!(
        LAST_RUN,
        "When the lifecycle rules were last carried out, in seconds since 1970."
    );
    metrics::describe_gauge!(
        NEXT_RUN,
        "When the lifecycle rules are carried out next, in seconds since 1970."
    );
    metrics::counter!(FAILED).absolute(0);
}

/// Keeps house for ever.
#[expect(clippy::disallowed_methods, reason = "this is the one worker of the binary that owns its clock")]
pub(crate) async fn run(store: Arc<Store>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        store.wake();
        if let Err(error) = store.forget_old_completions().await {
            tracing::error!(error = %Chain(&error), "old completion records could not be forgotten; trying again later");
        }
    }
}
