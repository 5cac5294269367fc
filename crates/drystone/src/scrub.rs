//! The scrub's pace: all stored bytes are read again at long intervals, slowly, while the server serves.
//!
//! | metric | meaning |
//! |---|---|
//! | `drystone_scrub_read_bytes_total` | bytes read and compared with their checksums |
//! | `drystone_scrub_damaged_total` | objects and parts found damaged |
//! | `drystone_scrub_passes_total` | passes that ended |
//! | `drystone_scrub_finished_timestamp_seconds` | when the last pass ended |

use std::sync::Arc;
use std::time::Duration;

use drystone_core::error::Error;
use drystone_core::scrub::{SLICE_BYTES_MAX, Scrub, Step};
use drystone_core::store::{Chain, Store};

const READ: &str = "drystone_scrub_read_bytes_total";
const DAMAGED: &str = "drystone_scrub_damaged_total";
const PASSES: &str = "drystone_scrub_passes_total";
const FINISHED: &str = "drystone_scrub_finished_timestamp_seconds";

/// What a body of a few bytes counts for, in bytes: finding it costs about as much as reading a page.
const STEP_BYTES_MIN: u64 = 4096;
/// Its place is kept when it has read this much since the last time, in bytes.
const KEEP_EVERY_BYTES: u64 = 256 << 20;
/// How often it is asked whether a pass is due, and how long it waits after a failure.
const ASK_EVERY: Duration = Duration::from_mins(1);

/// How much is read, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// From the beginning of a pass to the beginning of the next.
    pub(crate) every: Duration,
    /// Bytes in a second, at least 1.
    pub(crate) bytes_per_second: u64,
}

/// Scrubs for ever; `None` never.
pub(crate) async fn run(store: Arc<Store>, pace: Option<Pace>) {
    let Some(pace) = pace else { return std::future::pending().await };
    describe();
    loop {
        if let Err(error) = passes(&store, pace).await {
            tracing::error!(error = %Chain(&error), "the scrub could not go on; trying again in a minute");
        }
        wait(ASK_EVERY).await;
    }
}

fn describe() {
    metrics::describe_counter!(READ, "Bytes read and compared with their checksums.");
    metrics::describe_counter!(DAMAGED, "Objects and parts found damaged.");
    metrics::describe_counter!(PASSES, "Passes over all stored bytes that ended.");
    metrics::describe_gauge!(FINISHED, "When the last pass ended, in seconds since 1970.");
    // Zero is an answer: it tells an alert that the scrub is there and has found nothing.
    metrics::counter!(READ).absolute(0);
    metrics::counter!(DAMAGED).absolute(0);
    metrics::counter!(PASSES).absolute(0);
}

/// One pass after the other, each when it is due.
async fn passes(store: &Store, pace: Pace) -> Result<(), Error> {
    let mut scrub = store.scrub().await?;
    loop {
        while !store.scrub_is_due(&mut scrub, pace.every) {
            wait(pace.every.min(ASK_EVERY)).await;
        }
        pass(store, &mut scrub, pace).await?;
    }
}

/// From the scrub's place to the end of the pass.
async fn pass(store: &Store, scrub: &mut Scrub, pace: Pace) -> Result<(), Error> {
    let (mut owed, mut unkept) = (0, 0);
    loop {
        let read = match store.scrub_next(scrub).await? {
            Step::Sound(bytes) => bytes,
            Step::Damaged { what, why } => {
                metrics::counter!(DAMAGED).increment(1);
                tracing::error!(why, "the {what} is damaged: put it again from a copy, or delete it");
                0
            }
            Step::Finished => return finish(store, scrub).await,
        };
        metrics::counter!(READ).increment(read);
        owed += read.max(STEP_BYTES_MIN);
        if owed >= SLICE_BYTES_MAX {
            wait(Duration::from_micros(owed * 1_000_000 / pace.bytes_per_second)).await;
            unkept += owed;
            owed = 0;
        }
        if unkept >= KEEP_EVERY_BYTES {
            store.keep_scrub(scrub).await?;
            unkept = 0;
        }
    }
}

async fn finish(store: &Store, scrub: &Scrub) -> Result<(), Error> {
    store.keep_scrub(scrub).await?;
    let record = scrub.record();
    metrics::counter!(PASSES).increment(1);
    let finished = u32::try_from(record.finished.seconds()).unwrap_or(u32::MAX);
    metrics::gauge!(FINISHED).set(f64::from(finished));
    tracing::info!(checked_bytes = record.checked, damaged = record.damaged, "the scrub has read everything");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the pace of the scrub and of the census is their sleep")]
pub(crate) async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}
