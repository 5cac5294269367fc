//! Completion: the parts become the object in one step, or the upload stays as it was.

use std::time::Duration;

use drystone_core::checksum::{Algorithm, ChecksumType};
use drystone_core::error::Error;
use drystone_core::names::{ETag, Timestamp};
use drystone_core::objects::conditions::WriteCondition;
use drystone_core::objects::get::Span;
use drystone_core::objects::object::Attributes;
use drystone_core::uploads::complete::{COMPLETION_KEPT_MS, CompleteUpload, ListedPart, PART_BYTES_MIN};
use drystone_core::uploads::create::CreateUpload;

use crate::crc::crc64;
use crate::world::{
    Upload, World, bytes, checksum, complete, create, md5, number, owner, part_bytes, part_copy, refusal,
    stranger,
};
use drystone_sim::clock::MORNING;

/// An upload with parts 1, 5 and 14: two full ones and a short last one.
fn wall(world: &World) -> (Upload, Vec<(u64, ETag)>, Vec<u8>) {
    let upload = world.create_upload("wall");
    let bodies = [part_bytes(1), part_bytes(2), bytes(777, 3)];
    let parts = [1, 5, 14].into_iter().zip(&bodies);
    let parts = parts.map(|(number, body)| (number, world.part(&upload, number, body).etag)).collect();
    (upload, parts, bodies.concat())
}

/// Completes with a changed request: it must be refused with `want`, and the upload must stay whole.
fn check_refused(want: &str, change: impl FnOnce(&mut CompleteUpload)) {
    let world = World::new();
    let (upload, parts, body) = wall(&world);
    let mut request = complete(&upload, &parts);
    change(&mut request);
    assert_eq!(refusal(world.try_complete(request)), want);
    assert_eq!(refusal(world.head("wall")), "NoSuchKey");
    let page = world.list_parts(&upload).unwrap();
    assert_eq!((page.parts.len(), page.upload.held.bytes), (3, body.len() as u64), "it is open still");
    world.settle();
    assert_eq!(world.bytes_in_volumes(), body.len() as u64, "and nothing is freed");
    world.verify();
    world.complete(&upload, &parts);
    assert_eq!(world.get("wall"), body, "and it can be completed");
}

/// The ETag that S3 gives a multipart object.
fn etag_of(bodies: &[&[u8]]) -> ETag {
    let sums: Vec<u8> = bodies.iter().flat_map(|body| md5(body)).collect();
    ETag { md5: md5(&sums), parts: u16::try_from(bodies.len()).unwrap() }
}

#[test]
fn a_completed_upload_is_the_object() {
    let world = World::new();
    let attributes = Attributes(vec![("content-type".into(), "x/wall".into())]);
    let upload = world.create_upload_with(CreateUpload { attributes: attributes.clone(), ..create("wall") });
    let bodies = [part_bytes(1), part_bytes(2), bytes(777, 3)];
    let parts: Vec<_> =
        (1..).zip(&bodies).map(|(number, body)| (number, world.part(&upload, number, body).etag)).collect();
    world.clock.set(Timestamp(MORNING.0 + 60_000));
    let outcome = world.complete(&upload, &parts);
    let whole = bodies.concat();
    assert_eq!(outcome.etag, etag_of(&[&bodies[0], &bodies[1], &bodies[2]]));
    assert_eq!((outcome.size, outcome.crc64), (whole.len() as u64, crc64(&whole)));
    assert_eq!(outcome.modified, Timestamp(MORNING.0 + 60_000));
    let info = world.head("wall").unwrap().info;
    assert_eq!((info.attributes, info.parts), (attributes, 3));
    assert_eq!(world.get("wall"), whole);
    assert_eq!(refusal(world.list_parts(&upload)), "NoSuchUpload");
    assert_eq!(refusal(world.abort(&upload)), "NoSuchUpload");
    assert_eq!(world.get("wall"), whole, "an abort after it touches nothing");
}

#[test]
fn completing_moves_no_byte() {
    let world = World::new();
    let (upload, parts, body) = wall(&world);
    let before = world.data.space().unwrap();
    world.complete(&upload, &parts);
    assert_eq!(world.data.space().unwrap(), before);
    let report = world.verify();
    assert_eq!((report.live_bytes, report.in_progress_bytes), (body.len() as u64, 0));
}

