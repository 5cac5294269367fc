//! Objects: what was put is what is read, in whole, in ranges, under conditions, until it is deleted.

use drystone_core::names::{ETag, Timestamp};
use drystone_core::objects::conditions::{ETagMatch, ReadConditions, WriteCondition};
use drystone_core::objects::delete::{DeleteObjects, DeleteTarget};
use drystone_core::objects::get::{ByteRange, GetObject, Span};
use drystone_core::objects::object::Attributes;
use drystone_core::objects::put::PutObject;
use drystone_core::store::SMALL_BODY_BYTES_MAX;

use crate::crc::crc64;
use crate::world::{BUCKET, World, bucket, bytes, get, key, md5, number, owner, put, refusal};
use drystone_sim::clock::MORNING;

/// Sizes at which something changes: nothing, small bodies, extents, and one batch of writes.
const SIZES: [u64; 9] = [
    0,
    1,
    SMALL_BODY_BYTES_MAX - 1,
    SMALL_BODY_BYTES_MAX,
    SMALL_BODY_BYTES_MAX + 1,
    64 * 1024,
    512 * 1024,
    512 * 1024 + 1,
    3 * 1024 * 1024 + 7,
];

#[test]
fn every_size_reads_back() {
    let world = World::new();
    for size in SIZES {
        let body = bytes(size, size);
        let outcome = world.put("stone", &body);
        assert_eq!(outcome.etag, ETag { md5: md5(&body), parts: 0 }, "{size}");
        assert_eq!((outcome.size, outcome.crc64), (size, crc64(&body)));
        assert_eq!(world.get("stone"), body, "{size}");
    }
}

#[test]
fn only_bodies_over_the_threshold_take_room_in_volumes() {
    let world = World::new();
    world.put("small", &bytes(SMALL_BODY_BYTES_MAX, 1));
    assert_eq!(world.bytes_in_volumes(), 0);
    world.put("large", &bytes(SMALL_BODY_BYTES_MAX + 1, 1));
    assert_eq!(world.bytes_in_volumes(), SMALL_BODY_BYTES_MAX + 1);
}

#[test]
fn an_overwrite_frees_what_it_replaces() {
    let world = World::new();
    for size in SIZES.iter().chain(SIZES.iter().rev()) {
        world.put("stone", &bytes(*size, 2));
        world.settle();
        let kept = if *size > SMALL_BODY_BYTES_MAX { *size } else { 0 };
        assert_eq!(world.bytes_in_volumes(), kept, "the body of {size} bytes and nothing else");
        let report = world.verify();
        assert_eq!(report.small_bytes, if kept == 0 { *size } else { 0 });
        assert_eq!((report.objects, report.live_bytes), (1, kept));
    }
}

#[test]
fn attributes_come_back_in_their_order() {
    let world = World::new();
    let pairs = [("content-type", "text/plain"), ("x-amz-meta-b", "2"), ("x-amz-meta-a", "é \u{1}")];
    let attributes = Attributes(pairs.map(|(name, value)| (name.into(), value.into())).into());
    world.try_put(PutObject { attributes: attributes.clone(), ..put("stone", b"x") }).unwrap();
    assert_eq!(world.head("stone").unwrap().info.attributes, attributes);
}

#[test]
fn an_object_is_dated_when_it_is_written() {
    let world = World::new();
    world.clock.set(Timestamp(MORNING.0 + 1234));
    assert_eq!(world.put("stone", b"x").modified, Timestamp(MORNING.0 + 1234));
    assert_eq!(world.head("stone").unwrap().info.modified, Timestamp(MORNING.0 + 1234));
}

#[test]
fn ranges_are_cut_out_exactly() {
    let world = World::new();
    for size in [100, SMALL_BODY_BYTES_MAX + 1, 2 * 1024 * 1024 + 9] {
        let body = bytes(size, 3);
        world.put("stone", &body);
        let ranges = [
            (ByteRange::FromTo { first: 0, last: 0 }, 0..1),
            (ByteRange::FromTo { first: 10, last: 19 }, 10..20),
            (ByteRange::FromTo { first: 17, last: size + 5 }, 17..size),
            (ByteRange::From { first: size - 1 }, size - 1..size),
            (ByteRange::Last { count: 33 }, size - 33..size),
            (ByteRange::Last { count: size * 2 }, 0..size),
        ];
        for (asked, want) in ranges {
            let (located, answered) = world.get_span("stone", Span::Range(asked)).unwrap();
            assert_eq!(located.range, want, "{asked:?} of {size}");
            assert_eq!(answered, body[want.start as usize..want.end as usize], "{asked:?} of {size}");
            assert_eq!(located.info.size, size);
        }
        let past = Span::Range(ByteRange::From { first: size });
        assert_eq!(refusal(world.head_span("stone", past)), "InvalidRange");
    }
}

#[test]
fn an_object_in_one_piece_has_one_part() {
    let world = World::new();
    world.put("stone", b"whole");
    let (located, body) = world.get_span("stone", Span::Part(number(1))).unwrap();
    assert_eq!((located.range, body), (0..5, b"whole".to_vec()));
    assert_eq!(refusal(world.head_span("stone", Span::Part(number(2)))), "InvalidPartNumber");
}

#[test]
fn what_is_not_there_is_said_to_be_missing() {
    let world = World::new();
    assert_eq!(refusal(world.head("stone")), "NoSuchKey");
    let elsewhere = GetObject { bucket: bucket("nowhere"), ..get("stone", Span::Whole) };
    assert_eq!(refusal(world.store.head_object(&owner(), &elsewhere)), "NoSuchBucket");
    let elsewhere = PutObject { bucket: bucket("nowhere"), ..put("stone", b"x") };
    assert_eq!(refusal(world.try_put(elsewhere)), "NoSuchBucket");
}

