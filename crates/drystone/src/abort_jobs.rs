//! Abort jobs are carried out here, in the background, whoever started them and however often the server was
//! started since.
//!
//! | metric | meaning |
//! |---|---|
//! | `drystone_abort_jobs_running` | jobs that were started and have not ended |
//!
//! What they abort and free is in the [audit's](drystone_server::audit) lines and numbers, by the cause `bulk`.
//!
//! Running jobs take turns, a batch each. After each batch the worker rests as long as the batch took, so that
//! jobs never take more than about half of what the commit lane and the disk can do.

use std::sync::Arc;
use std::time::Duration;

use drystone_core::abort_jobs::advance::Advanced;
use drystone_core::abort_jobs::job::Job;
use drystone_core::error::Error;
use drystone_core::store::{Chain, Store};
use drystone_core::world::Clock;

const RUNNING: &str = "drystone_abort_jobs_running";

/// Rest after a batch, for each unit of the time that the batch took.
const REST_PER_WORK: u32 = 1;
/// Longest rest: a batch that waited for a stalled disk says nothing about the next.
const REST_MAX: Duration = Duration::from_secs(1);
/// How often it is looked for jobs that nobody announced, and how long it waits after a failure.
const ASK_EVERY: Duration = Duration::from_mins(1);

/// Carries out abort jobs for ever.
pub(crate) async fn run(store: Arc<Store>, clock: Arc<dyn Clock>) {
    describe();
    loop {
        if let Err(error) = carry_out(&store, &*clock).await {
            tracing::error!(error = %Chain(&error), "abort jobs could not go on; trying again in a minute");
            wait(ASK_EVERY).await;
            continue;
        }
        tokio::select! {
            () = store.abort_job_wanted() => {}
            () = wait(ASK_EVERY) => {}
        }
    }
}

fn describe() {
    metrics::describe_gauge!(RUNNING, "Abort jobs that were started and have not ended.");
    metrics::gauge!(RUNNING).set(0.0);
}

/// All jobs that run, to their ends, a batch of each in turn.
async fn carry_out(store: &Store, clock: &dyn Clock) -> Result<(), Error> {
    loop {
        let running = store.running_abort_jobs()?;
        metrics::gauge!(RUNNING).set(f64::from(u32::try_from(running.len()).unwrap_or(u32::MAX)));
        if running.is_empty() {
            return Ok(());
        }
        for id in running {
            let begun = clock.elapsed();
            let advanced = store.advance_abort_job(id).await?;
            tell(&advanced);
            let took = clock.elapsed().saturating_sub(begun);
            wait((took * REST_PER_WORK).min(REST_MAX)).await;
        }
    }
}

/// A line of the log for what an operator should know.
fn tell(advanced: &Advanced) {
    for error in &advanced.failed {
        tracing::error!(error, "an abort job passed by an upload");
    }
    if let Some(Job { id, state, aborted, failed, .. }) = &advanced.job
        && state.is_end()
    {
        tracing::info!(
            job = %id,
            state = state.name(),
            aborted_uploads = aborted.uploads,
            aborted_bytes = aborted.bytes,
            failed,
            "an abort job has ended"
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "the worker's pace is its rest")]
async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}
