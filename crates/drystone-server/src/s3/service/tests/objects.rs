//! PutObject, and what of it comes back.

use super::world::{World, md5_of};
use crate::s3::auth::signer::{Signing, sha256};

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let world = World::new().await;
    let headers = [
        ("cache-control", "max-age=60"),
        ("content-disposition", "attachment"),
        ("content-encoding", "gzip"),
        ("content-language", "la"),
        ("content-type", "text/plain"),
        ("expires", "Thu, 01 Dec 2050 16:00:00 GMT"),
        ("x-amz-meta-a", "one"),
        ("x-amz-storage-class", "STANDARD_IA"),
    ];
    let put = world.send("PUT", "/quarry/a%20b/c", &headers, b"bar").await.is(200);
    assert_eq!(put.header("etag"), "\"37b51d194a7513e45b56f6524f2d51f2\"");
    assert_eq!(put.header("x-amz-checksum-type"), "FULL_OBJECT");
    assert!(put.maybe("x-amz-checksum-crc64nvme").is_some(), "S3 shows the checksum it kept");
    assert!(put.body.is_empty());

    let get = world.get("/quarry/a%20b/c").await.is(200);
    let head = world.send("HEAD", "/quarry/a%20b/c", &[], b"").await.is(200);
    assert_eq!((get.text().as_str(), head.body.len()), ("bar", 0));
    for reply in [&get, &head] {
        for (name, value) in headers {
            assert_eq!(reply.header(name), value);
        }
        assert_eq!(reply.header("etag"), put.header("etag"));
        assert_eq!(reply.header("accept-ranges"), "bytes");
        assert_eq!(reply.header("last-modified"), "Fri, 24 May 2013 00:00:00 GMT");
        assert_eq!(
            reply.maybe("x-amz-checksum-crc64nvme"),
            None,
            "checksums are shown when they are asked for"
        );
    }
    assert_eq!(head.header("content-length"), "3");
}

#[tokio::test]
async fn keys_are_taken_literally() {
    let world = World::new().await;
    let keys = ["a/../x", "a//b", ".", "a/b", "%00", "%2B%20", "a%252Fb", "%C3%A9", "x/"];
    for (place, key) in keys.iter().enumerate() {
        world.put(&format!("/quarry/{key}"), place.to_string().as_bytes()).await.is(200);
    }
    for (place, key) in keys.iter().enumerate() {
        assert_eq!(world.get(&format!("/quarry/{key}")).await.is(200).text(), place.to_string(), "{key}");
    }
    assert_eq!(world.get("/quarry?max-keys=1000").await.elements("Key").len(), keys.len());
}

