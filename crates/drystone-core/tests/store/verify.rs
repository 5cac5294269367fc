//! Verification: it says that all is well only when it is, row by row and byte by byte.

use bytes::Bytes;
use drystone_core::abort_jobs::job::JobId;
use drystone_core::abort_jobs::selection::{Age, Selection};
use drystone_core::data::door::{Extent, Freed};
use drystone_core::lifecycle::rules::{AbortAfter, Rule, Rules, Status};
use drystone_core::meta::door::Order;
use drystone_core::meta::records::{BodyPlace, ObjectRecord, Place, Record};
use drystone_core::meta::tables::{self, Table, Within};
use drystone_core::names::UploadId;
use drystone_core::objects::get::Span;
use drystone_core::reclaim::verify::Report;

use crate::world::{BUCKET, World, bucket, bytes, get, owner, part_bytes, part_copy};
use drystone_sim::clock::MORNING;
use drystone_sim::task::run;

/// Something in every table.
fn quarry() -> World {
    let world = World::new();
    world.put("empty", b"");
    world.put("small", &bytes(100, 1));
    world.put("large", &bytes(100_000, 2));
    world.copy("small", "small-2");
    world.copy("large", "large-2");
    let wall = world.create_upload("wall");
    let parts = [(1, world.part(&wall, 1, &part_bytes(3)).etag), (2, world.part(&wall, 2, b"end").etag)];
    world.complete(&wall, &parts);
    let open = world.create_upload("open");
    world.part(&open, 1, &bytes(60_000, 4));
    world.part(&open, 2, b"");
    world.try_part_copy(part_copy("large", &open, 3)).unwrap();
    world.try_part_copy(part_copy("small", &open, 4)).unwrap();
    world.create_upload("bare");
    let rule = Rule {
        id: "week".into(),
        status: Status::Enabled,
        prefix: "".into(),
        abort_after: AbortAfter::Days(7),
    };
    let rules = Rules::new(vec![rule]).unwrap();
    world.run(world.store.put_lifecycle(&owner(), &bucket(BUCKET), rules)).unwrap();
    let every = Selection {
        buckets: vec![bucket(BUCKET)],
        prefix: "o".into(),
        initiated_before: None,
        idle_longer_than_s: None,
        min_bytes: 0,
        initiator: Some(owner().account),
        age: Age::All,
    };
    // One that runs, in the middle of its bucket, and one that waits.
    world.create_upload("old");
    let job = world.run(world.store.preview_abort_job(&owner(), every.clone())).unwrap();
    let none = Selection { prefix: "none".into(), ..every };
    world.run(world.store.preview_abort_job(&owner(), none)).unwrap();
    world.run(world.store.start_abort_job(&owner(), job.id)).unwrap();
    world.settle();
    world
}

fn rows(world: &World) -> Vec<(Bytes, Bytes)> {
    let view = world.meta.snapshot();
    view.scan((std::ops::Bound::Unbounded, std::ops::Bound::Unbounded), Order::Ascending)
        .collect::<Result<_, _>>()
        .unwrap()
}

fn check_found(world: &World, what: &str) -> Report {
    let report = world.verify_damaged();
    assert!(!report.is_clean(), "{what} is noticed: {report:#?}");
    assert!(report.problem_count > 0, "and named");
    report
}

#[test]
fn a_sound_store_is_counted() {
    let world = quarry();
    let report = world.verify();
    assert_eq!((report.buckets, report.objects, report.uploads, report.parts), (1, 6, 3, 4));
    assert_eq!(report.abort_jobs, 2);
    assert_eq!(report.live_bytes, 100_000 + part_bytes(3).len() as u64 + 3);
    assert_eq!((report.in_progress_bytes, report.reclaimable_bytes, report.orphaned_bytes), (60_100, 0, 0));
    assert_eq!((report.small_bytes, report.problem_count), (100, 0));
    // Every name is read: the large body has three, the small one two.
    assert_eq!(report.checked_bytes, report.live_bytes + 60_100 + 2 * 100_000 + 2 * 100);
}

#[test]
fn verification_changes_nothing() {
    let world = quarry();
    let before = rows(&world);
    world.verify();
    assert_eq!(rows(&world), before);
}

#[test]
fn no_row_can_vanish_unnoticed() {
    let world = quarry();
    for (key, value) in rows(&world) {
        let gone = key.to_vec();
        world.damage(move |tx| tx.delete(gone.clone()));
        check_found(&world, &format!("the loss of row {}", key.escape_ascii()));
        world.damage(move |tx| tx.put(key.to_vec(), value.to_vec()));
    }
    assert!(world.verify_damaged().is_clean(), "all rows are back");
}

#[test]
fn no_row_can_be_cut_short_unnoticed() {
    let world = quarry();
    for (key, value) in rows(&world) {
        for kept in [0, 3, value.len().saturating_sub(1)] {
            if kept >= value.len() {
                continue;
            }
            let (row, short) = (key.to_vec(), value[..kept].to_vec());
            world.damage(move |tx| tx.put(row.clone(), short.clone()));
            check_found(&world, &format!("{kept} bytes instead of row {}", key.escape_ascii()));
        }
        world.damage(move |tx| tx.put(key.to_vec(), value.to_vec()));
    }
    assert!(world.verify_damaged().is_clean(), "all rows are back");
}

