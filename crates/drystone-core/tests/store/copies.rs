//! Copies: by reference, so that no byte moves, and the bytes stay for as long as anyone names them.

use drystone_core::checksum::{Algorithm, ChecksumType};
use drystone_core::names::Timestamp;
use drystone_core::objects::conditions::{ETagMatch, ReadConditions, WriteCondition};
use drystone_core::objects::copy::{CopyObject, CopySource, MetadataDirective};
use drystone_core::objects::get::Span;
use drystone_core::objects::object::Attributes;
use drystone_core::objects::put::PutObject;
use drystone_core::uploads::part_copy::UploadPartCopy;

use crate::world::{
    World, bucket, bytes, checksum, complete, copy, md5, number, part_bytes, part_copy, put, refusal, source,
};
use drystone_sim::clock::MORNING;

#[test]
fn a_copy_takes_no_room() {
    let world = World::new();
    let body = bytes(100_000, 1);
    let original = world.put("stone", &body);
    world.clock.set(Timestamp(MORNING.0 + 5000));
    let copied = world.copy("stone", "pebble");
    assert_eq!((copied.etag, copied.size, copied.crc64), (original.etag, 100_000, original.crc64));
    assert_eq!(copied.modified, Timestamp(MORNING.0 + 5000));
    assert_eq!(world.get("pebble"), body);
    assert_eq!(world.bytes_in_volumes(), 100_000);
}

#[test]
fn deleting_either_name_keeps_the_other_and_the_last_one_frees() {
    for size in [9, 100_000] {
        let body = bytes(size, 1);
        for order in [["stone", "pebble", "sand"], ["pebble", "sand", "stone"], ["sand", "stone", "pebble"]] {
            let world = World::new();
            world.put("stone", &body);
            world.copy("stone", "pebble");
            world.copy("pebble", "sand");
            for (at, name) in order.iter().enumerate() {
                order[at..].iter().for_each(|left| assert_eq!(world.get(left), body));
                world.delete(name);
                world.settle();
                world.verify();
            }
            assert_eq!((world.bytes_in_volumes(), world.verify().small_bytes), (0, 0));
        }
    }
}

#[test]
fn a_copy_of_a_multipart_object_keeps_its_tag_and_its_parts() {
    let world = World::new();
    let upload = world.create_upload("wall");
    let bodies = [part_bytes(1), bytes(1000, 2)];
    let parts: Vec<_> =
        (1..).zip(&bodies).map(|(number, body)| (number, world.part(&upload, number, body).etag)).collect();
    let original = world.complete(&upload, &parts);
    let copied = world.copy("wall", "wall-2");
    assert_eq!((copied.etag, copied.checksum), (original.etag, original.checksum));
    world.delete("wall");
    world.settle();
    let (located, second) = world.get_span("wall-2", Span::Part(number(2))).unwrap();
    assert_eq!((located.info.parts, second), (2, bodies[1].clone()));
    assert_eq!(world.get("wall-2"), bodies.concat());
}

#[test]
fn a_copy_onto_itself_must_change_something() {
    let world = World::new();
    let body = bytes(100_000, 1);
    world.put("stone", &body);
    assert_eq!(refusal(world.try_copy(copy("stone", "stone"))), "InvalidRequest");
    let attributes = Attributes(vec![("x-amz-meta-colour".into(), "grey".into())]);
    let directive = MetadataDirective::Replace(attributes.clone());
    world.try_copy(CopyObject { directive, ..copy("stone", "stone") }).unwrap();
    assert_eq!(world.head("stone").unwrap().info.attributes, attributes);
    assert_eq!(world.get("stone"), body);
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 100_000);
}

#[test]
fn a_multipart_object_can_be_copied_onto_itself() {
    let world = World::new();
    let upload = world.create_upload("wall");
    let parts = [(1, world.part(&upload, 1, &part_bytes(1)).etag), (2, world.part(&upload, 2, b"end").etag)];
    world.complete(&upload, &parts);
    let directive = MetadataDirective::Replace(Attributes::default());
    world.try_copy(CopyObject { directive, ..copy("wall", "wall") }).unwrap();
    assert_eq!(world.get("wall"), [part_bytes(1), b"end".to_vec()].concat());
}

