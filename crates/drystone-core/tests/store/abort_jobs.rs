//! Abort jobs: exactly what was previewed goes, once, whatever happens on the way.

use std::sync::Arc;
use std::time::Duration;

use drystone_core::abort_jobs::advance::{Advanced, UPLOADS_PER_COMMIT};
use drystone_core::abort_jobs::job::{Counts, Job, JobError, JobId, State};
use drystone_core::abort_jobs::preview::JOBS_MAX;
use drystone_core::abort_jobs::selection::{Age, Selection};
use drystone_core::abort_jobs::show::Receipt;
use drystone_core::audit::{Cause, Deed};
use drystone_core::error::Error;
use drystone_core::meta::door::Order;
use drystone_core::meta::tables::{self, Table, Within};
use drystone_core::names::{AccountId, Timestamp};
use drystone_core::store::{Parts, Store};
use drystone_sim::clock::{MORNING, Seeded};
use drystone_sim::hesitant::Pause;
use drystone_sim::task::Task;

use crate::world::{
    BUCKET, Upload, World, bucket, bytes, complete, create, owner, part, part_bytes, part_copy, stranger,
};

const HOUR: Duration = Duration::from_hours(1);
const HOUR_MS: u64 = 3_600_000;

/// Everything, of any age.
fn all() -> Selection {
    Selection {
        buckets: Vec::new(),
        prefix: String::new(),
        initiated_before: None,
        idle_longer_than_s: None,
        min_bytes: 0,
        initiator: None,
        age: Age::All,
    }
}

fn preview(world: &World, selection: Selection) -> Result<Job, JobError> {
    world.run(world.store.preview_abort_job(&owner(), selection))
}

fn start(world: &World, selection: Selection) -> JobId {
    let id = preview(world, selection).unwrap().id;
    assert_eq!(world.run(world.store.start_abort_job(&owner(), id)).unwrap().state, State::Running);
    id
}

fn advance(world: &World, id: JobId) -> Advanced {
    let advanced = world.run(world.store.advance_abort_job(id)).unwrap();
    world.settle();
    advanced
}

/// Carries a job out as the worker does; what it says at its end.
fn finish(world: &World, id: JobId) -> Receipt {
    while let Some(job) = advance(world, id).job {
        assert_eq!(job.state.is_end(), world.store.running_abort_jobs().unwrap().is_empty());
    }
    world.store.abort_receipt(&owner(), id).unwrap()
}

fn is_there(world: &World, upload: &Upload) -> bool {
    match world.list_parts(upload) {
        Ok(_) => true,
        Err(Error::NoSuchUpload { .. }) => false,
        Err(other) => panic!("{other}"),
    }
}

fn counts(uploads: u64, parts: u64, bytes: u64) -> Counts {
    Counts { uploads, parts, bytes }
}

/// Three uploads, an hour apart: of 100,000 bytes, of 10, and of none.
fn three(world: &World) -> [Upload; 3] {
    let first = world.create_upload("a/first");
    world.part(&first, 1, &bytes(90_000, 1));
    world.part(&first, 2, &bytes(10_000, 2));
    world.clock.forward(HOUR);
    let second = world.create_upload("a/second");
    world.part(&second, 1, &bytes(10, 3));
    world.clock.forward(HOUR);
    let third = world.create_upload("b/third");
    world.clock.forward(HOUR);
    [first, second, third]
}

#[test]
fn a_preview_counts_and_aborts_nothing() {
    let world = World::new();
    let uploads = three(&world);
    let job = preview(&world, all()).unwrap();
    assert_eq!(
        (job.state, job.planned, job.aborted),
        (State::Previewed, counts(3, 3, 100_010), counts(0, 0, 0))
    );
    assert_eq!((job.started, job.finished, job.failed, job.last_error.clone()), (None, None, 0, None));
    assert_eq!(advance(&world, job.id), Advanced::default(), "only what was started is carried out");
    assert!(uploads.iter().all(|upload| is_there(&world, upload)));
    assert!(world.store.running_abort_jobs().unwrap().is_empty());
    assert!(matches!(world.store.abort_receipt(&owner(), job.id), Err(JobError::NotEnded(..))));
}

