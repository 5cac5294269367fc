//! Races, in an order that each test writes down: exactly one wins, and the loser's bytes are free
//! before it is answered.

use std::sync::Arc;
use std::task::Poll;

use drystone_core::error::Error;
use drystone_core::names::ETag;
use drystone_core::objects::conditions::WriteCondition;
use drystone_core::objects::delete::{DeleteObject, DeleteTarget};
use drystone_core::objects::put::{Incoming, PutObject};
use drystone_core::store::Store;
use drystone_core::uploads::part::{PartOutcome, UploadPart};

use crate::fed_body::Feed;
use crate::world::{
    BUCKET, Upload, World, abort, bucket, bytes, complete, copy, incoming, key, md5, owner, part, part_copy,
    put, refusal,
};
use drystone_sim::hesitant::Pause;
use drystone_sim::task::Task;

type Running<T> = Task<'static, Result<T, Error>>;

/// A part whose first half has arrived: the rest comes from the feed.
fn half_a_part(world: &World, upload: &Upload, number: u64, body: &[u8]) -> (Feed, Running<PartOutcome>) {
    let (feed, arriving) = Feed::new();
    let request =
        UploadPart { incoming: Incoming { body: arriving, ..incoming(body) }, ..part(upload, number, b"") };
    let mut task = world.start(|store| async move { store.upload_part(&owner(), request).await });
    feed.send(&body[..body.len() / 2]);
    task.advance();
    (feed, task)
}

fn send_the_rest(feed: &Feed, body: &[u8]) {
    feed.send(&body[body.len() / 2..]);
    feed.end();
}

#[test]
fn a_part_in_flight_when_its_upload_is_aborted_is_refused_and_its_bytes_are_free() {
    let world = World::new();
    let upload = world.create_upload("wall");
    world.part(&upload, 1, &bytes(50_000, 1));
    let body = bytes(100_000, 2);
    let (feed, task) = half_a_part(&world, &upload, 2, &body);
    world.abort(&upload).unwrap();
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 100_000, "only what is still arriving");
    send_the_rest(&feed, &body);
    assert_eq!(refusal(task.finish()), "NoSuchUpload");
    assert_eq!(world.bytes_in_volumes(), 0, "free before the refusal, not after it");
}

#[test]
fn a_hundred_parts_in_flight_do_not_delay_an_abort() {
    let world = World::new();
    let upload = world.create_upload("wall");
    let body = bytes(20_000, 1);
    let parts: Vec<_> = (1..=100).map(|number| half_a_part(&world, &upload, number, &body)).collect();
    world.abort(&upload).unwrap();
    assert_eq!(refusal(world.abort(&upload)), "NoSuchUpload");
    for (feed, task) in parts {
        send_the_rest(&feed, &body);
        assert_eq!(refusal(task.finish()), "NoSuchUpload");
    }
    assert_eq!(world.bytes_in_volumes(), 0);
}

#[test]
fn a_part_in_flight_when_its_upload_is_completed_is_refused_and_its_bytes_are_free() {
    let world = World::new();
    let upload = world.create_upload("wall");
    let first = bytes(50_000, 1);
    let etag = world.part(&upload, 1, &first).etag;
    let body = bytes(100_000, 2);
    // One that is new, and one that would replace the part that was listed.
    let late = [2, 1].map(|number| half_a_part(&world, &upload, number, &body));
    world.complete(&upload, &[(1, etag)]);
    for (feed, task) in late {
        send_the_rest(&feed, &body);
        assert_eq!(refusal(task.finish()), "NoSuchUpload");
    }
    assert_eq!(world.bytes_in_volumes(), 50_000);
    assert_eq!(world.get("wall"), first);
}

#[test]
fn a_part_in_flight_when_its_bucket_is_deleted_is_refused_and_its_bytes_are_free() {
    for recreate in ["gone", BUCKET] {
        let world = World::new();
        let upload = world.create_upload("wall");
        let body = bytes(100_000, 2);
        let (feed, task) = half_a_part(&world, &upload, 1, &body);
        world.delete_bucket(BUCKET).unwrap();
        world.create_bucket(recreate).unwrap();
        send_the_rest(&feed, &body);
        let want = if recreate == BUCKET { "NoSuchUpload" } else { "NoSuchBucket" };
        assert_eq!(refusal(task.finish()), want);
        assert_eq!(world.bytes_in_volumes(), 0);
    }
}

#[test]
fn an_object_in_flight_when_its_bucket_is_deleted_is_refused_and_its_bytes_are_free() {
    let world = World::new();
    let body = bytes(100_000, 2);
    let (feed, arriving) = Feed::new();
    let mut request = put("stone", b"");
    request.incoming = Incoming { body: arriving, ..incoming(&body) };
    let mut task = world.start(|store| async move { store.put_object(&owner(), request).await });
    feed.send(&body);
    task.advance();
    world.delete_bucket(BUCKET).unwrap();
    feed.end();
    assert_eq!(refusal(task.finish()), "NoSuchBucket");
    assert_eq!(world.bytes_in_volumes(), 0);
}

