//! Uploads from their creation to their end.

use super::world::{BUCKET, PART, World, complete_document};

#[tokio::test]
async fn an_upload_becomes_an_object() {
    let world = World::new().await;
    let headers = [("content-type", "text/x"), ("x-amz-meta-a", "1")];
    let created = world.send("POST", "/quarry/a/b?uploads=", &headers, b"").await.is(200);
    assert_eq!((created.element("Bucket"), created.element("Key")), ("quarry".into(), "a/b".into()));
    let id = created.element("UploadId");
    world.get("/quarry/a/b").await.refuses(404, "NoSuchKey");

    let (first, last) = (vec![7; PART], vec![9; 3]);
    let tags =
        [world.upload_part("a/b", &id, 1, &first).await, world.upload_part("a/b", &id, 5, &last).await];
    let done = world.complete("a/b", &id, &[(1, &tags[0]), (5, &tags[1])]).await.is(200);
    assert!(done.text().contains("<CompleteMultipartUploadResult "), "{}", done.text());
    assert_eq!(done.element("Location"), "http://localhost/quarry/a/b");
    assert!(done.element("ETag").ends_with("-2&quot;"));
    assert_eq!(done.element("ChecksumType"), "FULL_OBJECT");
    let again = world.complete("a/b", &id, &[(1, &tags[0]), (5, &tags[1])]).await.is(200);
    assert_eq!(again.element("ETag"), done.element("ETag"), "a repeated Complete gets the same answer");

    let get = world.send("GET", "/quarry/a/b", &[("x-amz-checksum-mode", "ENABLED")], b"").await.is(200);
    assert_eq!(&get.body[..], [first, last].concat());
    assert_eq!((get.header("content-type"), get.header("x-amz-meta-a")), ("text/x", "1"));
    assert_eq!(get.header("x-amz-checksum-crc64nvme"), done.element("ChecksumCRC64NVME"));
    world.get(&format!("/quarry/a/b?uploadId={id}")).await.refuses(404, "NoSuchUpload");
}

