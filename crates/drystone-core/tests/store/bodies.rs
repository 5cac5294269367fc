//! Bodies that break their promise: refused by name, and nothing of them stays.

use drystone_core::body::BodyError;
use drystone_core::checksum::{Algorithm, Checksum, PayloadSha256};
use drystone_core::data::memory::MemoryData;
use drystone_core::error::Error;
use drystone_core::objects::put::{BODY_BYTES_MAX, ChecksumClaim, Incoming, PutOutcome};
use drystone_core::store::SMALL_BODY_BYTES_MAX;

use crate::fed_body::Feed;
use crate::world::{
    World, bytes, checksum, copy, create, incoming, md5, owner, part, part_copy, put, refusal,
};
use drystone_sim::hesitant::{HesitantData, Pause};

/// A small body, one extent in one batch, and several batches.
const SIZES: [u64; 3] = [100, 100_000, 1_300_000];

/// Puts the body as an object and as a part; both must be refused with `want` and leave nothing.
fn check_refused(make: impl Fn() -> Incoming, want: &str) {
    let world = World::new();
    let upload = world.create_upload("wall");
    let mut request = put("stone", b"");
    request.incoming = make();
    assert_eq!(refusal(world.try_put(request)), want);
    let mut request = part(&upload, 1, b"");
    request.incoming = make();
    assert_eq!(refusal(world.try_part(request)), want);
    assert_eq!(world.bytes_in_volumes(), 0, "the bytes are free before the answer");
    assert_eq!(refusal(world.head("stone")), "NoSuchKey");
    assert!(world.list_parts(&upload).unwrap().parts.is_empty());
}

/// Puts the body as an object and as a part; both must be taken.
fn check_taken(make: impl Fn() -> Incoming, want: &[u8]) -> PutOutcome {
    let world = World::new();
    let upload = world.create_upload("wall");
    let mut request = part(&upload, 1, b"");
    request.incoming = make();
    assert_eq!(world.try_part(request).unwrap().etag.md5, md5(want));
    let mut request = put("stone", b"");
    request.incoming = make();
    let outcome = world.try_put(request).unwrap();
    assert_eq!(world.get("stone"), want);
    outcome
}

#[test]
fn the_announced_md5_must_be_the_bodys() {
    for size in SIZES {
        let body = bytes(size, 1);
        check_taken(|| Incoming { content_md5: Some(md5(&body)), ..incoming(&body) }, &body);
        check_refused(|| Incoming { content_md5: Some(md5(b"other")), ..incoming(&body) }, "BadContentMd5");
    }
}

#[test]
fn the_signed_sha256_must_be_the_bodys() {
    for size in SIZES {
        let body = bytes(size, 1);
        let signed = |of: &[u8]| {
            let sum = checksum(Algorithm::Sha256, of);
            Some(PayloadSha256(sum.value().try_into().unwrap()))
        };
        check_taken(|| Incoming { sha256: signed(&body), ..incoming(&body) }, &body);
        check_refused(|| Incoming { sha256: signed(b"other"), ..incoming(&body) }, "ContentSha256Mismatch");
    }
}

#[test]
fn an_announced_checksum_must_be_the_bodys() {
    for size in SIZES {
        let body = bytes(size, 1);
        for algorithm in Algorithm::ALL {
            let claim = |of: &[u8]| Some(ChecksumClaim::Given(checksum(algorithm, of)));
            let outcome = check_taken(|| Incoming { checksum: claim(&body), ..incoming(&body) }, &body);
            assert_eq!(outcome.checksum.value, checksum(algorithm, &body));
            check_refused(|| Incoming { checksum: claim(b"other"), ..incoming(&body) }, "ChecksumMismatch");
        }
    }
}

#[test]
fn a_trailing_checksum_must_be_the_bodys_and_must_come() {
    for size in SIZES {
        let body = bytes(size, 1);
        for algorithm in Algorithm::ALL {
            let make = |trailer: Option<Checksum>| {
                let (feed, arriving) = Feed::new();
                body.chunks(60_000).for_each(|piece| feed.send(piece));
                trailer.map_or_else(|| feed.end(), |sum| feed.end_with(sum));
                let checksum = Some(ChecksumClaim::Trailer(algorithm));
                Incoming { body: arriving, checksum, ..incoming(&body) }
            };
            let outcome = check_taken(|| make(Some(checksum(algorithm, &body))), &body);
            assert_eq!(outcome.checksum.value, checksum(algorithm, &body));
            check_refused(|| make(Some(checksum(algorithm, b"other"))), "ChecksumMismatch");
            check_refused(|| make(None), "Body");
        }
    }
}

#[test]
fn a_checksum_that_is_asked_for_is_computed() {
    for size in SIZES {
        let body = bytes(size, 1);
        for algorithm in Algorithm::ALL {
            let asked = Some(ChecksumClaim::Compute(algorithm));
            let outcome = check_taken(|| Incoming { checksum: asked, ..incoming(&body) }, &body);
            assert_eq!(outcome.checksum.value, checksum(algorithm, &body));
        }
    }
}

