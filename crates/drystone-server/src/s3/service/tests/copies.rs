//! CopyObject.

use super::world::World;

#[tokio::test]
async fn a_copy_keeps_or_replaces_what_is_known_of_its_source() {
    let world = World::new().await;
    let headers = [("content-type", "text/x"), ("x-amz-meta-a", "1"), ("x-amz-storage-class", "ONEZONE_IA")];
    world.send("PUT", "/quarry/from%20here", &headers, b"body").await.is(200);
    for source in ["quarry/from%20here", "/quarry/from%20here", "quarry/from%20here?versionId=null"] {
        let reply = world.send("PUT", "/quarry/to", &[("x-amz-copy-source", source)], b"").await.is(200);
        assert!(reply.text().contains("<CopyObjectResult "), "{}", reply.text());
        assert_eq!(reply.element("ETag"), "&quot;841a2d689ad86bd1611447453c22c6fc&quot;");
        assert_eq!(reply.element("LastModified"), "2013-05-24T00:00:00.000Z");
        assert!(reply.find("ChecksumCRC64NVME").is_some());
    }
    let copy = world.get("/quarry/to").await.is(200);
    assert_eq!(
        (copy.text().as_str(), copy.header("content-type"), copy.header("x-amz-meta-a")),
        ("body", "text/x", "1")
    );

    let replace = [
        ("content-type", "text/y"),
        ("x-amz-copy-source", "quarry/from%20here"),
        ("x-amz-meta-b", "2"),
        ("x-amz-metadata-directive", "REPLACE"),
    ];
    world.send("PUT", "/quarry/to", &replace, b"").await.is(200);
    let copy = world.get("/quarry/to").await.is(200);
    assert_eq!(
        (copy.header("content-type"), copy.header("x-amz-meta-b"), copy.maybe("x-amz-meta-a")),
        ("text/y", "2", None)
    );

    assert_eq!(copy.maybe("x-amz-storage-class"), None);

    let class = [("x-amz-copy-source", "quarry/from%20here"), ("x-amz-storage-class", "GLACIER_IR")];
    world.send("PUT", "/quarry/to", &class, b"").await.is(200);
    let copy = world.get("/quarry/to").await.is(200);
    assert_eq!((copy.header("x-amz-storage-class"), copy.header("x-amz-meta-a")), ("GLACIER_IR", "1"));
}

#[tokio::test]
async fn a_copy_onto_itself_must_change_something() {
    let world = World::new().await;
    world.put("/quarry/k", b"body").await.is(200);
    let source = ("x-amz-copy-source", "quarry/k");
    world.send("PUT", "/quarry/k", &[source], b"").await.refuses(400, "InvalidRequest");
    world.send("PUT", "/quarry/k", &[source, ("x-amz-metadata-directive", "REPLACE")], b"").await.is(200);
    world.send("PUT", "/quarry/k", &[source, ("x-amz-storage-class", "STANDARD_IA")], b"").await.is(200);
    assert_eq!(world.get("/quarry/k").await.is(200).text(), "body");
}

#[tokio::test]
async fn a_storage_class_and_a_redirect_are_never_copied() {
    let world = World::new().await;
    let headers = [("x-amz-website-redirect-location", "/there"), ("x-amz-storage-class", "ONEZONE_IA")];
    world.send("PUT", "/quarry/k", &headers, b"body").await.is(200);
    let source = ("x-amz-copy-source", "quarry/k");
    let shown = async |target: &str| {
        let head = world.send("HEAD", target, &[], b"").await.is(200);
        [&"x-amz-website-redirect-location", &"x-amz-storage-class"]
            .map(|name| head.maybe(name).map(str::to_owned))
    };
    world.send("PUT", "/quarry/to", &[source], b"").await.is(200);
    assert_eq!(shown("/quarry/to").await, [None, None]);
    // Setting either, even to what it is, is a change for a copy onto itself.
    world.send("PUT", "/quarry/k", &[source, headers[0]], b"").await.is(200);
    assert_eq!(shown("/quarry/k").await, [Some("/there".into()), None]);
    world.send("PUT", "/quarry/k", &[source, headers[1]], b"").await.is(200);
    assert_eq!(shown("/quarry/k").await, [None, Some("ONEZONE_IA".into())]);
    let nowhere = ("x-amz-website-redirect-location", "ftp://there");
    world.send("PUT", "/quarry/to", &[source, nowhere], b"").await.refuses(400, "InvalidRedirectLocation");
}

#[tokio::test]
async fn conditions_hold_for_source_and_target() {
    let world = World::new().await;
    let etag = world.put("/quarry/k", b"body").await.header("etag").to_owned();
    let copy = async |name: &str, value: &str| {
        world.send("PUT", "/quarry/to", &[("x-amz-copy-source", "quarry/k"), (name, value)], b"").await
    };
    copy("x-amz-copy-source-if-match", &etag).await.is(200);
    copy("x-amz-copy-source-if-match", "\"x\"").await.refuses(412, "PreconditionFailed");
    copy("x-amz-copy-source-if-none-match", "\"x\"").await.is(200);
    copy("x-amz-copy-source-if-none-match", &etag).await.refuses(412, "PreconditionFailed");
    copy("x-amz-copy-source-if-modified-since", "Fri, 24 May 2013 00:00:00 GMT")
        .await
        .refuses(412, "PreconditionFailed");
    copy("x-amz-copy-source-if-unmodified-since", "Thu, 23 May 2013 00:00:00 GMT")
        .await
        .refuses(412, "PreconditionFailed");
    copy("if-none-match", "*").await.refuses(412, "PreconditionFailed");
}

#[tokio::test]
async fn what_cannot_be_copied_is_refused() {
    let world = World::new().await;
    world.put("/quarry/k", b"body").await.is(200);
    for (name, value, status, code) in [
        ("x-amz-copy-source", "quarry", 400, "InvalidArgument"),
        ("x-amz-copy-source", "quarry/missing", 404, "NoSuchKey"),
        ("x-amz-copy-source", "nowhere/k", 404, "NoSuchBucket"),
        ("x-amz-copy-source", "quarry/k?versionId=nonsense", 400, "InvalidArgument"),
        ("x-amz-metadata-directive", "MERGE", 400, "InvalidArgument"),
        ("x-amz-tagging-directive", "MERGE", 400, "InvalidArgument"),
        ("x-amz-source-expected-bucket-owner", "somebody", 403, "AccessDenied"),
        ("x-amz-checksum-algorithm", "MD6", 400, "InvalidRequest"),
    ] {
        let mut headers = vec![(name, value)];
        if name != "x-amz-copy-source" {
            headers.push(("x-amz-copy-source", "quarry/k"));
        }
        world.send("PUT", "/quarry/to", &headers, b"").await.refuses(status, code);
    }
    world.get("/quarry/to").await.refuses(404, "NoSuchKey");
}