#[test]
fn every_condition_selects_and_all_must_hold() {
    let world = World::new();
    let _uploads = three(&world);
    let planned = |selection: Selection| preview(&world, selection).unwrap().planned.uploads;
    let cut = |selection: Selection| Selection { age: Age::CutOff, ..selection };
    assert_eq!(planned(all()), 3);
    assert_eq!(planned(Selection { prefix: "a/".into(), ..all() }), 2);
    assert_eq!(planned(Selection { prefix: "a/first".into(), ..all() }), 1, "a prefix may be a whole key");
    assert_eq!(planned(Selection { prefix: "c".into(), ..all() }), 0);
    assert_eq!(planned(Selection { min_bytes: 10, ..all() }), 2);
    assert_eq!(planned(Selection { min_bytes: 11, ..all() }), 1);
    let before = |ms: u64| Some(Timestamp(MORNING.0 + ms));
    assert_eq!(planned(cut(Selection { initiated_before: before(0), ..all() })), 0, "before, and not at");
    assert_eq!(planned(cut(Selection { initiated_before: before(1), ..all() })), 1);
    assert_eq!(planned(cut(Selection { initiated_before: before(HOUR_MS + 1), ..all() })), 2);
    // It is three hours later than the first, and an hour later than the last.
    let idle = |seconds| cut(Selection { idle_longer_than_s: Some(seconds), ..all() });
    assert_eq!((planned(idle(3_599)), planned(idle(3_600)), planned(idle(10_800))), (3, 2, 0));
    assert_eq!(planned(Selection { initiator: Some(owner().account), ..all() }), 3);
    assert_eq!(planned(Selection { initiator: Some(AccountId::new("nobody")), ..all() }), 0);
    assert_eq!(
        planned(Selection { buckets: vec![bucket(BUCKET), bucket(BUCKET)], ..all() }),
        3,
        "named twice"
    );
    let most = Selection {
        buckets: vec![bucket(BUCKET)],
        prefix: "a/".into(),
        initiated_before: before(2 * HOUR_MS),
        idle_longer_than_s: Some(60),
        min_bytes: 11,
        initiator: Some(owner().account),
        age: Age::CutOff,
    };
    let job = preview(&world, most.clone()).unwrap();
    assert_eq!(job.planned, counts(1, 2, 100_000));
    assert_eq!(job.conditions.idle_since_before, Some(Timestamp(MORNING.0 + 3 * HOUR_MS - 60_000)));
    assert_eq!(planned(Selection { prefix: "b/".into(), ..most }), 0);
}

#[test]
fn a_selection_without_a_cut_off_is_refused() {
    let world = World::new();
    let none = Selection { age: Age::CutOff, ..all() };
    assert!(preview(&world, none.clone()).unwrap_err().to_string().contains("cut-off"));
    let narrowed = Selection { prefix: "a/".into(), min_bytes: 1, ..none };
    assert!(
        preview(&world, narrowed).unwrap_err().to_string().contains("cut-off"),
        "others do not replace it"
    );
    assert!(world.store.abort_jobs(&owner()).unwrap().is_empty());
}

#[test]
fn a_job_aborts_what_was_previewed_and_gives_the_bytes_back() {
    let world = World::new();
    let [first, second, third] = three(&world);
    world.put("kept", &bytes(50_000, 9));
    world.create_bucket("other").unwrap();
    let far = world.run(world.store.create_upload(&owner(), {
        let mut request = create("far");
        request.bucket = bucket("other");
        request
    }));
    far.unwrap();
    let id = start(&world, Selection { prefix: "a/".into(), ..all() });
    let late = world.create_upload("a/late");
    world.books.take();
    let receipt = finish(&world, id);
    assert_eq!((receipt.job.state, receipt.job.aborted), (State::Done, counts(2, 3, 100_010)));
    assert_eq!(receipt.job.planned, receipt.job.aborted);
    assert_eq!(receipt.buckets.len(), 1);
    assert_eq!(
        (&receipt.buckets[0].bucket, receipt.buckets[0].aborted),
        (&bucket(BUCKET), counts(2, 3, 100_010))
    );
    let told = world.books.take().into_iter().map(|event| {
        let (key, upload_id) = event.upload.expect("it is about an upload");
        let by_the_job = Deed::Aborted(Cause::Job(id.to_string().into()));
        assert_eq!((event.deed, event.caller), (by_the_job, Some(owner())));
        (key.to_string(), upload_id.to_string(), event.parts, event.bytes)
    });
    let expected = [(&first, 2, 100_000), (&second, 1, 10)]
        .map(|(upload, parts, bytes)| (upload.key.clone(), upload.id.clone(), parts, bytes));
    assert_eq!(told.collect::<Vec<_>>(), expected, "each is told once");
    assert!(!is_there(&world, &first) && !is_there(&world, &second));
    assert!(
        is_there(&world, &third) && is_there(&world, &late),
        "what began after the preview is out of reach"
    );
    assert_eq!(world.bytes_in_volumes(), 50_000, "its bytes are back");
    assert_eq!(world.get("kept"), bytes(50_000, 9));
    assert_eq!(advance(&world, id), Advanced::default(), "it is done once");
    assert!(matches!(
        world.run(world.store.start_abort_job(&owner(), id)),
        Err(JobError::NotPreviewed(_, State::Done))
    ));
}

