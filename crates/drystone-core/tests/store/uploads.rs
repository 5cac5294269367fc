//! Uploads before they are completed: parts are stored, replaced, listed and given up.

use drystone_core::checksum::{Algorithm, ChecksumType};
use drystone_core::names::{ETag, Timestamp, UploadId};
use drystone_core::objects::object::Attributes;
use drystone_core::objects::put::{ChecksumClaim, Incoming};
use drystone_core::uploads::abort::{AbortUpload, Aborted};
use drystone_core::uploads::create::CreateUpload;
use drystone_core::uploads::list_parts::ListParts;
use drystone_core::uploads::part::UploadPart;

use crate::world::{
    BUCKET, Upload, World, abort, bucket, bytes, checksum, complete, create, incoming, key, md5, owner, part,
    refusal, stranger,
};
use drystone_sim::clock::MORNING;

fn numbers(world: &World, upload: &Upload, after: u16, max: usize) -> (Vec<u16>, bool) {
    let request =
        ListParts { bucket: bucket(BUCKET), key: key(&upload.key), upload_id: upload.id.clone(), after, max };
    let page = world.store.list_parts(&owner(), &request).unwrap();
    (page.parts.iter().map(|part| part.part.get()).collect(), page.truncated)
}

#[test]
fn an_upload_is_seen_as_it_was_made() {
    let world = World::new();
    let attributes = Attributes(vec![("x-amz-meta-a".into(), "1".into())]);
    let request = CreateUpload {
        attributes: attributes.clone(),
        checksum: Some(Algorithm::Crc32),
        checksum_type: Some(ChecksumType::FullObject),
        ..create("wall")
    };
    let upload = world.create_upload_with(request);
    let seen = world.list_parts(&upload).unwrap().upload;
    assert_eq!((seen.attributes, seen.initiated, seen.initiator), (attributes, MORNING, owner().account));
    assert_eq!(
        (seen.checksum.algorithm, seen.checksum.kind),
        (Some(Algorithm::Crc32), ChecksumType::FullObject)
    );
    assert_eq!(UploadId::parse(&upload.id).unwrap().initiated(), MORNING);
}

#[test]
fn an_upload_is_no_object() {
    let world = World::new();
    let upload = world.create_upload("wall");
    world.part(&upload, 1, b"brick");
    assert_eq!(refusal(world.head("wall")), "NoSuchKey");
}

#[test]
fn algorithm_and_type_must_go_together() {
    use Algorithm::{Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
    use ChecksumType::{Composite, FullObject};
    let world = World::new();
    let cases = [
        (None, None, Ok(FullObject)),
        (Some(Crc32), None, Ok(Composite)),
        (Some(Crc32c), Some(FullObject), Ok(FullObject)),
        (Some(Crc64Nvme), None, Ok(FullObject)),
        (Some(Crc64Nvme), Some(FullObject), Ok(FullObject)),
        (Some(Sha1), None, Ok(Composite)),
        (Some(Sha256), Some(Composite), Ok(Composite)),
        (None, Some(FullObject), Err("InvalidRequest")),
        (Some(Crc64Nvme), Some(Composite), Err("InvalidRequest")),
        (Some(Sha1), Some(FullObject), Err("InvalidRequest")),
        (Some(Sha256), Some(FullObject), Err("InvalidRequest")),
    ];
    for (algorithm, kind, want) in cases {
        let request = CreateUpload { checksum: algorithm, checksum_type: kind, ..create("wall") };
        let made = world.run(world.store.create_upload(&owner(), request));
        match want {
            Ok(kind) => assert_eq!(made.unwrap().checksum.kind, kind, "{algorithm:?}"),
            Err(name) => assert_eq!(refusal(made), name, "{algorithm:?} {kind:?}"),
        }
    }
}

#[test]
fn a_part_says_what_was_stored() {
    let world = World::new();
    let upload = world.create_upload("wall");
    for size in [0, 1, 9000, 1_000_000] {
        let body = bytes(size, size);
        let stored = world.part(&upload, 1, &body);
        assert_eq!((stored.etag, stored.size), (ETag { md5: md5(&body), parts: 0 }, size));
        assert_eq!(stored.checksum, checksum(Algorithm::Crc64Nvme, &body));
        assert_eq!(stored.modified, MORNING);
    }
}

#[test]
fn a_part_of_a_full_object_has_the_checksum_of_its_upload_even_if_the_client_sends_none() {
    let world = World::new();
    for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
        let checksum_type = Some(ChecksumType::FullObject);
        let request = CreateUpload { checksum: Some(algorithm), checksum_type, ..create("wall") };
        let upload = world.create_upload_with(request);
        assert_eq!(world.part(&upload, 1, b"brick").checksum, checksum(algorithm, b"brick"));
        assert_eq!(world.list_parts(&upload).unwrap().parts[0].checksum, checksum(algorithm, b"brick"));
    }
}

