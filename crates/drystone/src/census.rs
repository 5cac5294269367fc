//! The census's pace: unfinished uploads are counted again and again, and never take more than a small share of a core.
//!
//! Measured with 10^6 uploads in the memory engine, on two cores that others kept busy: the steps of a walk took 2.8 s
//! together and 3 ms each (`cargo xtask bench --pieces census`); with its rests the walk takes about a minute. What is
//! found, and under which names it is shown, stands in [`drystone_server::metrics::uploads`].

use std::sync::Arc;
use std::time::Duration;

use drystone_core::error::Error;
use drystone_core::store::{Chain, Store};
use drystone_core::uploads::census::CensusStep;
use drystone_core::world::Clock;
use drystone_server::metrics::Metrics;

use crate::scrub::wait;

/// After a step that took a while, the walk rests this many times as long: it takes a twentieth of a core at most,
/// whatever the number of uploads and the speed of the machine.
const REST: u32 = 19;
/// From the end of a walk to the beginning of the next; the numbers are never older than this and one walk.
const PAUSE: Duration = Duration::from_secs(10);

/// Counts for ever.
pub(crate) async fn run(store: Arc<Store>, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) {
    loop {
        if let Err(error) = walk(&store, &*clock, &metrics).await {
            tracing::error!(error = %Chain(&error), "unfinished uploads could not be counted; trying again in ten seconds");
        }
        wait(PAUSE).await;
    }
}

async fn walk(store: &Store, clock: &dyn Clock, metrics: &Metrics) -> Result<(), Error> {
    let begun = clock.elapsed();
    let mut walk = store.begin_census()?;
    let mut since = begun;
    loop {
        let step = store.census_step(walk)?;
        let now = clock.elapsed();
        match step {
            CensusStep::More(rest) => walk = rest,
            CensusStep::Whole(census) => {
                metrics.show_uploads(&census, now.saturating_sub(begun));
                return Ok(());
            }
        }
        wait(now.saturating_sub(since) * REST).await;
        since = clock.elapsed();
    }
}
