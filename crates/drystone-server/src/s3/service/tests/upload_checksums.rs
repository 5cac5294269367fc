//! The checksums of an upload: what its parts bring, what Complete lists, and what is refused.
//!
//! The answers are those that AWS has been recorded to give.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use super::world::{Reply, World};

/// The CRC32C and the CRC32 of `123456789`, as the catalogues of CRCs give them.
const CRC32C: &str = "4waSgw==";
const CRC32: &str = "y/Q5Jg==";
const BODY: &[u8] = b"123456789";

async fn create(world: &World, headers: &[(&str, &str)]) -> String {
    world.send("POST", "/quarry/k?uploads=", headers, b"").await.is(200).element("UploadId")
}

async fn put_part(world: &World, id: &str, headers: &[(&str, &str)]) -> Reply {
    world.send("PUT", &format!("/quarry/k?partNumber=1&uploadId={id}"), headers, BODY).await
}

/// Completes with part 1 listed with its tag and the elements `more`.
async fn complete(world: &World, id: &str, tag: &str, headers: &[(&str, &str)], more: &str) -> Reply {
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{tag}</ETag>{more}</Part></CompleteMultipartUpload>"
    );
    world.send("POST", &format!("/quarry/k?uploadId={id}"), headers, document.as_bytes()).await
}

fn sha256() -> String {
    BASE64.encode(Sha256::digest(BODY))
}

#[tokio::test]
async fn a_composite_upload_takes_no_part_without_its_checksum() {
    let world = World::new().await;
    for algorithm in ["CRC32", "CRC32C", "SHA1", "SHA256"] {
        let id = create(&world, &[("x-amz-checksum-algorithm", algorithm)]).await;
        let refusal = put_part(&world, &id, &[]).await.refuses(400, "InvalidRequest");
        let named = format!("expected checksum Type: {}, actual", algorithm.to_ascii_lowercase());
        assert!(refusal.element("Message").contains(&named), "{}", refusal.text());
        assert!(refusal.element("Message").ends_with("checksum Type: null"), "{}", refusal.text());
    }
    let full = [("x-amz-checksum-algorithm", "CRC32C"), ("x-amz-checksum-type", "FULL_OBJECT")];
    let id = create(&world, &full).await;
    let stored = put_part(&world, &id, &[]).await.is(200);
    assert_eq!(stored.header("x-amz-checksum-crc32c"), CRC32C, "a full object's is computed");
}

#[tokio::test]
async fn complete_must_name_the_uploads_checksum_type_or_none() {
    let world = World::new().await;
    let composite = create(&world, &[("x-amz-checksum-algorithm", "CRC32")]).await;
    let tag = put_part(&world, &composite, &[("x-amz-checksum-crc32", CRC32)]).await.is(200);
    let full = [("x-amz-checksum-type", "FULL_OBJECT")];
    // The part's checksum is missing too: the type is looked at first.
    let refusal = complete(&world, &composite, tag.header("etag"), &full, "").await;
    let refusal = refusal.refuses(400, "InvalidRequest");
    assert!(refusal.element("Message").contains("the COMPOSITE checksum mode"), "{}", refusal.text());

    let plain = world.create_upload("k").await;
    let tag = put_part(&world, &plain, &[]).await.is(200);
    for kind in ["FULL_OBJECT", "COMPOSITE"] {
        let named = [("x-amz-checksum-type", kind)];
        let refusal = complete(&world, &plain, tag.header("etag"), &named, "").await;
        let refusal = refusal.refuses(400, "InvalidRequest");
        assert!(refusal.element("Message").contains("the null checksum mode"), "{}", refusal.text());
    }
    complete(&world, &plain, tag.header("etag"), &[], "").await.is(200);
}

#[tokio::test]
async fn a_part_listed_with_another_algorithm_is_a_bad_digest() {
    let world = World::new().await;
    let full = [("x-amz-checksum-algorithm", "CRC32C"), ("x-amz-checksum-type", "FULL_OBJECT")];
    let id = create(&world, &full).await;
    let tag = put_part(&world, &id, &[]).await.is(200).header("etag").to_owned();
    let other = format!("<ChecksumSHA256>{}</ChecksumSHA256>", sha256());
    let refusal = complete(&world, &id, &tag, &[], &other).await.refuses(400, "BadDigest");
    assert!(refusal.element("Message").contains("The sha256 you specified for part 1"), "{}", refusal.text());
    let wrong = format!("<ChecksumCRC32C>{CRC32}</ChecksumCRC32C>");
    complete(&world, &id, &tag, &[], &wrong).await.refuses(400, "InvalidPart");
    let right = format!("<ChecksumCRC32C>{CRC32C}</ChecksumCRC32C>");
    complete(&world, &id, &tag, &[], &right).await.is(200);
}

#[tokio::test]
async fn an_upload_without_a_choice_compares_a_crc64nvme_and_passes_over_others() {
    let world = World::new().await;
    let id = world.create_upload("k").await;
    let tag = put_part(&world, &id, &[("x-amz-checksum-crc32c", CRC32C)]).await.is(200);
    let tag = tag.header("etag");
    let wrong = [("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")];
    complete(&world, &id, tag, &wrong, "").await.refuses(400, "BadDigest");
    let of_part = format!("<ChecksumCRC32C>{CRC32}</ChecksumCRC32C>");
    complete(&world, &id, tag, &[], &of_part).await.refuses(400, "InvalidPart");
    let done = complete(&world, &id, tag, &[("x-amz-checksum-crc32c", CRC32C)], "").await.is(200);
    assert_eq!(done.find("ChecksumCRC32C"), None);
    // The CRC64NVME of `123456789`, as its catalogue gives it.
    assert_eq!(done.element("ChecksumCRC64NVME"), BASE64.encode(0xAE8B_1486_0A79_9888_u64.to_be_bytes()));
}

#[tokio::test]
async fn algorithms_that_are_not_built_are_refused_everywhere() {
    let world = World::new().await;
    let id = world.create_upload("k").await;
    let tag = put_part(&world, &id, &[]).await.is(200).header("etag").to_owned();
    for algorithm in ["SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"] {
        let named = [("x-amz-checksum-algorithm", algorithm)];
        world.send("POST", "/quarry/k?uploads=", &named, b"").await.refuses(400, "InvalidRequest");
        let name = format!("x-amz-checksum-{}", algorithm.to_ascii_lowercase());
        let given = [(name.as_str(), "AAAA")];
        put_part(&world, &id, &given).await.refuses(400, "InvalidRequest");
        complete(&world, &id, &tag, &given, "").await.refuses(400, "InvalidRequest");
        let listed = format!("<Checksum{algorithm}>AAAA</Checksum{algorithm}>");
        let refusal = complete(&world, &id, &tag, &[], &listed).await.refuses(400, "InvalidRequest");
        assert!(refusal.element("Message").contains("CRC64NVME"), "{} names what is built", refusal.text());
    }
    complete(&world, &id, &tag, &[], "").await.is(200);
}