#[test]
fn a_body_that_ends_too_soon_is_refused() {
    for size in SIZES {
        let body = bytes(size, 1);
        for arrived in [0, 1, size / 2, size - 1] {
            let make =
                || Incoming { body: Feed::in_pieces(&body[..arrived as usize], 70_000), ..incoming(&body) };
            check_refused(make, "Body");
            let world = World::new();
            let mut request = put("stone", b"");
            request.incoming = make();
            match world.try_put(request) {
                Err(Error::Body(BodyError::Incomplete { received, announced })) => {
                    assert_eq!((received, announced), (arrived, size));
                }
                other => panic!("it says how much came: {other:?}"),
            }
        }
    }
}

#[test]
fn a_body_that_goes_on_too_long_is_refused() {
    for size in SIZES {
        let body = bytes(size, 1);
        for pieces in [1000, 70_000, size as usize, size as usize + 1] {
            let longer = [body.as_slice(), b"!"].concat();
            check_refused(|| Incoming { body: Feed::in_pieces(&longer, pieces), ..incoming(&body) }, "Body");
        }
    }
    check_refused(|| Incoming { body: Feed::in_pieces(b"!", 1), ..incoming(b"") }, "Body");
}

#[test]
fn a_connection_that_breaks_leaves_nothing() {
    for size in SIZES {
        let body = bytes(size, 1);
        for arrived in [0, size / 2, size] {
            let make = || {
                let (feed, arriving) = Feed::new();
                body[..arrived as usize].chunks(70_000).for_each(|piece| feed.send(piece));
                feed.fail(BodyError::TimedOut);
                Incoming { body: arriving, ..incoming(&body) }
            };
            check_refused(make, "Body");
        }
    }
}

#[test]
fn a_body_may_come_in_any_pieces() {
    for size in SIZES {
        let body = bytes(size, 1);
        for pieces in [997, 65_536, size as usize] {
            check_taken(|| Incoming { body: Feed::in_pieces(&body, pieces), ..incoming(&body) }, &body);
        }
    }
}

#[test]
fn a_body_over_five_gib_is_refused_before_it_is_read() {
    check_refused(|| Incoming { len: BODY_BYTES_MAX + 1, ..incoming(b"x") }, "EntityTooLarge");
}

#[test]
fn a_full_store_refuses_before_the_body_is_read() {
    let world = World::with_capacity(150_000);
    world.put("stone", &bytes(100_000, 1));
    let (feed, body) = Feed::new();
    feed.send(&bytes(60_000, 2));
    let mut request = put("pebble", b"");
    request.incoming = Incoming { body, len: 60_000, ..incoming(b"") };
    match world.try_put(request) {
        Err(Error::NoSpace { needed, available }) => assert_eq!((needed, available), (60_000, 50_000)),
        other => panic!("it says how much is needed: {other:?}"),
    }
    assert_eq!(feed.taken(), 0);
}

#[test]
fn a_full_store_takes_no_small_body_and_no_new_name() {
    let world = World::with_capacity(10 << 20);
    world.put("stone", &bytes((5 << 20) - 1_000, 1));
    let upload = world.create_upload("wall");
    let first = world.part(&upload, 1, &bytes(5 << 20, 2));
    for len in [0, 1, SMALL_BODY_BYTES_MAX] {
        let (feed, body) = Feed::new();
        feed.send(&bytes(len, 2));
        let mut request = put("pebble", b"");
        request.incoming = Incoming { body, len, ..incoming(b"") };
        match world.try_put(request) {
            Err(Error::NoSpace { needed, available }) => {
                assert_eq!((needed, available), (len + 4_096, 1_000));
            }
            other => panic!("it says how much is needed: {other:?}"),
        }
        assert_eq!(feed.taken(), 0, "refused before the body is read");
    }
    assert_eq!(refusal(world.try_copy(copy("stone", "stones"))), "NoSpace");
    assert_eq!(refusal(world.try_part_copy(part_copy("stone", &upload, 2))), "NoSpace");
    assert_eq!(refusal(world.create_bucket("another")), "NoSpace");
    assert_eq!(refusal(world.run(world.store.create_upload(&owner(), create("wall")))), "NoSpace");
    // What was begun can be ended, and what is there be read and deleted.
    world.complete(&upload, &[(1, first.etag)]);
    assert_eq!(world.get("wall"), bytes(5 << 20, 2));
    world.delete("wall");
    world.settle();
    world.put("pebble", &bytes(SMALL_BODY_BYTES_MAX, 3));
}

#[test]
fn a_full_store_still_deletes_and_aborts() {
    let world = World::with_capacity(150_000);
    world.put("stone", &bytes(100_000, 1));
    let upload = world.create_upload("wall");
    world.part(&upload, 1, &bytes(50_000, 2));
    assert_eq!(refusal(world.try_part(part(&upload, 2, &bytes(10_000, 3)))), "NoSpace");
    world.abort(&upload).unwrap();
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 100_000);
    world.delete("stone");
    world.settle();
    world.put("stone", &bytes(150_000, 4));
}

#[test]
fn many_tiny_pieces_are_written_in_bounded_batches() {
    // A client may cut its body into single bytes; what is gathered of it must stay small.
    let data = HesitantData::new(MemoryData::new(1 << 20), Pause::BeforeWork);
    let world = World::over_hesitant(data.clone());
    let body = bytes(20_000, 1);
    let mut request = put("stone", b"");
    request.incoming = Incoming { body: Feed::in_pieces(&body, 1), ..incoming(&body) };
    world.try_put(request).unwrap();
    assert_eq!(world.get("stone"), body);
    assert!(data.pieces_max() <= 1024, "{} pieces in one write", data.pieces_max());
}
