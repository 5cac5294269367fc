//! Uploads that nobody completes: created, given one part of 1 MiB, listed, aborted.
//!
//! After the last abort the data directory is watched until the parts' bytes are back at the file
//! system; how long that takes is what an operator with a full disk wants to know.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::client::{Client, Source};
use crate::closed_loop::Bounds;
use crate::failure::Failure;
use crate::measurement::{Measurement, Moves, Unit, Workload};
use crate::profile::MIB;
use crate::scenario::bytes_back::Before;
use crate::scenario::list::listing;
use crate::stage::Stage;

const CREATE: Workload = Workload {
    name: "create-upload",
    what: "CreateMultipartUpload",
    unit: Unit::Requests,
    moves: Moves::Out,
};
const PART: Workload =
    Workload { name: "upload-part1m", what: "UploadPart of 1 MiB", unit: Unit::Bytes, moves: Moves::In };
const LIST: Workload = Workload {
    name: "list-uploads",
    what: "ListMultipartUploads in pages of 1,000",
    unit: Unit::Requests,
    moves: Moves::Out,
};
const ABORT: Workload = Workload {
    name: "abort",
    what: "AbortMultipartUpload of one part of 1 MiB, and when its bytes are back",
    unit: Unit::Requests,
    moves: Moves::Out,
};

pub(super) const WORKLOADS: [Workload; 4] = [CREATE, PART, LIST, ABORT];

/// Clients at once.
const CLIENTS: usize = 8;

/// Size of the one part, in bytes.
const PART_BYTES: u64 = MIB;

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), Failure> {
    let folder = stage.folder("uploads");
    let key = |number: u64| format!("{folder}/{number:06}");
    let count = stage.profile.uploads;
    let bounds = Bounds {
        clients: CLIENTS,
        payload_bytes: PART_BYTES as usize,
        requests: count,
        time: super::PATIENCE,
    };
    let uploads = RefCell::new(BTreeMap::new());
    let create = async |client: &mut Client<'_>, number| {
        let upload = client.create_upload(&key(number)).await?;
        uploads.borrow_mut().insert(number, upload);
        Ok(0)
    };
    tell_if_wanted(stage, CREATE, stage.measure(CREATE, bounds, create).await?.0);
    let uploads = uploads.into_inner();
    let upload = |number: u64| {
        let missing =
            || Failure::Wrong { request: key(number), why: "its upload was not created".to_owned() };
        uploads.get(&number).ok_or_else(missing)
    };

    let before = Before::look(stage);
    if stage.wants(PART) || stage.wants(ABORT) {
        let send = async |client: &mut Client<'_>, number| {
            let source = Source::whole(stage.id(6, number), PART_BYTES);
            client.upload_part(&key(number), upload(number)?, 1, source).await.map(|_| PART_BYTES)
        };
        tell_if_wanted(stage, PART, stage.measure(PART, bounds, send).await?.0);
    }
    if stage.wants(LIST) {
        let prefix = format!("{folder}/");
        listing(stage, LIST, &[("uploads", ""), ("max-uploads", "1000"), ("prefix", &prefix)], count).await?;
    }
    let held = before.and_held(stage);
    let abort = async |client: &mut Client<'_>, number| {
        client.abort_upload(&key(number), upload(number)?).await.map(|()| 0)
    };
    let watch = stage.watch().await;
    let tally = stage.repeat(ABORT, bounds, abort).await?;
    if stage.wants(ABORT) {
        let aborted = stage.measurement(ABORT, CLIENTS, tally, &watch);
        stage.tell(held.watch(stage, aborted, &watch).await);
    }
    Ok(())
}

fn tell_if_wanted(stage: &Stage<'_>, workload: Workload, measurement: Measurement) {
    if stage.wants(workload) {
        stage.tell(measurement);
    }
}
