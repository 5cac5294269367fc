//! Housekeeping: work that no request asks for, done at long intervals.

use std::sync::Arc;
use std::time::Duration;

use drystone_core::store::{Chain, Store};

/// How often old completion records are forgotten and failed reclaims are tried again.
const INTERVAL: Duration = Duration::from_mins(1);

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