#[test]
fn several_buckets_have_a_line_each_in_the_receipt() {
    let world = World::new();
    for (name, uploads) in [("first", 2), ("second", 0), ("third", UPLOADS_PER_COMMIT + 1)] {
        world.create_bucket(name).unwrap();
        for _ in 0..uploads {
            let request =
                drystone_core::uploads::create::CreateUpload { bucket: bucket(name), ..create("stone") };
            world.create_upload_with(request);
        }
    }
    let receipt = finish(&world, start(&world, all()));
    let lines: Vec<_> =
        receipt.buckets.iter().map(|line| (line.bucket.to_string(), line.aborted.uploads)).collect();
    assert_eq!(lines, [("first".into(), 2), ("third".into(), UPLOADS_PER_COMMIT as u64 + 1)]);
    assert_eq!(receipt.job.aborted.uploads, UPLOADS_PER_COMMIT as u64 + 3);
}

#[test]
fn an_upload_that_becomes_active_after_the_preview_is_spared() {
    let world = World::new();
    let [first, second, _] = three(&world);
    let selection = Selection { idle_longer_than_s: Some(3_600), age: Age::CutOff, ..all() };
    let id = start(&world, selection);
    world.clock.forward(HOUR * 1_000);
    world.part(&second, 2, b"going on");
    let receipt = finish(&world, id);
    assert!(!is_there(&world, &first) && is_there(&world, &second));
    assert_eq!((receipt.job.planned.uploads, receipt.job.aborted.uploads), (2, 1));
    assert_eq!(receipt.job.state, State::Done, "whoever is spared did not fail");
}

#[test]
fn published_objects_are_never_touched() {
    let world = World::new();
    let wall = world.create_upload("wall");
    let parts = [(1, world.part(&wall, 1, &part_bytes(3)).etag), (2, world.part(&wall, 2, b"end").etag)];
    let copied = world.create_upload("copied");
    let id = start(&world, all());
    world.complete(&wall, &parts);
    world.try_part_copy(part_copy("wall", &copied, 1)).unwrap();
    let receipt = finish(&world, id);
    assert_eq!(receipt.job.aborted.uploads, 1, "the other one is an object now");
    assert_eq!(world.get("wall").len(), part_bytes(3).len() + 3);
    world.complete(&wall, &parts);
}

#[test]
fn a_job_that_is_cancelled_stops_before_the_next_batch() {
    let world = World::new();
    (0..3 * UPLOADS_PER_COMMIT).for_each(|_| drop(world.create_upload("stone")));
    let id = start(&world, all());
    let batch = advance(&world, id);
    assert_eq!(batch.aborted, counts(UPLOADS_PER_COMMIT as u64, 0, 0));
    let cancelled = world.run(world.store.cancel_abort_job(&owner(), id)).unwrap();
    assert_eq!((cancelled.state, cancelled.aborted.uploads), (State::Cancelled, UPLOADS_PER_COMMIT as u64));
    assert_eq!(advance(&world, id), Advanced::default());
    assert_eq!(world.verify().uploads, 2 * UPLOADS_PER_COMMIT as u64);
    let receipt = world.store.abort_receipt(&owner(), id).unwrap();
    assert_eq!(receipt.buckets[0].aborted.uploads, UPLOADS_PER_COMMIT as u64);
    let again = world.run(world.store.cancel_abort_job(&owner(), id)).unwrap();
    assert_eq!(again, cancelled, "once is enough");
    let other = preview(&world, all()).unwrap();
    let unstarted = world.run(world.store.cancel_abort_job(&owner(), other.id)).unwrap();
    assert_eq!(unstarted.state, State::Cancelled);
    assert!(world.run(world.store.start_abort_job(&owner(), other.id)).is_err());
}

