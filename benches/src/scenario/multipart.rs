//! One object of 1 GiB in parts of 16 MiB, 8 in flight: created, sent, completed; then read.
//!
//! The time is that of the whole upload, from Create to the answer of Complete, as a client waits it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::client::{Client, Source};
use crate::clock::Moment;
use crate::closed_loop::{self, Bounds};
use crate::failure::Failure;
use crate::measurement::{Moves, Unit, Workload};
use crate::scenario::stream::PIECE_BYTES;
use crate::stage::Stage;

const UPLOAD: Workload = Workload {
    name: "multipart1g",
    what: "multipart upload of 1 GiB in parts of 16 MiB, with Create and Complete",
    unit: Unit::Bytes,
    moves: Moves::In,
};
const GET: Workload = Workload {
    name: "get-multipart1g",
    what: "one GET of the 1 GiB that was uploaded in parts",
    unit: Unit::Bytes,
    moves: Moves::Out,
};

pub(super) const WORKLOADS: [Workload; 2] = [UPLOAD, GET];

/// Parts in flight.
const CLIENTS: usize = 8;

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), Failure> {
    let key = format!("{}/object", stage.folder(UPLOAD.name));
    let size = stage.profile.stream_bytes;
    let id = stage.id(4, 0);
    upload(stage, &key, id).await?;
    let once = Bounds { clients: 1, payload_bytes: PIECE_BYTES, requests: 1, time: super::PATIENCE };
    if stage.wants(GET) {
        let source = Source::whole(id, size);
        let get = async |client: &mut Client<'_>, _| client.get(&key, source).await.map(|()| size);
        stage.tell(stage.measure(GET, once, get).await?.0);
    }
    stage
        .prepare(UPLOAD, once, async |client: &mut Client<'_>, _| client.delete(&key).await.map(|()| 0))
        .await
}

async fn upload(stage: &Stage<'_>, key: &str, id: u64) -> Result<(), Failure> {
    let (size, part_bytes) = (stage.profile.stream_bytes, stage.profile.part_bytes);
    let parts = size.div_ceil(part_bytes);
    let mut client = Client::new(stage.target, 0);
    stage.once(UPLOAD, super::PATIENCE, client.open()).await?;
    let watch = stage.watch().await;
    let start = Moment::now();
    let upload = stage.once(UPLOAD, super::PATIENCE, client.create_upload(key)).await?;
    let created = start.elapsed();

    let etags = RefCell::new(BTreeMap::new());
    let bounds =
        Bounds { clients: CLIENTS, payload_bytes: PIECE_BYTES, requests: parts, time: super::PATIENCE };
    let mut tally = closed_loop::run(stage.target, UPLOAD.name, bounds, async |client, number| {
        let offset = number * part_bytes;
        let source = Source { id, offset, len: part_bytes.min(size - offset) };
        let etag = client.upload_part(key, &upload, number + 1, source).await?;
        etags.borrow_mut().insert(number, etag);
        Ok(source.len)
    })
    .await?;
    if tally.errors > 0 {
        // What went wrong is told below; that the abort went wrong too would only hide it.
        let _ = stage.once(UPLOAD, super::PATIENCE, client.abort_upload(key, &upload)).await;
        return Err(Failure::Unprepared {
            workload: UPLOAD.name,
            errors: tally.errors,
            requests: tally.started,
        });
    }
    let sent = start.elapsed();
    let etags: Vec<String> = etags.into_inner().into_values().collect();
    stage.once(UPLOAD, super::PATIENCE, client.complete_upload(key, &upload, &etags)).await?;
    let completed = start.elapsed();
    tally.seconds = completed.as_secs_f64();
    if stage.wants(UPLOAD) {
        let measurement = stage.measurement(UPLOAD, CLIENTS, tally, &watch);
        stage.tell(
            measurement
                .with("create_ms", created.as_secs_f64() * 1e3)
                .with("parts_s", sent.as_secs_f64() - created.as_secs_f64())
                .with("complete_ms", (completed.as_secs_f64() - sent.as_secs_f64()) * 1e3),
        );
    }
    Ok(())
}
