//! Lifecycle: an upload goes when a rule of its bucket says so, and never otherwise.

use std::time::Duration;

use drystone_core::error::Error;
use drystone_core::lifecycle::expire::Expired;
use drystone_core::lifecycle::rules::{AbortAfter, Rule, Rules, Status};
use drystone_core::meta::door::Order;
use drystone_core::meta::tables::{self, Table, Within};
use drystone_core::names::{PartNumber, UploadId};
use drystone_sim::clock::MORNING;
use drystone_sim::hesitant::Pause;
use drystone_sim::task::Task;

use crate::world::{
    BUCKET, Upload, World, bucket, bytes, complete, owner, part, part_bytes, part_copy, refusal, stranger,
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

fn rule(id: &str, prefix: &str, abort_after: AbortAfter) -> Rule {
    Rule { id: id.into(), status: Status::Enabled, prefix: prefix.into(), abort_after }
}

fn set(world: &World, rules: Vec<Rule>) {
    world.run(world.store.put_lifecycle(&owner(), &bucket(BUCKET), Rules::new(rules).unwrap())).unwrap();
}

fn expire(world: &World) -> Vec<Expired> {
    let mut expired = Vec::new();
    world.run(world.store.expire_uploads(|one| expired.push(one))).unwrap();
    world.settle();
    expired
}

fn is_there(world: &World, upload: &Upload) -> bool {
    match world.list_parts(upload) {
        Ok(_) => true,
        Err(Error::NoSuchUpload { .. }) => false,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn without_a_rule_nothing_ever_expires() {
    let world = World::new();
    let upload = world.create_upload("stone");
    world.clock.forward(DAY * 36_500);
    assert_eq!(expire(&world), []);
    set(&world, vec![Rule { status: Status::Disabled, ..rule("off", "", AbortAfter::Days(1)) }]);
    set(&world, vec![rule("other", "other/", AbortAfter::Days(1))]);
    assert_eq!(expire(&world), []);
    assert!(is_there(&world, &upload));
}

#[test]
fn an_upload_goes_when_its_rule_is_due_and_not_before() {
    let world = World::new();
    set(&world, vec![rule("logs", "logs/", AbortAfter::Days(2))]);
    let (old, other) = (world.create_upload("logs/a"), world.create_upload("stone"));
    world.part(&old, 1, &bytes(100_000, 1));
    world.part(&old, 2, &bytes(10, 2));
    world.part(&other, 1, &bytes(100_000, 1));
    let due = world.list_parts(&old).unwrap().upload.abort.unwrap().due;
    // The world begins at 8 o'clock: two days later it is due at the next midnight.
    assert_eq!(due.0, MORNING.0 + (DAY * 2 + HOUR * 16).as_millis() as u64);
    assert_eq!(world.list_parts(&other).unwrap().upload.abort, None);
    world.clock.forward(DAY * 2 + HOUR * 15 + Duration::from_millis(3_599_999));
    assert_eq!(expire(&world), []);
    let held = world.bytes_in_volumes();
    world.clock.forward(Duration::from_millis(1));
    let expired = expire(&world);
    assert_eq!(expired.len(), 1);
    assert_eq!((&*expired[0].key, &*expired[0].plan.rule), ("logs/a", "logs"));
    assert_eq!((expired[0].aborted.parts, expired[0].aborted.bytes), (2, 100_010));
    assert!(!is_there(&world, &old) && is_there(&world, &other));
    assert!(world.bytes_in_volumes() <= held / 2, "its bytes are back");
    assert_eq!(expire(&world), [], "it goes once");
}

#[test]
fn a_part_puts_an_idle_rule_off() {
    let world = World::new();
    set(&world, vec![rule("idle", "", AbortAfter::IdleHours(6))]);
    let (busy, idle) = (world.create_upload("busy"), world.create_upload("idle"));
    for _ in 0..3 {
        world.clock.forward(HOUR * 5);
        world.part(&busy, 1, b"again");
    }
    let expired: Vec<_> = expire(&world).into_iter().map(|one| one.upload_id.to_string()).collect();
    assert_eq!(expired, [idle.id]);
    world.clock.forward(HOUR * 6);
    assert_eq!(expire(&world).len(), 1);
    assert!(!is_there(&world, &busy));
}

#[test]
fn a_finished_object_is_never_touched() {
    let world = World::new();
    set(&world, vec![rule("all", "", AbortAfter::Hours(1))]);
    let wall = world.create_upload("wall");
    let parts = [(1, world.part(&wall, 1, &part_bytes(3)).etag), (2, world.part(&wall, 2, b"end").etag)];
    let copied = world.create_upload("copied");
    world.try_part_copy(part_copy("wall", &copied, 1)).unwrap_err();
    world.complete(&wall, &parts);
    world.try_part_copy(part_copy("wall", &copied, 1)).unwrap();
    world.clock.forward(DAY);
    let expired = expire(&world);
    assert_eq!(expired.iter().map(|one| &*one.key).collect::<Vec<_>>(), ["copied"]);
    assert_eq!(world.get("wall").len(), part_bytes(3).len() + 3);
    world.complete(&wall, &parts);
}

#[test]
fn many_uploads_and_buckets_are_walked_to_the_end() {
    let world = World::new();
    world.create_bucket("other").unwrap();
    set(&world, vec![rule("odd", "odd/", AbortAfter::Hours(1))]);
    for n in 0..1_300 {
        world.create_upload(if n % 2 == 1 { "odd/stone" } else { "even/stone" });
    }
    world.clock.forward(HOUR);
    let young = world.create_upload("odd/young");
    assert_eq!(expire(&world).len(), 650);
    assert!(is_there(&world, &young));
}

#[test]
fn rules_are_kept_shown_replaced_and_removed_by_their_owner() {
    let world = World::new();
    let name = bucket(BUCKET);
    assert_eq!(world.store.lifecycle(&owner(), &name).unwrap(), None);
    set(&world, vec![rule("one", "a", AbortAfter::Days(1))]);
    set(&world, vec![rule("two", "b", AbortAfter::Days(2))]);
    let kept = world.store.lifecycle(&owner(), &name).unwrap().unwrap();
    assert_eq!(kept.iter().map(|rule| &*rule.id).collect::<Vec<_>>(), ["two"]);
    assert!(matches!(world.store.lifecycle(&stranger(), &name), Err(Error::AccessDenied)));
    let theirs = Rules::new(vec![rule("x", "", AbortAfter::Days(1))]).unwrap();
    assert!(matches!(
        world.run(world.store.put_lifecycle(&stranger(), &name, theirs)),
        Err(Error::AccessDenied)
    ));
    assert!(matches!(world.run(world.store.delete_lifecycle(&stranger(), &name)), Err(Error::AccessDenied)));
    world.run(world.store.delete_lifecycle(&owner(), &name)).unwrap();
    world.run(world.store.delete_lifecycle(&owner(), &name)).unwrap();
    assert_eq!(world.store.lifecycle(&owner(), &name).unwrap(), None);
}

#[test]
fn a_deleted_bucket_takes_its_rules_along() {
    let world = World::new();
    set(&world, vec![rule("one", "", AbortAfter::Hours(1))]);
    world.delete_bucket(BUCKET).unwrap();
    world.create_bucket(BUCKET).unwrap();
    let upload = world.create_upload("stone");
    world.clock.forward(DAY);
    assert_eq!(expire(&world), []);
    assert!(is_there(&world, &upload));
}

#[test]
fn rules_that_the_engine_lost_do_not_look_like_rules_that_nobody_set() {
    let world = World::new();
    let name = bucket(BUCKET);
    set(&world, vec![rule("one", "", AbortAfter::Hours(1))]);
    world.create_upload("stone");
    world.damage(|tx| {
        let rows = Within::prefix(tables::all(Table::Lifecycle));
        let rows: Vec<_> = tx.scan(rows.range(), Order::Ascending).map(|row| row.unwrap().0).collect();
        rows.into_iter().for_each(|row| tx.delete(row.to_vec()));
    });
    world.clock.forward(DAY);
    assert_eq!(refusal(world.store.lifecycle(&owner(), &name)), "Meta");
    assert_eq!(refusal(world.run(world.store.expire_uploads(|_| ()))), "Meta");
    set(&world, vec![rule("again", "", AbortAfter::Hours(1))]);
    assert_eq!(expire(&world).len(), 1);
}

#[test]
fn damage_of_one_bucket_or_upload_keeps_no_other_from_expiring() {
    let world = World::new();
    set(&world, vec![rule("one", "", AbortAfter::Hours(1))]);
    let ids = ["quarry", "stone", "tower", "wall"].map(|key| {
        let upload = world.create_upload(key);
        world.part(&upload, 1, &bytes(100, 1));
        UploadId::parse(&upload.id).unwrap()
    });
    for name in ["a-damaged-one", "z-damaged-one"] {
        world.create_bucket(name).unwrap();
        let rules = Rules::new(vec![rule("other", "", AbortAfter::Hours(1))]).unwrap();
        world.run(world.store.put_lifecycle(&owner(), &bucket(name), rules)).unwrap();
    }
    world.damage(move |tx| {
        let rows = [
            tables::bucket(&bucket("a-damaged-one")),
            tables::bucket(&bucket("z-damaged-one")),
            tables::held(&ids[1]),
            tables::part(&ids[2], PartNumber::new(1).unwrap()),
            [tables::all(Table::UploadsByAge), vec![0]].concat(),
        ];
        rows.into_iter().for_each(|row| tx.put(row, b"?".to_vec()));
    });
    world.clock.forward(DAY);
    let mut expired = Vec::new();
    let end = world.run(world.store.expire_uploads(|one| expired.push(one.key)));
    assert_eq!(refusal(end), "Meta");
    expired.sort();
    assert_eq!(expired.iter().map(|key| &**key).collect::<Vec<_>>(), ["quarry", "wall"]);
    assert!(!world.verify_damaged().is_clean(), "verification finds it too");
}

/// An expiry that has decided from what it saw, and waits for its transaction.
fn decided(world: &World) -> Task<'static, Vec<Expired>> {
    let mut task = world.start(|store| async move {
        let mut expired = Vec::new();
        store.expire_uploads(|one| expired.push(one)).await.unwrap();
        expired
    });
    task.advance();
    task
}

#[test]
fn of_expiry_and_complete_exactly_one_wins_in_either_order() {
    for completes_first in [true, false] {
        let world = World::hesitant(Pause::BeforeWork);
        set(&world, vec![rule("all", "", AbortAfter::Hours(1))]);
        let wall = world.create_upload("wall");
        let etag = world.part(&wall, 1, &bytes(100_000, 1)).etag;
        world.clock.forward(HOUR);
        let request = complete(&wall, &[(1, etag)]);
        let completing = |world: &World| {
            world.start(|store| async move { store.complete_upload(&owner(), request).await })
        };
        let (expired, completed) = if completes_first {
            let mut complete = completing(&world);
            complete.advance();
            let expiry = decided(&world);
            (world.finish(expiry), world.finish(complete))
        } else {
            let expiry = decided(&world);
            let mut complete = completing(&world);
            complete.advance();
            (world.finish(expiry), world.finish(complete))
        };
        world.settle();
        if completes_first {
            completed.unwrap();
            assert_eq!(expired, []);
            assert_eq!(world.get("wall"), bytes(100_000, 1));
        } else {
            assert!(matches!(completed, Err(Error::NoSuchUpload { .. })));
            assert_eq!(expired.len(), 1);
            assert_eq!(world.bytes_in_volumes(), 0);
        }
    }
}

#[test]
fn a_part_that_comes_between_looking_and_aborting_puts_an_idle_rule_off() {
    let world = World::hesitant(Pause::BeforeWork);
    set(&world, vec![rule("idle", "", AbortAfter::IdleHours(1))]);
    let wall = world.create_upload("wall");
    world.clock.forward(HOUR);
    let request = part(&wall, 1, b"just in time");
    let mut storing = world.start(|store| async move { store.upload_part(&owner(), request).await });
    storing.advance();
    let expiry = decided(&world);
    assert_eq!(world.finish(expiry), []);
    world.finish(storing).unwrap();
    assert!(is_there(&world, &wall));
}

#[test]
fn a_rule_that_is_removed_between_looking_and_aborting_aborts_nothing() {
    let world = World::hesitant(Pause::BeforeWork);
    set(&world, vec![rule("all", "", AbortAfter::Hours(1))]);
    let wall = world.create_upload("wall");
    world.clock.forward(HOUR);
    let mut removing =
        world.start(|store| async move { store.delete_lifecycle(&owner(), &bucket(BUCKET)).await });
    removing.advance();
    let expiry = decided(&world);
    assert_eq!(world.finish(expiry), []);
    world.finish(removing).unwrap();
    assert!(is_there(&world, &wall));
}