#[test]
fn a_restart_goes_on_where_the_job_was() {
    let world = World::new();
    (0..2 * UPLOADS_PER_COMMIT + 10).for_each(|n| drop(world.create_upload(&format!("stone-{n:04}"))));
    let id = start(&world, all());
    advance(&world, id);
    // What a restart keeps is the rows: another store over the same doors.
    let again = Arc::new(Store::new(Parts {
        meta: Arc::clone(&world.meta),
        data: Arc::clone(&world.data),
        clock: world.clock.clone(),
        entropy: Arc::new(Seeded::new(1)),
    }));
    assert_eq!(again.running_abort_jobs().unwrap(), [id]);
    let mut aborted = UPLOADS_PER_COMMIT as u64;
    while let Some(job) = {
        let advanced = world.run(again.advance_abort_job(id)).unwrap();
        aborted += advanced.aborted.uploads;
        advanced.job
    } {
        assert_eq!(job.aborted.uploads, aborted);
    }
    assert_eq!(aborted, 2 * UPLOADS_PER_COMMIT as u64 + 10, "each once");
    assert_eq!(world.store.abort_job(&owner(), id).unwrap().state, State::Done);
}

#[test]
fn a_batch_that_is_left_in_the_middle_counts_exactly_once() {
    let world = World::hesitant(Pause::BeforeWork);
    let uploads = [world.create_upload("a"), world.create_upload("b")];
    let id = start(&world, all());
    for lane_first in [false, true] {
        let mut task = world.start(|store| async move { store.advance_abort_job(id).await });
        task.advance();
        if lane_first {
            world.run_lane();
        }
        drop(task);
        world.settle();
    }
    let receipt = finish(&world, id);
    assert_eq!(receipt.job.aborted, counts(2, 0, 0));
    assert!(uploads.iter().all(|upload| !is_there(&world, upload)));
}

/// A batch that has chosen from what it saw, and waits for its transaction.
fn chosen(world: &World, id: JobId) -> Task<'static, Advanced> {
    let mut task = world.start(|store| async move { store.advance_abort_job(id).await.unwrap() });
    task.advance();
    task
}

#[test]
fn of_a_job_and_complete_exactly_one_wins_in_either_order() {
    for completes_first in [true, false] {
        let world = World::hesitant(Pause::BeforeWork);
        let wall = world.create_upload("wall");
        let etag = world.part(&wall, 1, &bytes(100_000, 1)).etag;
        let id = start(&world, all());
        let request = complete(&wall, &[(1, etag)]);
        let completing = |world: &World| {
            let mut task = world.start(|store| async move { store.complete_upload(&owner(), request).await });
            task.advance();
            task
        };
        let (advanced, completed) = if completes_first {
            let complete = completing(&world);
            let batch = chosen(&world, id);
            (world.finish(batch), world.finish(complete))
        } else {
            let batch = chosen(&world, id);
            let complete = completing(&world);
            (world.finish(batch), world.finish(complete))
        };
        world.settle();
        assert_eq!(advanced.aborted.uploads, u64::from(!completes_first));
        assert_eq!(completed.is_ok(), completes_first);
        assert_eq!(world.head("wall").is_ok(), completes_first);
    }
}

#[test]
fn a_part_that_comes_between_looking_and_aborting_spares_its_upload() {
    let world = World::hesitant(Pause::BeforeWork);
    let wall = world.create_upload("wall");
    world.clock.forward(HOUR);
    let id = start(&world, Selection { idle_longer_than_s: Some(60), age: Age::CutOff, ..all() });
    let request = part(&wall, 1, b"just in time");
    let mut storing = world.start(|store| async move { store.upload_part(&owner(), request).await });
    storing.advance();
    let batch = chosen(&world, id);
    assert_eq!(world.finish(batch).aborted, counts(0, 0, 0));
    world.finish(storing).unwrap();
    assert!(is_there(&world, &wall));
}

#[test]
fn a_job_that_is_cancelled_between_looking_and_aborting_aborts_nothing() {
    let world = World::hesitant(Pause::BeforeWork);
    let wall = world.create_upload("wall");
    let id = start(&world, all());
    let mut cancelling = world.start(|store| async move { store.cancel_abort_job(&owner(), id).await });
    cancelling.advance();
    let batch = chosen(&world, id);
    assert_eq!(world.finish(batch), Advanced::default());
    world.finish(cancelling).unwrap();
    assert!(is_there(&world, &wall));
}