#[test]
fn no_row_can_come_from_nowhere_unnoticed() {
    let world = quarry();
    let view = rows(&world);
    let of =
        |table: Table| view.iter().find(|(key, _)| key[0] == table as u8).expect("every table has a row");
    let id = UploadId::from_bytes([9; UploadId::BYTES]);
    let strangers = [
        (tables::usage(99), of(Table::Usage).1.clone()),
        (tables::abort_job(JobId(1)), of(Table::AbortJobs).1.clone()),
        (tables::abort_selection(JobId(1)), of(Table::AbortSelections).1.clone()),
        (tables::abort_bucket(JobId(1), 1), of(Table::AbortBuckets).1.clone()),
        (tables::lifecycle(99), of(Table::Lifecycle).1.clone()),
        (tables::manifest(99), of(Table::Manifests).1.clone()),
        (tables::small_body(99), of(Table::Bodies).1.clone()),
        (tables::current(99, "stone"), of(Table::Current).1.clone()),
        (tables::upload(99, "stone", &id), of(Table::Uploads).1.clone()),
        (tables::upload_by_age(&id), of(Table::UploadsByAge).1.clone()),
        (tables::held(&id), of(Table::Held).1.clone()),
        (tables::part(&id, crate::world::number(1)), of(Table::Parts).1.clone()),
        (tables::completed(&id), of(Table::Completed).1.clone()),
        (tables::completed_by_age(MORNING, &id), Bytes::new()),
        (
            tables::extent(drystone_core::data::door::ExtentId { volume: 9, offset: 0 }),
            of(Table::Extents).1.clone(),
        ),
    ];
    for (key, value) in strangers {
        let row = key.clone();
        world.damage(move |tx| tx.put(row.clone(), value.to_vec()));
        check_found(&world, &format!("row {} from nowhere", key.escape_ascii()));
        world.damage(move |tx| tx.delete(key.clone()));
    }
    assert!(world.verify_damaged().is_clean(), "the strangers are gone");
}

fn extent_of(world: &World, name: &str) -> Extent {
    let view = world.meta.snapshot();
    let found = run(std::future::ready(
        view.scan(Within::prefix(tables::all(Table::Current)).range(), Order::Ascending),
    ));
    for row in found {
        let (key, value) = row.unwrap();
        if key[9..] == *name.as_bytes()
            && let BodyPlace::One(segment) = ObjectRecord::decode(&key, value).unwrap().body
            && let Place::Extent(extent) = segment.place
        {
            return extent;
        }
    }
    panic!("{name} is one extent");
}

#[test]
fn lost_bytes_are_named_with_every_object_that_needs_them() {
    let world = quarry();
    let extent = extent_of(&world, "large");
    run(world.data.clone().free(vec![Freed { id: extent.id, len: extent.len }])).unwrap();
    let report = check_found(&world, "the loss of an extent");
    for name in ["object quarry/large:", "object quarry/large-2:", "part 3:"] {
        assert!(
            report.problems.iter().any(|problem| problem.contains(name)),
            "{name} {:#?}",
            report.problems
        );
    }
}

#[test]
fn bytes_that_nobody_names_are_orphans() {
    let world = quarry();
    let body = Bytes::from(bytes(5000, 9));
    let digests = drystone_core::checksum::Digests::new(None, None);
    let writer = world.data.clone().reserve(5000).unwrap();
    let (writer, _) = run(writer.write(vec![body], digests)).unwrap();
    run(writer.finish()).unwrap().pending.keep();
    let report = check_found(&world, "an extent without a name");
    assert_eq!(report.orphaned_bytes, 5000);
}

#[test]
fn a_swapped_body_is_noticed_though_both_are_whole() {
    let world = World::new();
    world.put("one", &bytes(100_000, 1));
    world.put("two", &bytes(100_000, 2));
    let view = rows(&world);
    let of = |name: &str| {
        let row = view.iter().find(|(key, _)| key[0] == Table::Current as u8 && key[9..] == *name.as_bytes());
        let (key, value) = row.unwrap();
        (key.to_vec(), ObjectRecord::decode(key, value.clone()).unwrap())
    };
    let (one, two) = (of("one"), of("two"));
    let swapped = ObjectRecord { body: two.1.body, ..one.1 };
    world.damage(move |tx| tx.put(one.0.clone(), swapped.encode()));
    let report = check_found(&world, "another object's bytes");
    assert!(report.problems.iter().any(|problem| problem.contains("CRC64NVME")), "{:#?}", report.problems);
}

#[test]
fn a_get_never_answers_with_damaged_small_bytes() {
    let world = quarry();
    let (key, value) =
        rows(&world).into_iter().find(|(key, _)| key[0] == Table::Bodies as u8).expect("a small body");
    let mut flipped = value.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    world.damage(move |tx| tx.put(key.to_vec(), flipped.clone()));
    check_found(&world, "a flipped bit in a small body");
    let read = world.store.get_object(&owner(), &get("small", Span::Whole)).map(|(located, _)| located);
    assert_eq!(crate::world::refusal(read), "Meta");
}

#[test]
fn problems_beyond_the_list_are_counted() {
    let world = World::new();
    for name in 0..1_500 {
        world.put(&format!("stone-{name}"), b"x");
    }
    world.damage(|tx| {
        let prefix = Within::prefix(tables::all(Table::Bodies));
        let keys: Vec<_> =
            tx.scan(prefix.range(), Order::Ascending).map(|row| row.unwrap().0.to_vec()).collect();
        keys.into_iter().for_each(|key| tx.delete(key));
    });
    let report = check_found(&world, "the loss of every small body");
    assert_eq!((report.problems.len(), report.problem_count), (1_000, 1_500));
    assert_eq!(world.store.head_bucket(&owner(), &bucket(BUCKET)).unwrap().name, bucket(BUCKET));
}