#[test]
fn one_part_of_any_size_is_enough() {
    let world = World::new();
    for size in [0, 1, PART_BYTES_MIN - 1, PART_BYTES_MIN] {
        let upload = world.create_upload("wall");
        let body = bytes(size, size);
        let etag = world.part(&upload, 10_000, &body).etag;
        let outcome = world.complete(&upload, &[(10_000, etag)]);
        assert_eq!((outcome.etag, outcome.size), (etag_of(&[&body]), size));
        assert_eq!(world.get("wall"), body);
    }
}

#[test]
fn parts_are_read_by_their_number() {
    let world = World::new();
    let (upload, parts, _) = wall(&world);
    world.complete(&upload, &parts);
    for (part, body) in [(1, part_bytes(1)), (5, part_bytes(2)), (14, bytes(777, 3))] {
        let (located, answered) = world.get_span("wall", Span::Part(number(part))).unwrap();
        assert_eq!((located.info.parts, located.range.end - located.range.start), (3, body.len() as u64));
        assert_eq!(answered, body);
    }
    for part in [2, 15, 10_000] {
        assert_eq!(refusal(world.head_span("wall", Span::Part(number(part)))), "InvalidPartNumber");
    }
}

#[test]
fn parts_that_are_not_listed_are_freed() {
    let world = World::new();
    let (upload, parts, _) = wall(&world);
    world.part(&upload, 2, &bytes(100_000, 4));
    world.part(&upload, 9_999, &bytes(200_000, 5));
    world.complete(&upload, &[parts[1], parts[2]]);
    world.settle();
    let body = [part_bytes(2), bytes(777, 3)].concat();
    assert_eq!(world.get("wall"), body);
    assert_eq!(world.bytes_in_volumes(), body.len() as u64);
}

#[test]
fn completing_replaces_and_frees_the_object_that_was_there() {
    let world = World::new();
    world.put("wall", &bytes(100_000, 9));
    let (upload, parts, body) = wall(&world);
    assert_eq!(world.get("wall"), bytes(100_000, 9));
    world.complete(&upload, &parts);
    world.settle();
    assert_eq!((world.get("wall"), world.bytes_in_volumes()), (body.clone(), body.len() as u64));
    world.put("wall", b"small again");
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 0);
}

#[test]
fn a_part_that_was_never_uploaded_is_refused() {
    check_refused("InvalidPart", |request| request.parts[1].part = number(6));
    check_refused("InvalidPart", |request| request.parts[2].part = number(10_000));
}

#[test]
fn a_part_with_another_tag_is_refused() {
    for tag in ["", "\"\"", "nonsense", "00000000000000000000000000000000", "*"] {
        check_refused("InvalidPart", |request| request.parts[1].etag = tag.into());
    }
    check_refused("InvalidPart", |request| request.parts[1].etag = request.parts[0].etag.clone());
    check_refused("InvalidPart", |request| {
        let tag = request.parts[1].etag.trim_matches('"').to_owned();
        request.parts[1].etag = format!("{tag}-1");
    });
}

#[test]
fn a_part_with_another_checksum_is_refused() {
    for algorithm in Algorithm::ALL {
        check_refused("InvalidPart", |request| {
            request.parts[0].checksum = Some(checksum(algorithm, b"other"));
        });
    }
}

#[test]
fn parts_out_of_order_or_twice_are_refused() {
    check_refused("InvalidPartOrder", |request| request.parts.swap(0, 1));
    check_refused("InvalidPartOrder", |request| request.parts.reverse());
    check_refused("InvalidPartOrder", |request| {
        let twice: ListedPart = request.parts[1].clone();
        request.parts.insert(1, twice);
    });
}

#[test]
fn an_empty_list_is_refused() {
    check_refused("InvalidRequest", |request| request.parts.clear());
}

