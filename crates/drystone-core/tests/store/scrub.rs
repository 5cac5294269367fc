//! The scrub: it reads everything, names what is damaged, goes on, and is in nobody's way.

use std::time::Duration;

use drystone_core::data::door::Freed;
use drystone_core::meta::door::{Order, Tx};
use drystone_core::meta::tables::{self, Table, Within};
use drystone_core::scrub::{SLICE_BYTES_MAX, Scrub, Step};

use crate::world::{World, bytes, part_bytes};

const WEEK: Duration = Duration::from_hours(7 * 24);

/// A scrub whose pass begins now.
fn begun(world: &World) -> Scrub {
    let mut scrub = world.run(world.store.scrub()).unwrap();
    assert!(!world.store.scrub_is_due(&mut scrub, WEEK), "a store that was never scrubbed is new");
    world.clock.forward(WEEK);
    assert!(world.store.scrub_is_due(&mut scrub, WEEK));
    scrub
}

fn step(world: &World, scrub: &mut Scrub) -> Step {
    world.run(world.store.scrub_next(scrub)).unwrap()
}

/// Runs the pass to its end: bytes read, and what was found damaged.
fn finish(world: &World, scrub: &mut Scrub) -> (u64, Vec<(String, String)>) {
    let (mut read, mut found) = (0, Vec::new());
    loop {
        match step(world, scrub) {
            Step::Sound(bytes) => read += bytes,
            Step::Damaged { what, why } => found.push((what, why)),
            Step::Finished => return (read, found),
        }
    }
}

#[test]
fn a_pass_reads_every_object_and_every_part_once() {
    let world = World::new();
    world.put("empty", b"");
    world.put("small", &bytes(100, 1));
    world.put("large", &bytes(2 * SLICE_BYTES_MAX + 5, 2));
    let wall = world.create_upload("wall");
    let parts = [(1, world.part(&wall, 1, &part_bytes(3)).etag), (2, world.part(&wall, 2, b"end").etag)];
    world.complete(&wall, &parts);
    let open = world.create_upload("open");
    world.part(&open, 1, &bytes(60_000, 4));
    world.part(&open, 2, b"");

    let mut scrub = begun(&world);
    let all = 100 + 2 * SLICE_BYTES_MAX + 5 + part_bytes(3).len() as u64 + 3 + 60_000;
    assert_eq!(finish(&world, &mut scrub), (all, Vec::new()));
    assert_eq!((scrub.record().checked, scrub.record().damaged), (all, 0));
    assert!(!world.store.scrub_is_due(&mut scrub, WEEK), "the next pass is next week's");
    world.clock.forward(WEEK);
    assert!(world.store.scrub_is_due(&mut scrub, WEEK));
    assert_eq!(finish(&world, &mut scrub).0, all, "from the beginning again");
}

#[test]
fn damage_is_named_and_does_not_end_the_pass() {
    let world = World::new();
    world.put("a/small", &bytes(100, 1));
    world.put("b\n/large", &bytes(100_000, 2));
    world.put("sound", &bytes(100_000, 3));
    let open = world.create_upload("open");
    world.part(&open, 7, &bytes(60_000, 4));
    let rows = |table| {
        let view = world.meta.snapshot();
        let within = Within::prefix(tables::all(table));
        view.scan(within.range(), Order::Ascending).collect::<Result<Vec<_>, _>>().unwrap()
    };
    let (body, value) = rows(Table::Bodies).remove(0);
    let mut flipped = value.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    world.damage(move |tx: &mut dyn Tx| tx.put(body.to_vec(), flipped.clone()));
    // The extents lie in the order in which they came; the second is sound.
    for (place, len) in [(0, 100_000), (2, 60_000)] {
        let id = tables::read_extent_key(&rows(Table::Extents)[place].0).unwrap();
        world.run(world.data.clone().free(vec![Freed { id, len }])).unwrap();
    }

    let mut scrub = begun(&world);
    let (read, found) = finish(&world, &mut scrub);
    assert_eq!((read, scrub.record().damaged), (100_000, 3));
    let names: Vec<&str> = found.iter().map(|(what, _)| what.as_str()).collect();
    let part = format!("part 7 of upload {} of quarry/open", open.id);
    assert_eq!(names, ["object quarry/a/small", "object quarry/b\\n/large", part.as_str()]);
    assert!(found[0].1.contains("do not match their checksum"), "{}", found[0].1);
    assert!(!world.verify_damaged().is_clean(), "verification finds it too");
}

