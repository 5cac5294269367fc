//! Reclaim: freed bytes go back as soon as nobody reads them, and not before.

use drystone_core::objects::ObjectReader;
use drystone_core::objects::get::{ByteRange, Span};

use crate::world::{World, bytes, complete, get, number, owner, part_bytes, read, refusal};
use drystone_sim::task::run;

fn open(world: &World, name: &str, span: Span) -> ObjectReader {
    world.store.get_object(&owner(), &get(name, span)).unwrap().1
}

fn next(reader: &mut ObjectReader) -> Vec<u8> {
    run(std::future::poll_fn(|cx| reader.poll_next(cx))).unwrap().unwrap().to_vec()
}

#[test]
fn a_reader_keeps_its_bytes_while_the_object_is_deleted() {
    let world = World::new();
    for size in [100, 100_000] {
        let body = bytes(size, 1);
        world.put("stone", &body);
        let reader = open(&world, "stone", Span::Whole);
        world.delete("stone");
        world.settle();
        assert_eq!(refusal(world.head("stone")), "NoSuchKey");
        world.verify();
        assert_eq!(read(reader), body, "the object as it was found");
        world.settle();
        assert_eq!(world.bytes_in_volumes(), 0, "free once the reader has gone");
    }
}

#[test]
fn a_reader_in_the_middle_keeps_its_bytes_while_the_object_is_replaced() {
    let world = World::new();
    let body = bytes(3_000_000, 1);
    world.put("stone", &body);
    let mut reader = open(&world, "stone", Span::Whole);
    let mut answered = next(&mut reader);
    world.put("stone", &bytes(50_000, 2));
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 3_050_000);
    assert_eq!(world.verify().reclaimable_bytes, 3_000_000, "what a reader holds back is known");
    answered.extend(read(reader));
    assert_eq!(answered, body, "old bytes, never a mix");
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 50_000);
}

#[test]
fn bytes_are_kept_until_the_last_of_their_readers_has_gone() {
    let world = World::new();
    world.put("stone", &bytes(100_000, 1));
    let readers = [1, 2, 3].map(|_| open(&world, "stone", Span::Whole));
    world.delete("stone");
    for reader in readers {
        world.settle();
        assert_eq!(world.bytes_in_volumes(), 100_000);
        drop(reader);
    }
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 0);
}

#[test]
fn a_reader_holds_back_its_own_bytes_only() {
    let world = World::new();
    world.put("stone", &bytes(100_000, 1));
    world.put("pebble", &bytes(50_000, 2));
    let reader = open(&world, "stone", Span::Whole);
    world.delete("stone");
    world.delete("pebble");
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 100_000);
    drop(reader);
}

#[test]
fn a_reader_of_one_part_holds_back_that_part_only() {
    let world = World::new();
    let upload = world.create_upload("wall");
    let parts = [(1, world.part(&upload, 1, &part_bytes(1)).etag), (2, world.part(&upload, 2, b"end").etag)];
    world.complete(&upload, &parts);
    let reader = open(&world, "wall", Span::Part(number(2)));
    world.delete("wall");
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 3);
    assert_eq!(read(reader), b"end");
}

#[test]
fn a_reader_of_a_range_over_two_parts_reads_on_after_the_delete() {
    let world = World::new();
    let upload = world.create_upload("wall");
    let bodies = [part_bytes(1), bytes(1000, 2)];
    let parts: Vec<_> =
        (1..).zip(&bodies).map(|(number, body)| (number, world.part(&upload, number, body).etag)).collect();
    world.complete(&upload, &parts);
    let last = Span::Range(ByteRange::Last { count: 1500 });
    let reader = open(&world, "wall", last);
    world.delete("wall");
    world.settle();
    assert_eq!(read(reader), [&bodies[0][bodies[0].len() - 500..], &bodies[1]].concat());
}

#[test]
fn a_shared_body_is_given_back_with_its_last_name_though_it_was_read_under_another() {
    let world = World::new();
    world.put("stone", &bytes(100_000, 1));
    world.copy("stone", "pebble");
    let reader = open(&world, "stone", Span::Whole);
    world.delete("stone");
    world.delete("pebble");
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 100_000);
    assert_eq!(read(reader), bytes(100_000, 1));
}

#[test]
fn giving_back_says_what_it_did_and_does_it_once() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.put(name, &bytes(10_000, 1));
    }
    let reader = open(&world, "c", Span::Whole);
    for name in ["a", "b", "c"] {
        world.delete(name);
    }
    let done = world.run(world.store.give_back()).unwrap();
    assert_eq!((done.extents, done.bytes, done.pinned), (2, 20_000, 1));
    let done = world.run(world.store.give_back()).unwrap();
    assert_eq!((done.extents, done.bytes, done.pinned), (0, 0, 1));
    drop(reader);
    let done = world.run(world.store.give_back()).unwrap();
    assert_eq!((done.extents, done.bytes, done.pinned), (1, 10_000, 0));
}

#[test]
fn more_extents_than_one_batch_are_given_back_in_one_pass() {
    let world = World::new();
    let upload = world.create_upload("wall");
    for number in 1..=5_000 {
        world.part(&upload, number, b"brick");
    }
    world.abort(&upload).unwrap();
    let done = world.run(world.store.give_back()).unwrap();
    assert_eq!((done.extents, done.bytes), (5_000, 25_000));
}

#[test]
fn an_upload_that_completes_keeps_every_listed_byte_through_a_reclaim() {
    let world = World::new();
    let upload = world.create_upload("wall");
    let body = bytes(100_000, 1);
    let etag = world.part(&upload, 1, &body).etag;
    world.part(&upload, 2, &bytes(70_000, 2));
    world.complete(&upload, &[(1, etag)]);
    assert_eq!(refusal(world.abort(&upload)), "NoSuchUpload");
    world.try_complete(complete(&upload, &[(1, etag)])).unwrap();
    world.run(world.store.recover()).unwrap();
    world.settle();
    assert_eq!((world.get("wall"), world.bytes_in_volumes()), (body, 100_000));
}