#[test]
fn a_new_bucket_of_an_old_name_is_out_of_reach() {
    let world = World::new();
    world.create_upload("stone");
    let id = start(&world, all());
    world.delete_bucket(BUCKET).unwrap();
    world.create_bucket(BUCKET).unwrap();
    let new = world.create_upload("stone");
    let receipt = finish(&world, id);
    assert_eq!(
        (receipt.job.state, receipt.job.aborted, receipt.buckets),
        (State::Done, counts(0, 0, 0), vec![])
    );
    assert!(is_there(&world, &new));
}

#[test]
fn a_damaged_upload_is_named_and_the_others_go() {
    let world = World::new();
    let uploads: Vec<Upload> = (0..9).map(|n| world.create_upload(&format!("stone-{n}"))).collect();
    world.part(&uploads[4], 1, &bytes(1_000, 1));
    let id = start(&world, all());
    world.damage(|tx| {
        let parts = Within::prefix(tables::all(Table::Parts));
        let row = tx.scan(parts.range(), Order::Ascending).next().unwrap().unwrap().0;
        tx.put(row.to_vec(), b"pa".to_vec());
        let rows = Within::prefix(tables::all(Table::Uploads));
        let row = tx.scan(rows.range(), Order::Ascending).last().unwrap().unwrap().0;
        tx.put(row.to_vec(), b"up".to_vec());
    });
    let receipt = finish(&world, id);
    assert_eq!((receipt.job.state, receipt.job.failed), (State::Failed, 2));
    assert_eq!(receipt.job.aborted.uploads, 7);
    let said = receipt.job.last_error.unwrap();
    assert!(said.contains(&uploads[8].id) && said.contains("quarry/stone-8"), "{said}");
    assert!(is_there(&world, &uploads[3]) ^ true, "those around it are gone");
    world.verify_damaged();
}

#[test]
fn jobs_belong_to_who_made_them() {
    let world = World::new();
    world.create_upload("stone");
    let theirs = world.run(world.store.preview_abort_job(&stranger(), all())).unwrap();
    assert_eq!(theirs.planned, counts(0, 0, 0), "nobody reaches another's buckets");
    let named = Selection { buckets: vec![bucket(BUCKET)], ..all() };
    let refused = world.run(world.store.preview_abort_job(&stranger(), named));
    assert!(matches!(refused, Err(JobError::Store(Error::AccessDenied))));
    let absent = Selection { buckets: vec![bucket("nowhere")], ..all() };
    assert!(matches!(preview(&world, absent), Err(JobError::Store(Error::NoSuchBucket(_)))));
    let mine = preview(&world, all()).unwrap();
    assert!(matches!(world.store.abort_job(&stranger(), mine.id), Err(JobError::NoSuchJob(_))));
    assert!(matches!(
        world.run(world.store.start_abort_job(&stranger(), mine.id)),
        Err(JobError::NoSuchJob(_))
    ));
    assert!(matches!(
        world.run(world.store.cancel_abort_job(&stranger(), mine.id)),
        Err(JobError::NoSuchJob(_))
    ));
    assert!(matches!(world.store.abort_receipt(&stranger(), mine.id), Err(JobError::NoSuchJob(_))));
    assert_eq!(world.store.abort_jobs(&owner()).unwrap(), [mine]);
}

#[test]
fn the_last_hundred_are_kept_and_none_that_runs_is_forgotten() {
    let world = World::new();
    world.create_upload("stone");
    let running = start(&world, all());
    let ids: Vec<JobId> = (0..JOBS_MAX).map(|_| preview(&world, all()).unwrap().id).collect();
    let kept: Vec<JobId> = world.store.abort_jobs(&owner()).unwrap().iter().map(|job| job.id).collect();
    let expected: Vec<JobId> = ids[1..].iter().rev().copied().chain([running]).collect();
    assert_eq!(kept, expected, "the newest first, without the oldest that does not run");
    assert_eq!(world.verify().abort_jobs, JOBS_MAX as u64);
    for id in &ids[1..] {
        world.run(world.store.start_abort_job(&owner(), *id)).unwrap();
    }
    assert!(matches!(preview(&world, all()), Err(JobError::AllRunning(_))));
    assert_eq!(finish_first(&world, running), State::Done);
    preview(&world, all()).unwrap();
}

fn finish_first(world: &World, id: JobId) -> State {
    while advance(world, id).job.is_some() {}
    world.store.abort_job(&owner(), id).unwrap().state
}