#[test]
fn a_part_of_a_composite_upload_must_come_with_its_checksum() {
    let world = World::new();
    for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Sha1, Algorithm::Sha256] {
        let upload = world.create_upload_with(CreateUpload { checksum: Some(algorithm), ..create("wall") });
        assert_eq!(refusal(world.try_part(part(&upload, 1, b"brick"))), "InvalidRequest");
        assert_eq!(world.list_parts(&upload).unwrap().parts.len(), 0);
    }
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 0);
}

#[test]
fn a_part_with_another_checksum_algorithm_is_refused() {
    let world = World::new();
    let upload = world.create_upload_with(CreateUpload { checksum: Some(Algorithm::Sha1), ..create("wall") });
    let claim = ChecksumClaim::Given(checksum(Algorithm::Crc32, b"brick"));
    let request = UploadPart {
        incoming: Incoming { checksum: Some(claim), ..incoming(b"brick") },
        ..part(&upload, 1, b"")
    };
    assert_eq!(refusal(world.try_part(request)), "InvalidRequest");
}

#[test]
fn a_part_uploaded_again_replaces_and_frees_the_first() {
    let world = World::new();
    let upload = world.create_upload("wall");
    for (round, size) in [100_000_u64, 50_000, 0, 70_000, 70_000].into_iter().enumerate() {
        let body = bytes(size, round as u64);
        world.part(&upload, 7, &body);
        world.part(&upload, 8, b"beside");
        world.settle();
        assert_eq!(world.bytes_in_volumes(), size + 6);
        let page = world.list_parts(&upload).unwrap();
        assert_eq!((page.upload.held.parts, page.upload.held.bytes), (2, size + 6));
        assert_eq!(page.parts[0].etag.md5, md5(&body));
        world.verify();
    }
}

#[test]
fn parts_are_listed_by_number_page_by_page() {
    let world = World::new();
    let upload = world.create_upload("wall");
    for number in [10_000, 3, 256, 255, 1, 9] {
        world.part(&upload, number, b"brick");
    }
    let other = world.create_upload("wall");
    world.part(&other, 2, b"not mine");
    assert_eq!(numbers(&world, &upload, 0, 1000), (vec![1, 3, 9, 255, 256, 10_000], false));
    assert_eq!(numbers(&world, &upload, 0, 2), (vec![1, 3], true));
    assert_eq!(numbers(&world, &upload, 3, 3), (vec![9, 255, 256], true));
    assert_eq!(numbers(&world, &upload, 256, 3), (vec![10_000], false));
    assert_eq!(numbers(&world, &upload, 4, 1), (vec![9], true));
    assert_eq!(numbers(&world, &upload, 10_000, 3), (Vec::new(), false));
    assert_eq!(numbers(&world, &upload, u16::MAX, 3), (Vec::new(), false));
    assert_eq!(numbers(&world, &upload, 0, 0), (Vec::new(), false));
}

#[test]
fn an_abort_says_what_it_freed_and_frees_it() {
    let world = World::new();
    let kept = world.create_upload("wall");
    world.part(&kept, 1, &bytes(10_000, 1));
    let upload = world.create_upload("wall");
    for number in 1..=5 {
        world.part(&upload, number, &bytes(100_000, number));
    }
    world.part(&upload, 5, &bytes(40_000, 9));
    assert_eq!(world.abort(&upload).unwrap(), Aborted { parts: 5, bytes: 440_000 });
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 10_000);
    assert_eq!(refusal(world.list_parts(&upload)), "NoSuchUpload");
    assert_eq!(world.list_parts(&kept).unwrap().parts.len(), 1);
}