#[tokio::test]
async fn an_upload_must_say_its_length_and_not_too_much() {
    let world = World::new().await;
    let head = |headers: &[(&str, &str)]| {
        Signing { method: "PUT", target: "/quarry/k", headers, ..Signing::default() }.header()
    };
    world.answer_raw(head(&[]), b"x").await.refuses(411, "MissingContentLength");

    let sha = sha256(b"x");
    let wrong = Signing { method: "PUT", target: "/quarry/k", payload: &sha, ..Signing::default() }.header();
    world.answer(wrong, b"y").await.refuses(400, "XAmzContentSHA256Mismatch");
    world.get("/quarry/k").await.refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn a_body_in_broken_chunks_is_refused_for_what_is_broken() {
    let world = World::new().await;
    let put = async |length: &str, trailer: &str, body: &str| {
        let headers = [("x-amz-decoded-content-length", length), ("x-amz-trailer", trailer)];
        let payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
        let head =
            Signing { method: "PUT", target: "/quarry/k", headers: &headers, payload, ..Signing::default() };
        world.answer(head.header(), body.as_bytes()).await
    };
    let sum = "x-amz-checksum-crc32";
    let good = "9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
    for (length, body) in [
        ("9", "9\n123456789\r\n0\r\n\r\n"),
        ("9", "9\r\n1234567890\r\n\r\n"),
        ("9", "nine\r\n123456789\r\n0\r\n\r\n"),
        ("9", "9\r\n12345"),
        ("9", "9\r\n123456789\r\n0\r\n"),
        ("8", good),
        ("10", good),
        ("1000", good),
    ] {
        put(length, sum, body).await.refuses(400, "IncompleteBody");
    }
    let short = put("10", sum, good).await.refuses(400, "IncompleteBody");
    assert_eq!(
        (short.element("NumberBytesExpected"), short.element("NumberBytesProvided")),
        ("10".into(), "9".into())
    );
    put("nine", sum, good).await.refuses(411, "MissingContentLength");
    put("9", sum, &good.replace("y/Q5Jg==", "nonsense")).await.refuses(400, "InvalidRequest");
    put("9", sum, &good.replace("y/Q5Jg==", "AAAAAA==")).await.refuses(400, "BadDigest");
    put("9", "x-amz-checksum-sha1", good).await.refuses(400, "MalformedTrailerError");
    world.get("/quarry/k").await.refuses(404, "NoSuchKey");
    put("9", sum, good).await.is(200);
}

#[tokio::test]
async fn digests_are_checked() {
    let world = World::new().await;
    let put = async |headers: &[(&str, &str)]| world.send("PUT", "/quarry/k", headers, b"123456789").await;
    put(&[("content-md5", &md5_of(b"123456789"))]).await.is(200);
    let bad = put(&[("content-md5", &md5_of(b"other"))]).await.refuses(400, "BadDigest");
    assert_eq!(bad.element("CalculatedDigest"), md5_of(b"123456789"));
    let nonsense = put(&[("content-md5", "nonsense")]).await.refuses(400, "InvalidDigest");
    assert_eq!(nonsense.element("Content-MD5"), "nonsense");

    let good =
        put(&[("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-sdk-checksum-algorithm", "CRC32")]).await.is(200);
    assert_eq!(good.header("x-amz-checksum-crc32"), "y/Q5Jg==");
    put(&[("x-amz-checksum-crc32", "AAAAAA==")]).await.refuses(400, "BadDigest");
    put(&[("x-amz-checksum-crc32", "nonsense")]).await.refuses(400, "InvalidRequest");
    put(&[("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-sha1", "98O8HYCOBHMq1XIP6KNeVzIVlOY=")])
        .await
        .refuses(400, "InvalidRequest");
    put(&[("x-amz-sdk-checksum-algorithm", "CRC32")]).await.refuses(400, "InvalidRequest");

    let mode = [("x-amz-checksum-mode", "ENABLED")];
    let shown = world.send("GET", "/quarry/k", &mode, b"").await.is(200);
    assert_eq!(
        (shown.header("x-amz-checksum-crc32"), shown.header("x-amz-checksum-type")),
        ("y/Q5Jg==", "FULL_OBJECT")
    );
    assert_eq!(world.send("HEAD", "/quarry/k", &mode, b"").await.header("x-amz-checksum-crc32"), "y/Q5Jg==");
    let range = [("range", "bytes=0-1"), ("x-amz-checksum-mode", "ENABLED")];
    assert_eq!(world.send("GET", "/quarry/k", &range, b"").await.is(206).maybe("x-amz-checksum-crc32"), None);
}

#[tokio::test]
async fn writes_are_conditional() {
    let world = World::new().await;
    let put = async |headers: &[(&str, &str)]| world.send("PUT", "/quarry/k", headers, b"x").await;
    put(&[("if-match", "\"abc\"")]).await.refuses(404, "NoSuchKey");
    let first = put(&[("if-none-match", "*")]).await.is(200);
    let failed = put(&[("if-none-match", "*")]).await.refuses(412, "PreconditionFailed");
    assert_eq!(failed.element("Condition"), "If-None-Match");
    put(&[("if-match", first.header("etag"))]).await.is(200);
    assert_eq!(
        put(&[("if-match", "abc")]).await.refuses(412, "PreconditionFailed").element("Condition"),
        "If-Match"
    );
    put(&[("if-match", "*")]).await.refuses(501, "NotImplemented");
    put(&[("if-none-match", "\"abc\"")]).await.refuses(501, "NotImplemented");
    put(&[("if-match", "a"), ("if-none-match", "*")]).await.refuses(501, "NotImplemented");
}

#[tokio::test]
async fn headers_that_ask_for_what_is_not_built_are_refused() {
    let world = World::new().await;
    for (name, value, status, code) in [
        ("x-amz-tagging", "a=b", 501, "NotImplemented"),
        ("x-amz-server-side-encryption", "aws:kms", 501, "NotImplemented"),
        ("x-amz-acl", "public-read", 400, "AccessControlListNotSupported"),
        ("x-amz-storage-class", "GLACIER", 501, "NotImplemented"),
        ("x-amz-storage-class", "COLD", 400, "InvalidStorageClass"),
        ("x-amz-object-lock-legal-hold", "ON", 400, "InvalidRequest"),
    ] {
        world.send("PUT", "/quarry/k", &[(name, value)], b"x").await.refuses(status, code);
        world.send("POST", "/quarry/k?uploads=", &[(name, value)], b"").await.refuses(status, code);
    }
    world.get("/quarry/k").await.refuses(404, "NoSuchKey");
    assert_eq!(world.get("/quarry?uploads=").await.elements("Upload").len(), 0);
    let big = "x".repeat(2_048);
    world.send("PUT", "/quarry/k", &[("x-amz-meta-a", &big)], b"x").await.refuses(400, "MetadataTooLarge");
}
