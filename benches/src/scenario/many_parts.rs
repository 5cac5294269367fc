//! Uploads of 10,000 parts, the most that S3 allows: one Complete and one Abort.
//!
//! The parts of the one that is completed must have 5 MiB each, 50 GB in all: they are copies of one object of
//! that size, which a store that shares bytes makes without moving any. The parts of the one that is aborted are
//! small, and sent.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::client::{Client, Source};
use crate::closed_loop::Bounds;
use crate::failure::Failure;
use crate::measurement::{Moves, Unit, Workload};
use crate::profile::{KIB, MIB};
use crate::scenario::bytes_back::Before;
use crate::stage::Stage;

const COMPLETE: Workload = Workload {
    name: "complete10k",
    what: "one Complete of 10,000 parts",
    unit: Unit::Requests,
    moves: Moves::Out,
};
const ABORT: Workload = Workload {
    name: "abort10k",
    what: "one Abort of 10,000 parts of 64 KiB, and when their bytes are back",
    unit: Unit::Requests,
    moves: Moves::Out,
};

pub(super) const WORKLOADS: [Workload; 2] = [COMPLETE, ABORT];

/// Size of a part that is completed: the least that S3 takes of all but the last.
const WHOLE_BYTES: u64 = 5 * MIB;

/// Size of a part that is aborted: large enough to lie where bodies lie, not in a row.
const SMALL_BYTES: u64 = 64 * KIB;

/// Clients that make parts.
const MAKERS: usize = 16;

/// The one request that is measured.
const ONE: Bounds = Bounds { clients: 1, payload_bytes: 0, requests: 1, time: super::PATIENCE };

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), Failure> {
    if stage.wants(COMPLETE) {
        complete(stage).await?;
    }
    if stage.wants(ABORT) {
        abort(stage).await?;
    }
    Ok(())
}

async fn complete(stage: &Stage<'_>) -> Result<(), Failure> {
    let folder = stage.folder(COMPLETE.name);
    let (piece, key) = (format!("{folder}/piece"), format!("{folder}/object"));
    let parts = stage.profile.many_parts;
    let source = Source::whole(stage.id(13, 0), WHOLE_BYTES);
    let mut client = Client::new(stage.target, WHOLE_BYTES as usize);
    let upload = stage.once(COMPLETE, super::PATIENCE, async {
        client.put(&piece, source).await?;
        client.create_upload(&key).await
    });
    let upload = upload.await?;
    let etags = RefCell::new(BTreeMap::new());
    let making = Bounds { clients: MAKERS, requests: parts, ..ONE };
    let make = async |client: &mut Client<'_>, number| {
        let etag = client.copy_part(&key, &upload, number + 1, &piece).await?;
        etags.borrow_mut().insert(number, etag);
        Ok(0)
    };
    stage.prepare(COMPLETE, making, make).await?;
    let etags: Vec<String> = etags.into_inner().into_values().collect();
    let complete =
        async |client: &mut Client<'_>, _| client.complete_upload(&key, &upload, &etags).await.map(|()| 0);
    let (measurement, _) = stage.measure(COMPLETE, ONE, complete).await?;
    let cleared = stage.once(COMPLETE, super::PATIENCE, async {
        // The last part must be where it belongs.
        let (begin, end) = (WHOLE_BYTES - MIB, parts * WHOLE_BYTES - MIB);
        client.get_range(&key, end, Source { offset: begin, len: MIB, ..source }).await?;
        client.delete(&key).await?;
        client.delete(&piece).await
    });
    cleared.await?;
    stage.tell(measurement.with_cpu_us_per("cpu_us_a_part", parts));
    Ok(())
}

async fn abort(stage: &Stage<'_>) -> Result<(), Failure> {
    let key = format!("{}/object", stage.folder(ABORT.name));
    let parts = stage.profile.many_parts;
    let before = Before::look(stage);
    let mut client = Client::new(stage.target, 0);
    let upload = stage.once(ABORT, super::PATIENCE, client.create_upload(&key)).await?;
    let making = Bounds { clients: MAKERS, payload_bytes: SMALL_BYTES as usize, requests: parts, ..ONE };
    let make = async |client: &mut Client<'_>, number| {
        let source = Source::whole(stage.id(14, number), SMALL_BYTES);
        client.upload_part(&key, &upload, number + 1, source).await.map(|_| SMALL_BYTES)
    };
    stage.prepare(ABORT, making, make).await?;
    let held = before.and_held(stage);
    let watch = stage.watch().await;
    let abort = async |client: &mut Client<'_>, _| client.abort_upload(&key, &upload).await.map(|()| 0);
    let tally = stage.repeat(ABORT, ONE, abort).await?;
    let measurement = stage.measurement(ABORT, ONE.clients, tally, &watch);
    let measurement = held.watch(stage, measurement, &watch).await;
    stage.tell(measurement.with_cpu_us_per("cpu_us_a_part", parts));
    Ok(())
}