#[test]
fn of_two_uploads_of_one_part_the_last_to_finish_stays() {
    let world = World::new();
    let upload = world.create_upload("wall");
    let (one, two) = (bytes(100_000, 1), bytes(80_000, 2));
    let (feed_one, task_one) = half_a_part(&world, &upload, 1, &one);
    let (feed_two, task_two) = half_a_part(&world, &upload, 1, &two);
    send_the_rest(&feed_two, &two);
    task_two.finish().unwrap();
    assert_eq!(world.list_parts(&upload).unwrap().parts[0].etag.md5, md5(&two));
    send_the_rest(&feed_one, &one);
    let stored = task_one.finish().unwrap();
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 100_000);
    world.complete(&upload, &[(1, stored.etag)]);
    assert_eq!(world.get("wall"), one);
}

/// Starts an operation and brings it as far as the lane, where it waits for its turn.
fn in_the_lane<T, F>(world: &World, operation: impl FnOnce(Arc<Store>) -> F) -> Running<T>
where
    F: Future<Output = Result<T, Error>> + 'static,
{
    let mut task = world.start(operation);
    task.advance();
    task
}

#[test]
fn of_abort_and_complete_exactly_one_wins_in_either_order() {
    for abort_first in [true, false] {
        let world = World::hesitant(Pause::BeforeWork);
        let upload = world.create_upload("wall");
        let body = bytes(50_000, 1);
        let etag = world.part(&upload, 1, &body).etag;
        let (aborts, completes) = (abort(&upload), complete(&upload, &[(1, etag)]));
        let aborting =
            || in_the_lane(&world, |store| async move { store.abort_upload(&owner(), aborts).await });
        let completing =
            || in_the_lane(&world, |store| async move { store.complete_upload(&owner(), completes).await });
        // Both have found nothing against them when the first of them is decided.
        let (aborting, completing) = if abort_first {
            let aborting = aborting();
            (aborting, completing())
        } else {
            let completing = completing();
            (aborting(), completing)
        };
        let (aborted, completed) = (world.finish(aborting), world.finish(completing));
        world.settle();
        if abort_first {
            aborted.unwrap();
            assert_eq!(refusal(completed), "NoSuchUpload");
            assert_eq!(refusal(world.head("wall")), "NoSuchKey");
            assert_eq!(world.bytes_in_volumes(), 0);
        } else {
            completed.unwrap();
            assert_eq!(refusal(aborted), "NoSuchUpload");
            assert_eq!(world.get("wall"), body);
        }
    }
}

#[test]
fn of_two_completes_with_different_lists_exactly_one_wins() {
    let world = World::hesitant(Pause::BeforeWork);
    let upload = world.create_upload("wall");
    let one = world.part(&upload, 1, &bytes(50_000, 1)).etag;
    let two = world.part(&upload, 2, &bytes(60_000, 2)).etag;
    let start = |part| {
        let request = complete(&upload, &[part]);
        in_the_lane(&world, |store| async move { store.complete_upload(&owner(), request).await })
    };
    let (first, second, again) = (start((1, one)), start((2, two)), start((1, one)));
    let won = world.finish(first).unwrap();
    assert_eq!(refusal(world.finish(second)), "InvalidPart");
    assert_eq!(world.finish(again).unwrap(), won, "a retry of the winner is answered like the winner");
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 50_000);
}

#[test]
fn a_part_that_is_replaced_while_complete_waits_is_not_in_the_object() {
    let world = World::hesitant(Pause::BeforeWork);
    let upload = world.create_upload("wall");
    let etag = world.part(&upload, 1, &bytes(50_000, 1)).etag;
    let (replacement, completes) = (part(&upload, 1, &bytes(60_000, 2)), complete(&upload, &[(1, etag)]));
    let replacing =
        in_the_lane(&world, |store| async move { store.upload_part(&owner(), replacement).await });
    let completing =
        in_the_lane(&world, |store| async move { store.complete_upload(&owner(), completes).await });
    let replaced = world.finish(replacing).unwrap();
    assert_eq!(refusal(world.finish(completing)), "InvalidPart", "the list names the part as it was");
    world.complete(&upload, &[(1, replaced.etag)]);
    assert_eq!(world.get("wall"), bytes(60_000, 2));
}