#[tokio::test]
async fn an_abort_is_final() {
    let world = World::new().await;
    let id = world.create_upload("k").await;
    world.upload_part("k", &id, 1, &[1; 100]).await;
    world.upload_part("k", &id, 2, &[2; 50]).await;
    world.delete(&format!("/quarry/other?uploadId={id}")).await.refuses(404, "NoSuchUpload");
    let aborted = world.delete(&format!("/quarry/k?uploadId={id}")).await.is(204);
    assert!(aborted.body.is_empty());
    assert_eq!(
        (aborted.header("x-drystone-freed-parts"), aborted.header("x-drystone-freed-bytes")),
        ("2", "150")
    );

    let target = format!("/quarry/k?partNumber=3&uploadId={id}");
    for reply in [
        world.delete(&format!("/quarry/k?uploadId={id}")).await,
        world.put(&target, b"late").await,
        world.get(&format!("/quarry/k?uploadId={id}")).await,
        world.complete("k", &id, &[(1, "x")]).await,
        world.delete("/quarry/k?uploadId=nonsense").await,
        world.delete("/quarry/k?uploadId=").await,
    ] {
        assert!(reply.refuses(404, "NoSuchUpload").find("UploadId").is_some());
    }
    world.get("/quarry/k").await.refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn an_abort_may_ask_for_the_initiation_time() {
    let world = World::new().await;
    let id = world.create_upload("k").await;
    let target = format!("/quarry/k?uploadId={id}");
    let abort = async |time: &str| {
        world.send("DELETE", &target, &[("x-amz-if-match-initiated-time", time)], b"").await
    };
    abort("nonsense").await.refuses(400, "InvalidArgument");
    let failed = abort("Fri, 24 May 2013 00:00:01 GMT").await.refuses(412, "PreconditionFailed");
    assert_eq!(failed.element("Condition"), "x-amz-if-match-initiated-time");
    abort("Fri, 24 May 2013 00:00:00 GMT").await.is(204);
}

#[tokio::test]
async fn part_numbers_are_strict() {
    let world = World::new().await;
    let id = world.create_upload("k").await;
    for bad in ["0", "10001", "-1", "x", "1.0", ""] {
        let reply = world
            .put(&format!("/quarry/k?partNumber={bad}&uploadId={id}"), b"x")
            .await
            .refuses(400, "InvalidArgument");
        assert_eq!(reply.element("ArgumentName"), "partNumber");
    }
    world.upload_part("k", &id, 1, b"x").await;
    world.upload_part("k", &id, 10_000, b"y").await;
    world.put("/quarry/k?partNumber=1", b"x").await.refuses(400, "InvalidArgument");
    world.put(&format!("/quarry/k?uploadId={id}"), b"x").await.refuses(405, "MethodNotAllowed");
    world.get("/quarry/k").await.refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn a_wrong_list_is_refused_and_the_upload_stays() {
    let world = World::new().await;
    let id = world.create_upload("k").await;
    let small = world.upload_part("k", &id, 1, b"small").await;
    let last = world.upload_part("k", &id, 2, b"last").await;
    let target = format!("/{BUCKET}/k?uploadId={id}");
    let send = async |headers: &[(&str, &str)], body: &str| {
        world.send("POST", &target, headers, body.as_bytes()).await
    };

    let reply = world.complete("k", &id, &[(1, &small), (2, &last)]).await.refuses(400, "EntityTooSmall");
    for (element, text) in [("ProposedSize", "5"), ("MinSizeAllowed", "5242880"), ("PartNumber", "1")] {
        assert_eq!(reply.element(element), text);
    }
    world.complete("k", &id, &[(2, &last), (1, &small)]).await.refuses(400, "InvalidPartOrder");
    let reply = world.complete("k", &id, &[(7, "\"abc\"")]).await.refuses(400, "InvalidPart");
    assert_eq!((reply.element("UploadId"), reply.element("PartNumber")), (id.clone(), "7".into()));
    world
        .complete("k", &id, &[(2, "\"37b51d194a7513e45b56f6524f2d51f2\"")])
        .await
        .refuses(400, "InvalidPart");
    world.complete("k", &id, &[]).await.refuses(400, "MalformedXML");
    send(&[], "").await.refuses(400, "InvalidRequest");
    send(&[], "<Complete").await.refuses(400, "MalformedXML");
    let good = complete_document(&[(2, &last)]);
    send(&[("x-amz-mp-object-size", "5")], &good).await.refuses(400, "InvalidRequest");
    send(&[("content-type", "application/x-www-form-urlencoded")], &good)
        .await
        .refuses(400, "InvalidRequest");
    send(&[("if-match", "\"x\"")], &good).await.refuses(404, "NoSuchKey");
    world.get("/quarry/k").await.refuses(404, "NoSuchKey");
    send(&[("if-none-match", "*"), ("x-amz-mp-object-size", "4")], &good).await.is(200);
    assert_eq!(world.get("/quarry/k").await.is(200).text(), "last");
}

#[tokio::test]
async fn parts_are_copied_by_range() {
    let world = World::new().await;
    world.put("/quarry/source", b"0123456789").await.is(200);
    let id = world.create_upload("k").await;
    let target = format!("/quarry/k?partNumber=1&uploadId={id}");
    let copy = async |range: Option<&str>| {
        let mut headers = vec![("x-amz-copy-source", "quarry/source")];
        headers.extend(range.map(|range| ("x-amz-copy-source-range", range)));
        world.send("PUT", &target, &headers, b"").await
    };
    copy(None).await.is(200);
    copy(Some("bytes=0-10")).await.refuses(400, "InvalidArgument");
    copy(Some("bytes=10-12")).await.refuses(400, "InvalidRequest");
    copy(Some("bytes=3-")).await.refuses(400, "InvalidArgument");
    let reply = copy(Some("bytes=3-5")).await.is(200);
    assert!(reply.text().contains("<CopyPartResult "), "{}", reply.text());
    world.complete("k", &id, &[(1, &reply.element("ETag"))]).await.is(200);
    assert_eq!(world.get("/quarry/k").await.is(200).text(), "345");
}

#[tokio::test]
async fn checksums_follow_the_upload() {
    let world = World::new().await;
    let create =
        async |headers: &[(&str, &str)]| world.send("POST", "/quarry/k?uploads=", headers, b"").await;
    create(&[("x-amz-checksum-algorithm", "MD6")]).await.refuses(400, "InvalidRequest");
    create(&[("x-amz-checksum-type", "COMPOSITE")]).await.refuses(400, "InvalidRequest");
    create(&[("x-amz-checksum-algorithm", "SHA256"), ("x-amz-checksum-type", "FULL_OBJECT")])
        .await
        .refuses(400, "InvalidRequest");
    let created = create(&[("x-amz-checksum-algorithm", "SHA256")]).await.is(200);
    assert_eq!(
        (created.header("x-amz-checksum-algorithm"), created.header("x-amz-checksum-type")),
        ("SHA256", "COMPOSITE")
    );
    let id = created.element("UploadId");
    let sum = "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=";
    let part = format!("/quarry/k?partNumber=1&uploadId={id}");
    let stored = world.send("PUT", &part, &[("x-amz-checksum-sha256", sum)], b"123456789").await.is(200);
    assert_eq!(stored.header("x-amz-checksum-sha256"), sum);
    let listed = world.get(&format!("/quarry/k?uploadId={id}")).await.is(200);
    assert_eq!(
        (listed.element("ChecksumAlgorithm"), listed.element("ChecksumSHA256")),
        ("SHA256".into(), sum.into())
    );
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag><ChecksumSHA256>{sum}</ChecksumSHA256></Part>\
         </CompleteMultipartUpload>",
        stored.header("etag")
    );
    let target = format!("/quarry/k?uploadId={id}");
    let wrong = [("x-amz-checksum-type", "FULL_OBJECT")];
    world.send("POST", &target, &wrong, document.as_bytes()).await.refuses(400, "InvalidRequest");
    let done = world.send("POST", &target, &[], document.as_bytes()).await.is(200);
    assert!(done.element("ChecksumSHA256").ends_with("-1"), "{}", done.text());
    assert_eq!(done.element("ChecksumType"), "COMPOSITE");
}

#[tokio::test]
async fn a_bucket_goes_with_its_uploads() {
    let world = World::new().await;
    let id = world.create_upload("k").await;
    world.upload_part("k", &id, 1, b"x").await;
    world.delete("/quarry").await.is(204);
    world.put("/quarry", b"").await.is(200);
    assert_eq!(world.get("/quarry?uploads").await.is(200).elements("Upload").len(), 0);
}