#[test]
fn a_short_part_before_the_last_is_refused_with_its_size() {
    let world = World::new();
    let upload = world.create_upload("wall");
    let short = bytes(PART_BYTES_MIN - 1, 1);
    let parts = [(3, world.part(&upload, 3, &short).etag), (4, world.part(&upload, 4, b"end").etag)];
    match world.try_complete(complete(&upload, &parts)) {
        Err(Error::EntityTooSmall { part, etag, size, min }) => {
            assert_eq!((part, etag), (number(3), parts[0].1));
            assert_eq!((size, min), (PART_BYTES_MIN - 1, PART_BYTES_MIN));
        }
        other => panic!("{other:?}"),
    }
    let full = part_bytes(2);
    let parts = [(3, world.part(&upload, 3, &full).etag), parts[1]];
    world.complete(&upload, &parts);
    assert_eq!(world.get("wall"), [full, b"end".to_vec()].concat());
}

#[test]
fn an_announced_object_size_must_be_the_sum() {
    check_refused("InvalidRequest", |request| request.object_size = Some(0));
    check_refused("InvalidRequest", |request| request.object_size = Some(2 * PART_BYTES_MIN + 776));
    let world = World::new();
    let (upload, parts, body) = wall(&world);
    let object_size = Some(body.len() as u64);
    world.try_complete(CompleteUpload { object_size, ..complete(&upload, &parts) }).unwrap();
}

#[test]
fn an_announced_checksum_must_be_the_objects() {
    check_refused("ChecksumMismatch", |request| {
        request.checksum = Some(checksum(Algorithm::Crc64Nvme, b"other"));
    });
    for kind in [ChecksumType::Composite, ChecksumType::FullObject] {
        check_refused("ChecksumTypeMismatch", |request| request.checksum_type = Some(kind));
    }
}

#[test]
fn an_announced_checksum_that_nothing_can_be_compared_with_is_passed_over() {
    let world = World::new();
    let (upload, parts, body) = wall(&world);
    let checksum = Some(checksum(Algorithm::Sha256, b"other"));
    let outcome = world.try_complete(CompleteUpload { checksum, ..complete(&upload, &parts) }).unwrap();
    assert_eq!(outcome.checksum.value.algorithm(), Algorithm::Crc64Nvme);
    assert_eq!(world.get("wall"), body);
}

#[test]
fn a_condition_that_fails_leaves_the_upload_open() {
    let world = World::new();
    let (upload, parts, body) = wall(&world);
    let with = |condition| CompleteUpload { condition, ..complete(&upload, &parts) };
    let nothing = ETag { md5: [0; 16], parts: 0 };
    assert_eq!(refusal(world.try_complete(with(WriteCondition::IfMatch(nothing.to_string())))), "NoSuchKey");
    let there = world.put("wall", &bytes(100_000, 9));
    assert_eq!(refusal(world.try_complete(with(WriteCondition::IfAbsent))), "PreconditionFailed");
    let other = with(WriteCondition::IfMatch(nothing.to_string()));
    assert_eq!(refusal(world.try_complete(other)), "PreconditionFailed");
    assert_eq!(world.get("wall"), bytes(100_000, 9));
    assert_eq!(world.list_parts(&upload).unwrap().parts.len(), 3);
    world.try_complete(with(WriteCondition::IfMatch(there.etag.to_string()))).unwrap();
    assert_eq!(world.get("wall"), body);
}

#[test]
fn what_is_wrong_with_the_parts_is_said_before_the_condition() {
    check_refused("InvalidPart", |request| {
        request.condition = WriteCondition::IfMatch("nothing".into());
        request.parts[0].etag = "nonsense".into();
    });
    check_refused("NoSuchUpload", |request| {
        request.condition = WriteCondition::IfMatch("nothing".into());
        request.parts.clear();
        request.upload_id = "nonsense".into();
    });
}

#[test]
fn only_the_owner_completes() {
    let world = World::new();
    let (upload, parts, _) = wall(&world);
    let completed = world.run(world.store.complete_upload(&stranger(), complete(&upload, &parts)));
    assert_eq!(refusal(completed), "AccessDenied");
    world.run(world.store.complete_upload(&owner(), complete(&upload, &parts))).unwrap();
}