#[test]
fn attributes_follow_the_directive() {
    let world = World::new();
    let old = Attributes(vec![("content-type".into(), "text/plain".into())]);
    let new = Attributes(vec![("content-type".into(), "image/png".into())]);
    world.try_put(PutObject { attributes: old.clone(), ..put("stone", b"x") }).unwrap();
    world.copy("stone", "kept");
    let replace = MetadataDirective::Replace(new.clone());
    world.try_copy(CopyObject { directive: replace, ..copy("stone", "replaced") }).unwrap();
    assert_eq!(world.head("kept").unwrap().info.attributes, old);
    assert_eq!(world.head("replaced").unwrap().info.attributes, new);
}

#[test]
fn what_belongs_to_one_object_is_not_copied() {
    let world = World::new();
    let of = |pairs: &[(&str, &str)]| Attributes(pairs.iter().map(|&(n, v)| (n.into(), v.into())).collect());
    let attributes = of(&[("class", "cold"), ("content-type", "text/plain")]);
    world.try_put(PutObject { attributes, ..put("stone", b"x") }).unwrap();
    let to = |target: &str, own: Option<Attributes>| {
        let directive = MetadataDirective::Copy { but: &["class"], own };
        world.try_copy(CopyObject { directive, ..copy("stone", target) })
    };
    to("plain", None).unwrap();
    assert_eq!(world.head("plain").unwrap().info.attributes, of(&[("content-type", "text/plain")]));
    assert_eq!(refusal(to("stone", None)), "InvalidRequest");
    to("stone", Some(of(&[("class", "warm")]))).unwrap();
    assert_eq!(
        world.head("stone").unwrap().info.attributes,
        of(&[("content-type", "text/plain"), ("class", "warm")])
    );
}

#[test]
fn a_copy_overwrites_and_frees_its_target() {
    let world = World::new();
    world.put("stone", &bytes(100_000, 1));
    world.put("target", &bytes(70_000, 2));
    world.copy("stone", "target");
    world.settle();
    assert_eq!((world.bytes_in_volumes(), world.get("target")), (100_000, bytes(100_000, 1)));
}

#[test]
fn a_copy_keeps_the_conditions_of_source_and_target() {
    let world = World::new();
    let etag = world.put("stone", b"x").etag.to_string();
    let one = |tag: &str| Some(ETagMatch::OneOf(vec![tag.to_owned()]));
    let none = ReadConditions::default();
    let refused = [
        ReadConditions { if_match: one("other"), ..none.clone() },
        ReadConditions { if_none_match: one(&etag), ..none.clone() },
        ReadConditions { if_modified_since: Some(MORNING), ..none.clone() },
        ReadConditions { if_unmodified_since: Some(Timestamp(0)), ..none.clone() },
    ];
    for conditions in refused {
        let from = CopySource { conditions, ..source("stone") };
        let copied = world.try_copy(CopyObject { source: from.clone(), ..copy("stone", "pebble") });
        assert_eq!(refusal(copied), "PreconditionFailed");
        let upload = world.create_upload("wall");
        let copied = world.try_part_copy(UploadPartCopy { source: from, ..part_copy("stone", &upload, 1) });
        assert_eq!(refusal(copied), "PreconditionFailed");
    }
    let from = CopySource { conditions: ReadConditions { if_match: one(&etag), ..none }, ..source("stone") };
    world.try_copy(CopyObject { source: from, ..copy("stone", "pebble") }).unwrap();
    let absent = CopyObject { condition: WriteCondition::IfAbsent, ..copy("stone", "pebble") };
    assert_eq!(refusal(world.try_copy(absent)), "PreconditionFailed");
}