#[test]
fn of_many_conditional_puts_exactly_one_wins() {
    let world = World::hesitant(Pause::AfterWork);
    let race = |seeds: std::ops::Range<u64>, condition: &WriteCondition| -> ETag {
        let write = |seed| {
            let request = PutObject { condition: condition.clone(), ..put("stone", &bytes(20_000, seed)) };
            in_the_lane(&world, |store| async move { store.put_object(&owner(), request).await })
        };
        let tasks: Vec<_> = seeds.map(write).collect();
        let outcomes: Vec<_> = tasks.into_iter().map(|task| world.finish(task)).collect();
        let won: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
        assert_eq!(won.len(), 1, "{outcomes:?}");
        assert_eq!(world.head("stone").unwrap().info.etag, won[0].etag);
        world.settle();
        assert_eq!(world.bytes_in_volumes(), 20_000, "the losers' bytes are gone");
        won[0].etag
    };
    let first = race(0..8, &WriteCondition::IfAbsent);
    race(8..16, &WriteCondition::IfMatch(first.to_string()));
}

#[test]
fn n_increments_under_if_match_count_to_n() {
    // Eight clients read a number, add one and write it back under If-Match, until each has had its turn.
    let world = World::hesitant(Pause::BeforeWork);
    world.put("counter", b"0");
    let mut left = 8;
    while left > 0 {
        let attempts: Vec<_> = (0..left)
            .map(|_| {
                let count: u64 = String::from_utf8(world.get("counter")).unwrap().parse().unwrap();
                let condition = WriteCondition::IfMatch(world.head("counter").unwrap().info.etag.to_string());
                let request = PutObject { condition, ..put("counter", (count + 1).to_string().as_bytes()) };
                in_the_lane(&world, |store| async move { store.put_object(&owner(), request).await })
            })
            .collect();
        let won = attempts.into_iter().filter_map(|task| world.finish(task).ok()).count();
        assert_eq!(won, 1);
        left -= won;
    }
    assert_eq!(world.get("counter"), b"8");
}

#[test]
fn a_copy_whose_source_is_deleted_meanwhile_finds_nothing() {
    let world = World::hesitant(Pause::BeforeWork);
    world.put("stone", &bytes(50_000, 1));
    let upload = world.create_upload("wall");
    let (copies, part_copies) = (copy("stone", "pebble"), part_copy("stone", &upload, 1));
    let target = DeleteTarget { key: key("stone"), if_match: None };
    let deletes = DeleteObject { bucket: bucket(BUCKET), target };
    let deleting = in_the_lane(&world, |store| async move { store.delete_object(&owner(), deletes).await });
    let copying = in_the_lane(&world, |store| async move { store.copy_object(&owner(), copies).await });
    let part_copying =
        in_the_lane(&world, |store| async move { store.upload_part_copy(&owner(), part_copies).await });
    world.finish(deleting).unwrap();
    assert_eq!(refusal(world.finish(copying)), "NoSuchKey");
    assert_eq!(refusal(world.finish(part_copying)), "NoSuchKey");
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 0);
}

#[test]
fn a_copy_whose_source_is_replaced_meanwhile_copies_the_new_one() {
    let world = World::hesitant(Pause::BeforeWork);
    world.put("stone", &bytes(50_000, 1));
    let upload = world.create_upload("wall");
    let (copies, part_copies) = (copy("stone", "pebble"), part_copy("stone", &upload, 1));
    // The same bytes again: only their number in the sequence tells that they were replaced.
    for body in [bytes(60_000, 2), bytes(50_000, 1)] {
        let puts = put("stone", &body);
        let (copies, part_copies) = (copies.clone(), part_copies.clone());
        let putting = in_the_lane(&world, |store| async move { store.put_object(&owner(), puts).await });
        let copying = in_the_lane(&world, |store| async move { store.copy_object(&owner(), copies).await });
        let part_copying =
            in_the_lane(&world, |store| async move { store.upload_part_copy(&owner(), part_copies).await });
        world.finish(putting).unwrap();
        let copied = world.finish(copying).unwrap();
        let original = world.head("stone").unwrap().info;
        assert_eq!(
            (copied.etag, copied.checksum),
            (original.etag, original.checksum),
            "nothing of the old one"
        );
        assert_eq!(world.finish(part_copying).unwrap().etag.md5, md5(&body));
        assert_eq!(world.get("pebble"), body);
        world.settle();
        assert_eq!(world.bytes_in_volumes(), body.len() as u64, "one extent under three names");
    }
}

#[test]
fn a_copy_whose_source_never_rests_gives_up() {
    let world = World::hesitant(Pause::BeforeWork);
    world.put("stone", &bytes(50_000, 1));
    let copies = copy("stone", "pebble");
    let mut copying = world.start(|store| async move { store.copy_object(&owner(), copies).await });
    let mut seed = 2;
    let outcome = loop {
        match copying.poll() {
            Poll::Ready(outcome) => break outcome,
            Poll::Pending => {
                // Another write slips in before each of the copy's own commands.
                world.put("stone", &bytes(50_000, seed));
                seed += 1;
            }
        }
    };
    assert_eq!(refusal(outcome), "ConditionalRequestConflict");
    assert_eq!(refusal(world.head("pebble")), "NoSuchKey");
}
