//! Checksums of multipart objects: against values computed from the bytes in another way.

use std::collections::BTreeMap;

use drystone_core::checksum::{Algorithm, Checksum, ChecksumType};
use drystone_core::objects::copy::CopyObject;
use drystone_core::objects::get::Span;
use drystone_core::objects::put::{ChecksumClaim, Incoming, PutOutcome};
use drystone_core::uploads::complete::CompleteUpload;
use drystone_core::uploads::create::CreateUpload;
use drystone_core::uploads::part::UploadPart;
use parking_lot::Mutex;

use crate::crc::{crc32, crc32c, crc64};
use crate::world::{
    Upload, World, bytes, complete, copy, create, incoming, md5, number, part, part_bytes, part_copy, put,
    refusal,
};

/// A checksum of `bytes` by other means than the store's: slow ones, so each is computed once.
fn sum(algorithm: Algorithm, bytes: &[u8]) -> Checksum {
    static KNOWN: Mutex<BTreeMap<(u8, [u8; 16]), Checksum>> = Mutex::new(BTreeMap::new());
    let of = (algorithm as u8, md5(bytes));
    if let Some(known) = KNOWN.lock().get(&of) {
        return *known;
    }
    let value = match algorithm {
        Algorithm::Crc32 => crc32(bytes).to_vec(),
        Algorithm::Crc32c => crc32c(bytes).to_vec(),
        Algorithm::Crc64Nvme => crc64(bytes).to_be_bytes().to_vec(),
        Algorithm::Sha1 => <sha1::Sha1 as sha1::Digest>::digest(bytes).to_vec(),
        Algorithm::Sha256 => <sha2::Sha256 as sha2::Digest>::digest(bytes).to_vec(),
    };
    let sum = Checksum::new(algorithm, &value).unwrap();
    KNOWN.lock().insert(of, sum);
    sum
}

/// The checksum of the parts' checksums.
fn composite(algorithm: Algorithm, bodies: &[Vec<u8>]) -> Checksum {
    let sums: Vec<u8> = bodies.iter().flat_map(|body| sum(algorithm, body).value().to_vec()).collect();
    sum(algorithm, &sums)
}

fn bodies() -> Vec<Vec<u8>> {
    vec![part_bytes(1), part_bytes(2), bytes(12_345, 3)]
}

/// Uploads the bodies under `algorithm`, and what Complete is to be sent for them.
fn upload(
    world: &World,
    algorithm: Option<Algorithm>,
    kind: Option<ChecksumType>,
) -> (Upload, CompleteUpload) {
    let upload =
        world.create_upload_with(CreateUpload { checksum: algorithm, checksum_type: kind, ..create("wall") });
    let stored: Vec<_> = (1..)
        .zip(bodies())
        .map(|(number, body)| {
            let checksum = algorithm.map(|algorithm| ChecksumClaim::Given(sum(algorithm, &body)));
            let incoming = Incoming { checksum, ..incoming(&body) };
            (number, world.try_part(UploadPart { incoming, ..part(&upload, number, b"") }).unwrap())
        })
        .collect();
    let tags: Vec<_> = stored.iter().map(|(number, part)| (*number, part.etag)).collect();
    let mut request = complete(&upload, &tags);
    for (listed, (_, part)) in request.parts.iter_mut().zip(&stored) {
        listed.checksum = Some(part.checksum);
    }
    (upload, request)
}

fn check(outcome: &PutOutcome, kind: ChecksumType, value: Checksum, parts: u16) {
    assert_eq!((outcome.checksum.kind, outcome.checksum.value), (kind, value));
    assert_eq!(outcome.checksum.parts, parts);
    let whole = sum(Algorithm::Crc64Nvme, &bodies().concat());
    assert_eq!(outcome.crc64.to_be_bytes(), whole.value(), "a CRC64NVME of all bytes is always known");
}

#[test]
fn a_composite_checksum_is_the_checksum_of_the_parts_checksums() {
    let world = World::new();
    for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Sha1, Algorithm::Sha256] {
        let (_, mut request) = upload(&world, Some(algorithm), Some(ChecksumType::Composite));
        let value = composite(algorithm, &bodies());
        request.checksum = Some(value);
        check(&world.try_complete(request).unwrap(), ChecksumType::Composite, value, 3);
        assert_eq!(world.head("wall").unwrap().info.checksum.value, value);
    }
}

#[test]
fn a_full_object_checksum_is_the_checksum_of_all_bytes() {
    let world = World::new();
    for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
        let (_, mut request) = upload(&world, Some(algorithm), Some(ChecksumType::FullObject));
        let value = sum(algorithm, &bodies().concat());
        request.checksum = Some(value);
        request.checksum_type = Some(ChecksumType::FullObject);
        check(&world.try_complete(request).unwrap(), ChecksumType::FullObject, value, 0);
    }
}