#[test]
fn an_upload_without_parts_can_be_aborted() {
    let world = World::new();
    let upload = world.create_upload("wall");
    assert_eq!(world.abort(&upload).unwrap(), Aborted { parts: 0, bytes: 0 });
}

#[test]
fn a_second_abort_finds_nothing() {
    let world = World::new();
    let upload = world.create_upload("wall");
    world.part(&upload, 1, b"brick");
    world.abort(&upload).unwrap();
    assert_eq!(refusal(world.abort(&upload)), "NoSuchUpload");
    assert_eq!(refusal(world.try_part(part(&upload, 1, b"late"))), "NoSuchUpload");
    let etag = ETag { md5: md5(b"brick"), parts: 0 };
    assert_eq!(refusal(world.try_complete(complete(&upload, &[(1, etag)]))), "NoSuchUpload");
}

#[test]
fn an_upload_is_found_under_its_own_key_only() {
    let world = World::new();
    let upload = world.create_upload("wall");
    let etag = world.part(&upload, 1, b"brick").etag;
    for name in ["wal", "wall/", "wall\0", "other"] {
        let wrong = Upload { key: name.into(), id: upload.id.clone() };
        assert_eq!(refusal(world.abort(&wrong)), "NoSuchUpload", "{name:?}");
        assert_eq!(refusal(world.list_parts(&wrong)), "NoSuchUpload");
        assert_eq!(refusal(world.try_part(part(&wrong, 1, b"late"))), "NoSuchUpload");
        assert_eq!(refusal(world.try_complete(complete(&wrong, &[(1, etag)]))), "NoSuchUpload");
    }
    assert_eq!(world.list_parts(&upload).unwrap().parts.len(), 1);
}

#[test]
fn an_id_that_was_never_given_out_is_no_upload() {
    let world = World::new();
    let upload = world.create_upload("wall");
    let upper = upload.id.to_uppercase();
    for id in ["", "x", "../../etc/passwd", upper.as_str(), "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv", "é"] {
        let wrong = Upload { key: "wall".into(), id: id.into() };
        assert_eq!(refusal(world.abort(&wrong)), "NoSuchUpload", "{id:?}");
        assert_eq!(refusal(world.try_part(part(&wrong, 1, b"late"))), "NoSuchUpload");
        assert_eq!(refusal(world.list_parts(&wrong)), "NoSuchUpload");
    }
}

#[test]
fn an_abort_can_name_the_second_of_initiation() {
    let world = World::new();
    world.clock.set(Timestamp(MORNING.0 + 4_700));
    let upload = world.create_upload("wall");
    let at = |ms| AbortUpload { if_initiated: Some(Timestamp(MORNING.0 + ms)), ..abort(&upload) };
    for ms in [3_999, 5_000, 0] {
        let aborted = world.run(world.store.abort_upload(&owner(), at(ms)));
        assert_eq!(refusal(aborted), "PreconditionFailed", "{ms}");
    }
    world.run(world.store.abort_upload(&owner(), at(4_000))).unwrap();
}

#[test]
fn only_the_owner_touches_an_upload() {
    let world = World::new();
    let upload = world.create_upload("wall");
    assert_eq!(refusal(world.run(world.store.abort_upload(&stranger(), abort(&upload)))), "AccessDenied");
    let request = part(&upload, 1, b"brick");
    assert_eq!(refusal(world.run(world.store.upload_part(&stranger(), request))), "AccessDenied");
    let made = world.run(world.store.create_upload(&stranger(), create("wall")));
    assert_eq!(refusal(made), "AccessDenied");
}

#[test]
fn ten_thousand_parts_are_aborted_at_once() {
    let world = World::new();
    let upload = world.create_upload("wall");
    for number in 1..=10_000 {
        world.part(&upload, number, b"b");
    }
    assert_eq!(world.abort(&upload).unwrap(), Aborted { parts: 10_000, bytes: 10_000 });
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 0);
}
