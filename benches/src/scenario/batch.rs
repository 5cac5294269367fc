//! DeleteObjects of 1,000 keys a request: what one commit for many keys saves.

use crate::client::{Client, Source};
use crate::closed_loop::Bounds;
use crate::failure::Failure;
use crate::measurement::{Moves, Unit, Workload};
use crate::report::Progress;
use crate::stage::Stage;

const BATCH: Workload = Workload {
    name: "delete-batch",
    what: "DeleteObjects of 1,000 small objects a request",
    unit: Unit::Requests,
    moves: Moves::Out,
};

pub(super) const WORKLOADS: [Workload; 1] = [BATCH];

/// Keys of a request: the most that S3 takes.
const KEYS_IN_BATCH: u64 = 1_000;

/// Clients that make the objects.
const MAKERS: usize = 32;

/// Clients that delete many objects that other workloads leave behind.
const REMOVERS: usize = 8;

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), Failure> {
    let folder = stage.folder(BATCH.name);
    let key = |number: u64| format!("{folder}/{number:08}");
    let (keys, size) = (stage.profile.batch_keys, stage.profile.small_bytes);
    let payload_bytes = usize::try_from(size).expect("a small object fits in memory");
    let all = Bounds { clients: MAKERS, payload_bytes, requests: keys, time: super::PATIENCE };
    let make = async |client: &mut Client<'_>, number| {
        client.put(&key(number), Source::whole(stage.id(12, number), size)).await.map(|()| size)
    };
    stage.prepare(BATCH, all, make).await?;
    let batches = Bounds {
        clients: 1,
        payload_bytes: 0,
        requests: keys.div_ceil(KEYS_IN_BATCH),
        time: super::PATIENCE,
    };
    let delete = async |client: &mut Client<'_>, number: u64| {
        client.delete_batch(&nth(number, keys, key)).await.map(|()| 0)
    };
    let (measurement, _) = stage.measure(BATCH, batches, delete).await?;
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let keys_per_s = keys as f64 / measurement.seconds;
    stage.tell(measurement.with("keys_per_s", keys_per_s).with_cpu_us_per("cpu_us_a_key", keys));
    Ok(())
}

/// Deletes `count` objects that `workload` left behind, unmeasured.
///
/// # Errors
/// As [`Stage::prepare`].
pub(super) async fn remove(
    stage: &Stage<'_>,
    workload: Workload,
    count: u64,
    key: impl Fn(u64) -> String,
) -> Result<(), Failure> {
    let progress = Progress::new(format!("{} is cleared", stage.target.name), count);
    let bounds = Bounds {
        clients: REMOVERS,
        payload_bytes: 0,
        requests: count.div_ceil(KEYS_IN_BATCH),
        time: super::LONG_PATIENCE,
    };
    let delete = async |client: &mut Client<'_>, number: u64| {
        let keys = nth(number, count, &key);
        client.delete_batch(&keys).await?;
        progress.add(keys.len() as u64);
        Ok(0)
    };
    stage.prepare(workload, bounds, delete).await
}

/// The keys of the batch `number` of `count` keys.
fn nth(number: u64, count: u64, key: impl Fn(u64) -> String) -> Vec<String> {
    let from = number * KEYS_IN_BATCH;
    (from..count.min(from + KEYS_IN_BATCH)).map(key).collect()
}