#[test]
fn without_a_choice_the_checksum_is_the_crc64nvme_of_all_bytes() {
    let world = World::new();
    let (_, request) = upload(&world, None, None);
    let value = sum(Algorithm::Crc64Nvme, &bodies().concat());
    check(&world.try_complete(request).unwrap(), ChecksumType::FullObject, value, 0);
}

#[test]
fn parts_may_send_their_own_checksums_to_an_upload_without_a_choice() {
    let world = World::new();
    let upload = world.create_upload("wall");
    let mut parts = Vec::new();
    for ((number, body), algorithm) in (1..).zip(bodies()).zip(Algorithm::ALL) {
        let checksum = Some(ChecksumClaim::Given(sum(algorithm, &body)));
        let incoming = Incoming { checksum, ..incoming(&body) };
        let stored = world.try_part(UploadPart { incoming, ..part(&upload, number, b"") }).unwrap();
        assert_eq!(stored.checksum, sum(algorithm, &body));
        parts.push((number, stored.etag));
    }
    let outcome = world.complete(&upload, &parts);
    check(&outcome, ChecksumType::FullObject, sum(Algorithm::Crc64Nvme, &bodies().concat()), 0);
}

#[test]
fn a_composite_upload_wants_every_parts_checksum_listed() {
    let world = World::new();
    let (upload, mut request) = upload(&world, Some(Algorithm::Sha256), None);
    request.parts[1].checksum = None;
    assert_eq!(refusal(world.try_complete(request)), "InvalidRequest");
    assert_eq!(world.list_parts(&upload).unwrap().parts.len(), 3);
}

#[test]
fn a_part_of_the_object_shows_its_own_checksum() {
    let world = World::new();
    for algorithm in Algorithm::ALL {
        let (_, request) = upload(&world, Some(algorithm), None);
        world.try_complete(request).unwrap();
        for (part, body) in (1..).zip(bodies()) {
            let located = world.head_span("wall", Span::Part(number(part))).unwrap();
            let shown = located.part.unwrap().checksum;
            assert_eq!(shown, Some(sum(algorithm, &body)));
        }
    }
}

#[test]
fn copied_parts_have_the_uploads_checksum() {
    let world = World::new();
    for (number, body) in (1..).zip(bodies()) {
        world.put(&format!("brick-{number}"), &body);
    }
    for algorithm in Algorithm::ALL {
        let upload = world.create_upload_with(CreateUpload { checksum: Some(algorithm), ..create("wall") });
        let stored: Vec<_> = (1..=3)
            .map(|number| {
                let request = part_copy(&format!("brick-{number}"), &upload, number);
                (number, world.try_part_copy(request).unwrap())
            })
            .collect();
        for ((_, part), body) in stored.iter().zip(bodies()) {
            assert_eq!(part.checksum, sum(algorithm, &body));
        }
        let tags: Vec<_> = stored.iter().map(|(number, part)| (*number, part.etag)).collect();
        let mut request = complete(&upload, &tags);
        for (listed, (_, part)) in request.parts.iter_mut().zip(&stored) {
            listed.checksum = Some(part.checksum);
        }
        let outcome = world.try_complete(request).unwrap();
        match algorithm {
            Algorithm::Crc64Nvme => {
                check(&outcome, ChecksumType::FullObject, sum(algorithm, &bodies().concat()), 0);
            }
            _ => check(&outcome, ChecksumType::Composite, composite(algorithm, &bodies()), 3),
        }
    }
}

#[test]
fn a_copy_of_a_composite_object_can_get_a_full_object_checksum() {
    let world = World::new();
    let (_, request) = upload(&world, Some(Algorithm::Sha256), None);
    world.try_complete(request).unwrap();
    let copied = world.try_copy(CopyObject { checksum: Some(Algorithm::Sha256), ..copy("wall", "copy") });
    check(&copied.unwrap(), ChecksumType::FullObject, sum(Algorithm::Sha256, &bodies().concat()), 0);
    check(&world.copy("wall", "plain"), ChecksumType::Composite, composite(Algorithm::Sha256, &bodies()), 3);
}

#[test]
fn an_object_in_one_piece_keeps_the_checksum_it_came_with() {
    let world = World::new();
    for size in [0, 100, 100_000] {
        let body = bytes(size, 1);
        for algorithm in Algorithm::ALL {
            let mut request = put("stone", &body);
            request.incoming.checksum = Some(ChecksumClaim::Given(sum(algorithm, &body)));
            let outcome = world.try_put(request).unwrap();
            assert_eq!(outcome.checksum.value, sum(algorithm, &body));
            assert_eq!(outcome.crc64, crc64(&body));
        }
        let plain = world.put("stone", &body);
        assert_eq!(plain.checksum.value, sum(Algorithm::Crc64Nvme, &body));
    }
}