#[test]
fn a_copy_of_nothing_or_into_nowhere_is_refused() {
    let world = World::new();
    assert_eq!(refusal(world.try_copy(copy("never", "pebble"))), "NoSuchKey");
    world.put("stone", b"x");
    let nowhere = CopyObject { bucket: bucket("nowhere"), ..copy("stone", "pebble") };
    assert_eq!(refusal(world.try_copy(nowhere)), "NoSuchBucket");
}

#[test]
fn an_empty_object_can_be_copied() {
    let world = World::new();
    world.put("nothing", b"");
    world.copy("nothing", "nothing-2");
    assert_eq!(world.get("nothing-2"), b"");
    let upload = world.create_upload("wall");
    let part = world.try_part_copy(part_copy("nothing", &upload, 1)).unwrap();
    assert_eq!(world.complete(&upload, &[(1, part.etag)]).size, 0);
}

#[test]
fn a_copy_can_be_given_another_checksum() {
    let world = World::new();
    for size in [100, 100_000] {
        let body = bytes(size, 1);
        world.put("stone", &body);
        for algorithm in Algorithm::ALL {
            let copied =
                world.try_copy(CopyObject { checksum: Some(algorithm), ..copy("stone", "pebble") }).unwrap();
            assert_eq!(copied.checksum.value, checksum(algorithm, &body));
            assert_eq!(copied.checksum.kind, ChecksumType::FullObject);
        }
    }
}

#[test]
fn a_part_copied_whole_shares_its_source() {
    let world = World::new();
    for size in [9, 100_000] {
        let body = bytes(size, 1);
        world.put("stone", &body);
        let upload = world.create_upload("wall");
        let part = world.try_part_copy(part_copy("stone", &upload, 1)).unwrap();
        assert_eq!((part.etag.md5, part.size), (md5(&body), size));
        world.delete("stone");
        world.settle();
        world.complete(&upload, &[(1, part.etag)]);
        assert_eq!(world.get("wall"), body);
        assert!(world.bytes_in_volumes() <= 100_000, "nothing was written twice");
        world.delete("wall");
        world.settle();
        assert_eq!((world.bytes_in_volumes(), world.verify().small_bytes), (0, 0));
    }
}

#[test]
fn a_part_copied_from_a_range_is_that_range() {
    let world = World::new();
    let body = bytes(300_000, 1);
    world.put("stone", &body);
    let upload = world.create_upload("wall");
    for (number, range) in [(1, 0..=0), (2, 1..=70_000), (3, 250_000..=299_999), (4, 0..=299_999)] {
        let want = &body[*range.start() as usize..=*range.end() as usize];
        let request = UploadPartCopy { range: Some(range), ..part_copy("stone", &upload, number) };
        let part = world.try_part_copy(request).unwrap();
        assert_eq!((part.etag.md5, part.size), (md5(want), want.len() as u64));
        let alone = world.create_upload("alone");
        let request =
            UploadPartCopy { range: Some(0..=want.len() as u64 - 1), ..part_copy("stone", &alone, 1) };
        world.try_part_copy(request).unwrap();
        world.abort(&alone).unwrap();
    }
    world.complete(&upload, &[(3, world.list_parts(&upload).unwrap().parts[2].etag)]);
    assert_eq!(world.get("wall"), body[250_000..]);
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 300_000, "the extent is shared, and kept whole for one range of it");
}