#[test]
fn reads_keep_their_conditions() {
    let world = World::new();
    let etag = world.put("stone", b"x").etag.to_string();
    let one = |tag: &str| Some(ETagMatch::OneOf(vec![tag.to_owned()]));
    let none = ReadConditions::default();
    let cases = [
        (ReadConditions { if_match: one(&etag), ..none.clone() }, ""),
        (ReadConditions { if_match: one("other"), ..none.clone() }, "PreconditionFailed"),
        (ReadConditions { if_none_match: one(&etag), ..none.clone() }, "NotModified"),
        (ReadConditions { if_none_match: one("other"), ..none.clone() }, ""),
        (ReadConditions { if_none_match: Some(ETagMatch::Any), ..none.clone() }, "NotModified"),
        (ReadConditions { if_modified_since: Some(MORNING), ..none.clone() }, "NotModified"),
        (ReadConditions { if_unmodified_since: Some(Timestamp(0)), ..none.clone() }, "PreconditionFailed"),
    ];
    for (conditions, want) in cases {
        let request = GetObject { conditions: conditions.clone(), ..get("stone", Span::Whole) };
        let read = world.store.get_object(&owner(), &request).map(|(located, _)| located);
        match want {
            "" => assert!(read.is_ok(), "{conditions:?}"),
            name => assert_eq!(refusal(read), name, "{conditions:?}"),
        }
    }
}

#[test]
fn put_if_absent_writes_once() {
    let world = World::new();
    let request = |body: &[u8]| PutObject { condition: WriteCondition::IfAbsent, ..put("stone", body) };
    world.try_put(request(b"first")).unwrap();
    assert_eq!(refusal(world.try_put(request(b"second"))), "PreconditionFailed");
    assert_eq!(refusal(world.try_put(request(&bytes(100_000, 1)))), "PreconditionFailed");
    assert_eq!(world.get("stone"), b"first");
    world.delete("stone");
    world.try_put(request(b"third")).unwrap();
}

#[test]
fn put_if_match_replaces_only_what_it_names() {
    let world = World::new();
    let request = |body: &[u8], etag: &ETag| PutObject {
        condition: WriteCondition::IfMatch(etag.to_string()),
        ..put("stone", body)
    };
    let nothing = ETag { md5: [0; 16], parts: 0 };
    assert_eq!(refusal(world.try_put(request(b"x", &nothing))), "NoSuchKey");
    let first = world.put("stone", b"first").etag;
    assert_eq!(refusal(world.try_put(request(b"x", &nothing))), "PreconditionFailed");
    let second = world.try_put(request(b"second", &first)).unwrap().etag;
    assert_eq!(refusal(world.try_put(request(b"x", &first))), "PreconditionFailed");
    assert_eq!(world.head("stone").unwrap().info.etag, second);
}

#[test]
fn a_put_that_cannot_succeed_is_refused_before_its_body_is_read() {
    let world = World::new();
    world.put("stone", b"first");
    let (feed, body) = crate::fed_body::Feed::new();
    feed.send(&bytes(100_000, 1));
    let mut request = put("stone", &[]);
    request.incoming.body = body;
    request.incoming.len = 100_000;
    request.condition = WriteCondition::IfAbsent;
    assert_eq!(refusal(world.try_put(request)), "PreconditionFailed");
    assert_eq!(feed.taken(), 0);
}

#[test]
fn a_deleted_object_is_gone_and_its_bytes_with_it() {
    let world = World::new();
    for size in [0, 10, 100_000] {
        world.put("stone", &bytes(size, 1));
        world.delete("stone");
        assert_eq!(refusal(world.head("stone")), "NoSuchKey");
        world.delete("stone");
        world.settle();
        assert_eq!(world.bytes_in_volumes(), 0);
        assert_eq!(world.verify().small_bytes, 0);
    }
}

#[test]
fn a_conditional_delete_takes_only_what_it_names() {
    let world = World::new();
    let etag = world.put("stone", b"x").etag.to_string();
    let one = |tag: &str| Some(ETagMatch::OneOf(vec![tag.to_owned()]));
    assert_eq!(refusal(world.try_delete("stone", one("other"))), "PreconditionFailed");
    world.try_delete("stone", one(&etag)).unwrap();
    assert_eq!(refusal(world.try_delete("stone", one(&etag))), "NoSuchKey");
    assert_eq!(refusal(world.try_delete("stone", Some(ETagMatch::Any))), "NoSuchKey");
}

#[test]
fn many_deletes_answer_one_by_one() {
    let world = World::new();
    world.put("a", &bytes(100_000, 1));
    world.put("b", &bytes(100_000, 2));
    let target = |name: &str, tag: Option<&str>| DeleteTarget {
        key: key(name),
        if_match: tag.map(|tag| ETagMatch::OneOf(vec![tag.into()])),
    };
    let objects =
        vec![target("a", None), target("b", Some("other")), target("never", None), target("a", None)];
    let request = DeleteObjects { bucket: bucket(BUCKET), objects };
    let outcomes = world.run(world.store.delete_objects(&owner(), request)).unwrap();
    let said: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(said, [true, false, true, true]);
    assert_eq!(refusal(world.head("a")), "NoSuchKey");
    assert_eq!(world.get("b"), bytes(100_000, 2));
}
