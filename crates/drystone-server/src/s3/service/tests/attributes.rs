//! GetObjectAttributes: only what was asked for, and parts by pages.

use drystone_core::checksum::{Algorithm, Hasher};

use super::world::{PART, World};
use crate::s3::checksums;

const ALL: &str = "ETag,Checksum,ObjectParts,StorageClass,ObjectSize";

#[tokio::test]
async fn only_what_was_asked_for_is_answered() {
    let world = World::new().await;
    let etag = world.put("/quarry/k", b"123456789").await.is(200).header("etag").to_owned();
    let ask = async |names| {
        world.send("GET", "/quarry/k?attributes", &[("x-amz-object-attributes", names)], b"").await
    };
    let all = ask(ALL).await.is(200);
    assert_eq!(all.element("ETag"), etag.trim_matches('"'), "without quotes, as AWS answers it");
    assert_eq!((all.element("ObjectSize"), all.element("StorageClass")), ("9".into(), "STANDARD".into()));
    assert_eq!(all.element("ChecksumCRC64NVME"), "rosUhgp5mIg=");
    assert_eq!(all.find("ObjectParts"), None, "the object came in one piece");
    assert!(all.header("last-modified").ends_with(" GMT"));
    let size = ask("ObjectSize").await.is(200);
    assert_eq!((size.element("ObjectSize"), size.find("ETag")), ("9".into(), None));
    ask("Sise").await.refuses(400, "InvalidArgument");
    ask(",").await.refuses(400, "InvalidRequest");
    let on = |target| world.send("GET", target, &[("x-amz-object-attributes", ALL)], b"");
    on("/quarry/missing?attributes").await.refuses(404, "NoSuchKey");
    on("/nowhere/k?attributes").await.refuses(404, "NoSuchBucket");
}

#[tokio::test]
async fn parts_with_checksums_are_listed_by_pages() {
    let world = World::new().await;
    let created = world
        .send(
            "POST",
            "/quarry/k?uploads",
            &[("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "FULL_OBJECT")],
            b"",
        )
        .await;
    let id = created.is(200).element("UploadId");
    let mut parts = Vec::new();
    for (part, body) in [(2, vec![1; PART]), (5, vec![2; PART]), (7, b"123456789".to_vec())] {
        let target = format!("/quarry/k?partNumber={part}&uploadId={id}");
        let mut hasher = Hasher::new(Algorithm::Crc32);
        hasher.update(&body);
        let sum = checksums::encode(&hasher.finish());
        let headers = [("x-amz-sdk-checksum-algorithm", "CRC32"), ("x-amz-checksum-crc32", sum.as_str())];
        let stored = world.send("PUT", &target, &headers, &body).await.is(200);
        parts.push((part, stored.header("etag").to_owned()));
    }
    let parts: Vec<(u16, &str)> = parts.iter().map(|(part, etag)| (*part, etag.as_str())).collect();
    world.complete("k", &id, &parts).await.is(200);

    let ask = async |max, marker| {
        let headers = [
            ("x-amz-object-attributes", "ObjectParts"),
            ("x-amz-max-parts", max),
            ("x-amz-part-number-marker", marker),
        ];
        world.send("GET", "/quarry/k?attributes", &headers, b"").await
    };
    let first = ask("2", "0").await.is(200);
    assert_eq!(first.elements("PartNumber"), ["2", "5"]);
    assert_eq!((first.element("PartsCount"), first.element("MaxParts")), ("3".into(), "2".into()));
    assert_eq!(
        (first.element("IsTruncated"), first.element("NextPartNumberMarker")),
        ("true".into(), "5".into())
    );
    let second = ask("2", "5").await.is(200);
    assert_eq!((second.elements("PartNumber"), second.element("Size")), (vec!["7".into()], "9".into()));
    assert_eq!(
        (second.element("IsTruncated"), second.element("ChecksumCRC32")),
        ("false".into(), "y/Q5Jg==".into())
    );
    ask("-1", "0").await.refuses(400, "InvalidArgument");
    ask("2", "x").await.refuses(400, "InvalidArgument");
}

#[tokio::test]
async fn parts_without_checksums_are_counted() {
    let world = World::new().await;
    let id = world.create_upload("k").await;
    let etag = world.upload_part("k", &id, 1, b"all").await;
    world.complete("k", &id, &[(1, &etag)]).await.is(200);
    let parts = [("x-amz-object-attributes", "ObjectParts")];
    let reply = world.send("GET", "/quarry/k?attributes", &parts, b"").await.is(200);
    assert_eq!((reply.element("PartsCount"), reply.find("Part")), ("1".into(), None));
}