#[test]
fn a_part_copied_over_part_borders_is_in_several_runs() {
    let world = World::new();
    let upload = world.create_upload("wall");
    let bodies = [part_bytes(1), part_bytes(2), bytes(5000, 3)];
    let parts: Vec<_> =
        (1..).zip(&bodies).map(|(number, body)| (number, world.part(&upload, number, body).etag)).collect();
    world.complete(&upload, &parts);
    let whole = bodies.concat();
    let last = whole.len() as u64 - 1;
    let border = bodies[0].len() as u64;
    let ranges = [border - 1..=border, 10..=border * 2 + 10, border * 2 - 5..=last, border..=border * 2 - 1];
    for range in ranges {
        let want = &whole[*range.start() as usize..=*range.end() as usize];
        let copied = world.create_upload("copied");
        let request = UploadPartCopy { range: Some(range.clone()), ..part_copy("wall", &copied, 1) };
        let part = world.try_part_copy(request).unwrap();
        assert_eq!(part.etag.md5, md5(want), "{range:?}");
        world.complete(&copied, &[(1, part.etag)]);
        assert_eq!(world.get("copied"), want, "{range:?}");
    }
    world.delete("wall");
    world.settle();
    assert_eq!(world.get("copied"), bodies[1]);
    assert_eq!(world.bytes_in_volumes(), border, "only the middle part is named still");
}

#[test]
fn a_range_past_the_source_is_refused() {
    let world = World::new();
    world.put("stone", &bytes(1000, 1));
    let upload = world.create_upload("wall");
    for (range, want) in
        [(0..=1000, "InvalidArgument"), (999..=5000, "InvalidArgument"), (1000..=1000, "InvalidRequest")]
    {
        let request = UploadPartCopy { range: Some(range.clone()), ..part_copy("stone", &upload, 1) };
        assert_eq!(refusal(world.try_part_copy(request)), want, "{range:?}");
    }
    assert!(world.list_parts(&upload).unwrap().parts.is_empty());
}

#[test]
fn a_part_cannot_be_copied_into_an_upload_that_is_gone() {
    let world = World::new();
    world.put("stone", &bytes(100_000, 1));
    let upload = world.create_upload("wall");
    world.abort(&upload).unwrap();
    assert_eq!(refusal(world.try_part_copy(part_copy("stone", &upload, 1))), "NoSuchUpload");
    let open = world.create_upload("wall");
    assert_eq!(refusal(world.try_part_copy(part_copy("never", &open, 1))), "NoSuchKey");
    assert_eq!(refusal(world.try_complete(complete(&open, &[]))), "InvalidRequest");
}

#[test]
fn aborting_keeps_what_a_published_object_shares() {
    let world = World::new();
    let body = bytes(100_000, 1);
    world.put("stone", &body);
    let upload = world.create_upload("wall");
    for number in 1..=5 {
        world.try_part_copy(part_copy("stone", &upload, number)).unwrap();
    }
    world.abort(&upload).unwrap();
    world.settle();
    assert_eq!((world.get("stone"), world.bytes_in_volumes()), (body, 100_000));
}

#[test]
fn an_object_can_name_the_same_bytes_many_times() {
    let world = World::new();
    let brick = part_bytes(1);
    world.put("brick", &brick);
    let upload = world.create_upload("wall");
    let parts: Vec<_> = (1..=4)
        .map(|number| (number, world.try_part_copy(part_copy("brick", &upload, number)).unwrap().etag))
        .collect();
    world.complete(&upload, &parts);
    world.delete("brick");
    world.settle();
    assert_eq!(world.get("wall"), brick.repeat(4));
    assert_eq!(world.bytes_in_volumes(), brick.len() as u64);
}

#[test]
fn a_part_copied_from_a_small_object_has_bytes_of_its_own() {
    // Were its row shared, an object of many such parts would be read whole into memory to be opened.
    let world = World::new();
    let body = bytes(100, 1);
    world.put("pebble", &body);
    let upload = world.create_upload("wall");
    world.try_part_copy(part_copy("pebble", &upload, 1)).unwrap();
    let range = UploadPartCopy { range: Some(10..=19), ..part_copy("pebble", &upload, 2) };
    let part = world.try_part_copy(range).unwrap();
    assert_eq!(world.bytes_in_volumes(), 110);
    world.delete("pebble");
    world.settle();
    assert_eq!(world.verify().small_bytes, 0);
    world.complete(&upload, &[(2, part.etag)]);
    world.settle();
    assert_eq!((world.get("wall"), world.bytes_in_volumes()), (body[10..20].to_vec(), 10));
}
