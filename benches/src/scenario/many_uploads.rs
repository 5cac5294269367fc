//! Very many open uploads: made once, then listed, and aborted by one job or one by one.

use std::cell::RefCell;

use crate::client::Client;
use crate::client::Source;
use crate::closed_loop::Bounds;
use crate::failure::Failure;
use crate::measurement::{Moves, Unit, Workload};
use crate::profile::KIB;
use crate::report::Progress;
use crate::scenario::abort_jobs::{self, ABORT_JOB};
use crate::scenario::list::listing;
use crate::stage::Stage;

pub(super) const LIST: Workload = Workload {
    name: "list-uploads-many",
    what: "ListMultipartUploads in pages of 1,000, with --uploads-many open",
    unit: Unit::Requests,
    moves: Moves::Out,
};

pub(super) const WORKLOADS: [Workload; 2] = [LIST, ABORT_JOB];

/// Clients that make and abort uploads: group commit needs many.
const CLIENTS: usize = 64;

/// Every so many uploads gets a part, of so many bytes.
const PART_EVERY: u64 = 100;
const PART_BYTES: u64 = 64 * KIB;

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), Failure> {
    let count = stage.profile.many_uploads;
    let folder = stage.folder("many-uploads");
    let key = |number: u64| format!("{folder}/{number:07}");
    let bounds = Bounds {
        clients: CLIENTS,
        payload_bytes: PART_BYTES as usize,
        requests: count,
        time: super::LONG_PATIENCE,
    };
    let progress = Progress::new(format!("{} gets its uploads", stage.target.name), count);
    let uploads = RefCell::new(Vec::new());
    let create = async |client: &mut Client<'_>, number: u64| {
        let upload = client.create_upload(&key(number)).await?;
        if number.is_multiple_of(PART_EVERY) {
            let source = Source::whole(stage.id(8, number), PART_BYTES);
            client.upload_part(&key(number), &upload, 1, source).await?;
        }
        uploads.borrow_mut().push((number, upload));
        progress.add(1);
        Ok(0)
    };
    stage.prepare(LIST, bounds, create).await?;
    drop(progress);
    if stage.wants(LIST) {
        let prefix = format!("{folder}/");
        listing(stage, LIST, &[("uploads", ""), ("max-uploads", "1000"), ("prefix", &prefix)], count).await?;
    }
    if stage.wants(ABORT_JOB) {
        return abort_jobs::abort(stage, &folder, count).await;
    }
    let uploads = uploads.into_inner();
    let abort = async |client: &mut Client<'_>, number: u64| {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let Some((number, upload)) = uploads.get(place) else { return Ok(0) };
        client.abort_upload(&key(*number), upload).await.map(|()| 0)
    };
    stage.prepare(LIST, Bounds { payload_bytes: 0, ..bounds }, abort).await
}