#[test]
fn an_identical_complete_gets_the_same_answer_again() {
    let world = World::new();
    let (upload, parts, body) = wall(&world);
    let first = world.complete(&upload, &parts);
    world.clock.forward(Duration::from_hours(1));
    for condition in [WriteCondition::None, WriteCondition::IfAbsent] {
        let mut again = CompleteUpload { condition, ..complete(&upload, &parts) };
        assert_eq!(world.try_complete(again.clone()).unwrap(), first);
        // Quotes around a tag are not part of it.
        again.parts.iter_mut().for_each(|part| part.etag = part.etag.trim_matches('"').to_owned());
        assert_eq!(world.try_complete(again).unwrap(), first);
    }
    world.settle();
    assert_eq!((world.verify().objects, world.bytes_in_volumes()), (1, body.len() as u64));
}

#[test]
fn another_list_is_refused_after_the_completion() {
    let world = World::new();
    let (upload, parts, body) = wall(&world);
    world.complete(&upload, &parts);
    assert_eq!(refusal(world.try_complete(complete(&upload, &parts[..2]))), "InvalidPart");
    assert_eq!(refusal(world.try_complete(complete(&upload, &[]))), "InvalidRequest");
    assert_eq!(world.get("wall"), body);
}

#[test]
fn a_retry_answers_the_same_after_the_object_was_overwritten_or_deleted() {
    let world = World::new();
    let (upload, parts, _) = wall(&world);
    let first = world.complete(&upload, &parts);
    world.put("wall", b"newer");
    assert_eq!(world.try_complete(complete(&upload, &parts)).unwrap(), first);
    assert_eq!(world.get("wall"), b"newer", "a retry changes nothing");
    world.delete("wall");
    assert_eq!(world.try_complete(complete(&upload, &parts)).unwrap(), first);
    assert_eq!(refusal(world.head("wall")), "NoSuchKey", "a retry brings nothing back");
}

#[test]
fn a_completion_is_remembered_for_seven_days() {
    let world = World::new();
    let (upload, parts, _) = wall(&world);
    let first = world.complete(&upload, &parts);
    world.clock.forward(Duration::from_millis(COMPLETION_KEPT_MS));
    world.run(world.store.forget_old_completions()).unwrap();
    assert_eq!(world.try_complete(complete(&upload, &parts)).unwrap(), first);
    world.clock.forward(Duration::from_millis(1));
    world.run(world.store.forget_old_completions()).unwrap();
    assert_eq!(refusal(world.try_complete(complete(&upload, &parts))), "NoSuchUpload");
}

#[test]
fn thousands_of_completions_are_forgotten_in_one_go() {
    let world = World::new();
    let completed: Vec<_> = (0..1_500)
        .map(|_| {
            let upload = world.create_upload("wall");
            let parts = [(1, world.part(&upload, 1, b"").etag)];
            world.complete(&upload, &parts);
            (upload, parts)
        })
        .collect();
    world.clock.forward(Duration::from_millis(COMPLETION_KEPT_MS + 1));
    world.run(world.store.forget_old_completions()).unwrap();
    for (upload, parts) in completed {
        assert_eq!(refusal(world.try_complete(complete(&upload, &parts))), "NoSuchUpload");
    }
}

#[test]
fn an_aborted_upload_never_completes() {
    let world = World::new();
    let (upload, parts, _) = wall(&world);
    world.abort(&upload).unwrap();
    assert_eq!(refusal(world.try_complete(complete(&upload, &parts))), "NoSuchUpload");
}

#[test]
fn ten_thousand_parts_complete_to_terabytes_by_metadata_alone() {
    // One stored body of 5 MiB, named ten thousand times: 48.8 GiB of object, 5 MiB of bytes.
    let world = World::new();
    let brick = part_bytes(1);
    world.put("brick", &brick);
    let upload = world.create_upload("wall");
    let parts: Vec<_> = (1..=10_000)
        .map(|number| (number, world.try_part_copy(part_copy("brick", &upload, number)).unwrap().etag))
        .collect();
    let outcome = world.complete(&upload, &parts);
    assert_eq!((outcome.size, outcome.etag.parts), (10_000 * PART_BYTES_MIN, 10_000));
    assert_eq!(world.bytes_in_volumes(), PART_BYTES_MIN);
    let last = drystone_core::objects::get::ByteRange::Last { count: 7 };
    assert_eq!(world.get_span("wall", Span::Range(last)).unwrap().1, brick[brick.len() - 7..]);
    // Reading all of it back would take minutes: the proof at the end reads what is left.
    world.delete("wall");
}
