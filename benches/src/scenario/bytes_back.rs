//! When the bytes of what was aborted are back at the file system: what an operator with a full disk wants
//! to know, and no answer to a request says.

use std::time::Duration;

use crate::clock::{self, Moment};
use crate::disk;
use crate::measurement::Measurement;
use crate::profile::MIB;
use crate::stage::{Stage, Watch};

/// How often the data directory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a data directory took before parts were sent.
#[derive(Clone, Copy)]
pub(super) struct Before(Option<u64>);

/// What it took before they were aborted, too.
#[derive(Clone, Copy)]
pub(super) struct Held(Option<(u64, u64)>);

impl Before {
    /// Looks at the target's data directory, where it is known.
    pub(super) fn look(stage: &Stage<'_>) -> Self {
        Self(taken(stage))
    }

    /// Looks again, when the parts are there.
    pub(super) fn and_held(self, stage: &Stage<'_>) -> Held {
        Held(self.0.zip(taken(stage)))
    }
}

impl Held {
    /// Waits until no more than 2 % of what the parts took is still taken, and notes how long that was. The CPU
    /// time that `watch` saw until then is noted too: who gives bytes back after the answer works after it.
    #[expect(clippy::cast_precision_loss, reason = "bytes of a test, told in MiB")]
    pub(super) async fn watch(self, stage: &Stage<'_>, aborted: Measurement, watch: &Watch) -> Measurement {
        let (Some((before, held)), Some(folder)) = (self.0, stage.target.data.as_deref()) else {
            return aborted;
        };
        let start = Moment::now();
        let mib = |bytes: u64| bytes as f64 / MIB as f64;
        let enough = before + held.saturating_sub(before) / 50;
        let aborted = aborted.with("held_mib", mib(held.saturating_sub(before)));
        loop {
            let taken = disk::bytes_taken(folder);
            if taken <= enough {
                let aborted = aborted.with("bytes_back_s", start.elapsed().as_secs_f64());
                return match watch.so_far().server {
                    Some(server) => aborted.with("cpu_s_until_back", server.cpu_s),
                    None => aborted,
                };
            }
            if start.elapsed() >= stage.profile.bytes_back_max {
                // No time is told then: an absent figure cannot be mistaken for a fast one.
                return aborted.with("still_held_mib", mib(taken.saturating_sub(before)));
            }
            clock::pause(LOOK_EVERY).await;
        }
    }
}

fn taken(stage: &Stage<'_>) -> Option<u64> {
    stage.target.data.as_deref().map(disk::bytes_taken)
}