#[test]
fn a_restart_goes_on_where_the_place_was_kept() {
    let world = World::new();
    world.put("a", &bytes(1_000, 1));
    world.put("b", &bytes(2 * SLICE_BYTES_MAX + 5, 2));
    world.put("c", &bytes(1_000, 3));
    let mut scrub = begun(&world);
    assert_eq!(step(&world, &mut scrub), Step::Sound(1_000));
    assert_eq!(step(&world, &mut scrub), Step::Sound(SLICE_BYTES_MAX));
    world.run(world.store.keep_scrub(&scrub)).unwrap();

    let mut again = world.run(world.store.scrub()).unwrap();
    assert_eq!(again.record(), scrub.record());
    assert!(world.store.scrub_is_due(&mut again, WEEK), "the pass goes on");
    assert_eq!(finish(&world, &mut again), (SLICE_BYTES_MAX + 5 + 1_000, Vec::new()));
    world.run(world.store.keep_scrub(&again)).unwrap();
    let mut ended = world.run(world.store.scrub()).unwrap();
    assert!(!world.store.scrub_is_due(&mut ended, WEEK), "that it has ended is kept too");
}

#[test]
fn an_abort_in_the_middle_of_a_part_gives_its_bytes_back() {
    let world = World::new();
    let open = world.create_upload("open");
    world.part(&open, 1, &bytes(3 * SLICE_BYTES_MAX, 1));
    let mut scrub = begun(&world);
    assert_eq!(step(&world, &mut scrub), Step::Sound(SLICE_BYTES_MAX));
    world.abort(&open).unwrap();
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 0);
    assert_eq!(step(&world, &mut scrub), Step::Finished);
}

#[test]
fn what_is_replaced_in_the_middle_is_no_damage() {
    let world = World::new();
    world.put("k", &bytes(3 * SLICE_BYTES_MAX, 1));
    let mut scrub = begun(&world);
    assert_eq!(step(&world, &mut scrub), Step::Sound(SLICE_BYTES_MAX));
    world.put("k", &bytes(2 * SLICE_BYTES_MAX, 2));
    assert_eq!(finish(&world, &mut scrub), (SLICE_BYTES_MAX, Vec::new()));
    world.clock.forward(WEEK);
    assert!(world.store.scrub_is_due(&mut scrub, WEEK));
    assert_eq!(step(&world, &mut scrub), Step::Sound(SLICE_BYTES_MAX));
    world.put("k", b"short");
    assert_eq!(finish(&world, &mut scrub), (5, Vec::new()));
}

#[test]
fn a_whole_body_is_compared_with_its_crc() {
    let world = World::new();
    world.put("one", &bytes(2 * SLICE_BYTES_MAX, 1));
    world.put("two", &bytes(2 * SLICE_BYTES_MAX, 2));
    let view = world.meta.snapshot();
    let row = |name: &str| {
        let within = Within::prefix(tables::all(Table::Current));
        let mut rows = view.scan(within.range(), Order::Ascending).flatten();
        rows.find(|(key, _)| key.ends_with(name.as_bytes())).unwrap()
    };
    // Every frame of the other body is right; only it is not this object's.
    let (key, two) = (row("one").0, row("two").1);
    let one: drystone_core::meta::records::ObjectRecord = decode(&key, row("one").1);
    let mut swapped: drystone_core::meta::records::ObjectRecord = decode(&key, two);
    swapped.info = one.info;
    world.damage(move |tx: &mut dyn Tx| tables::save(tx, key.to_vec(), &swapped));
    let (read, found) = finish(&world, &mut begun(&world));
    assert_eq!((read, found.len()), (3 * SLICE_BYTES_MAX, 1));
    assert!(found[0].1.contains("CRC64NVME"), "{}", found[0].1);
    assert!(!world.verify_damaged().is_clean());
}

fn decode<R: drystone_core::meta::records::Record>(key: &[u8], value: bytes::Bytes) -> R {
    R::decode(key, value).unwrap()
}
