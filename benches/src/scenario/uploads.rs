//! Uploads that nobody completes: created, given one part of 1 MiB, listed, aborted.
//!
//! After the last abort the data directory is watched until the parts' bytes are back at the file
//! system; how long that takes is what an operator with a full disk wants to know.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::client::{Client, Source};
use crate::clock::{self, Moment};
use crate::closed_loop::Bounds;
use crate::disk;
use crate::failure::Failure;
use crate::measurement::{Measurement, Moves, Unit, Workload};
use crate::profile::MIB;
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

/// How often the data directory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

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

    let taken = || stage.target.data.as_deref().map(disk::bytes_taken);
    let before = taken();
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
    let held = taken();
    let abort = async |client: &mut Client<'_>, number| {
        client.abort_upload(&key(number), upload(number)?).await.map(|()| 0)
    };
    let mut aborted = stage.measure(ABORT, bounds, abort).await?.0;
    if stage.wants(ABORT) {
        if let (Some(before), Some(held)) = (before, held) {
            aborted = watch_bytes(stage, aborted, before, held).await;
        }
        stage.tell(aborted);
    }
    Ok(())
}

fn tell_if_wanted(stage: &Stage<'_>, workload: Workload, measurement: Measurement) {
    if stage.wants(workload) {
        stage.tell(measurement);
    }
}

/// Waits until no more than 2 % of what the parts took is still taken, and notes how long that was.
#[expect(clippy::cast_precision_loss, reason = "bytes of a test, told in MiB")]
async fn watch_bytes(stage: &Stage<'_>, aborted: Measurement, before: u64, held: u64) -> Measurement {
    let start = Moment::now();
    let Some(folder) = stage.target.data.as_deref() else { return aborted };
    let mib = |bytes: u64| bytes as f64 / MIB as f64;
    let enough = before + held.saturating_sub(before) / 50;
    let aborted = aborted.with("held_mib", mib(held.saturating_sub(before)));
    loop {
        let taken = disk::bytes_taken(folder);
        if taken <= enough {
            return aborted.with("bytes_back_s", start.elapsed().as_secs_f64());
        }
        if start.elapsed() >= stage.profile.bytes_back_max {
            // No time is told then: an absent figure cannot be mistaken for a fast one.
            return aborted.with("still_held_mib", mib(taken.saturating_sub(before)));
        }
        clock::pause(LOOK_EVERY).await;
    }
}
