//! GetObject and HeadObject: ranges, parts, conditions, versions, overrides.

use http::HeaderValue;

use super::world::{PART, World};

async fn hundred() -> (World, String) {
    let world = World::new().await;
    let text: String = (0..100).map(|n| char::from(b'a' + n % 26)).collect();
    world.put("/quarry/k", text.as_bytes()).await.is(200);
    world.put("/quarry/empty", b"").await.is(200);
    (world, text)
}

#[tokio::test]
async fn ranges_are_answered_as_s3_answers_them() {
    let (world, text) = hundred().await;
    for (range, want) in [
        ("bytes=0-0", 0..1),
        ("bytes=00-01", 0..2),
        ("bytes=50-", 50..100),
        ("bytes=-1", 99..100),
        ("bytes=-101", 0..100),
        ("bytes=0-999999", 0..100),
        ("bytes=99-99", 99..100),
    ] {
        let reply = world.send("GET", "/quarry/k", &[("range", range)], b"").await.is(206);
        assert_eq!(reply.text(), text[want.clone()], "{range}");
        assert_eq!(reply.header("content-range"), format!("bytes {}-{}/100", want.start, want.end - 1));
        let head = world.send("HEAD", "/quarry/k", &[("range", range)], b"").await.is(206);
        assert_eq!(head.header("content-length"), want.len().to_string());
        assert_eq!(head.header("content-range"), reply.header("content-range"));
    }
    for ignored in ["bytes=5-2", "bytes=0-1,3-4", "bytes=a-b", "lines=0-1", "bytes=", "bytes=--1"] {
        let reply = world.send("GET", "/quarry/k", &[("range", ignored)], b"").await.is(200);
        assert_eq!((reply.text().len(), reply.maybe("content-range")), (100, None), "{ignored}");
    }
    for outside in ["bytes=100-", "bytes=100-110", "bytes=-0"] {
        let reply =
            world.send("GET", "/quarry/k", &[("range", outside)], b"").await.refuses(416, "InvalidRange");
        assert_eq!(reply.header("content-range"), "bytes */100");
        assert_eq!(
            (reply.element("RangeRequested"), reply.element("ActualObjectSize")),
            (outside.into(), "100".into())
        );
        world.send("HEAD", "/quarry/k", &[("range", outside)], b"").await.is(416);
    }
}

#[tokio::test]
async fn an_empty_object_has_no_range_but_its_last_bytes() {
    let (world, _) = hundred().await;
    for outside in ["bytes=0-", "bytes=0-0", "bytes=-0"] {
        world.send("GET", "/quarry/empty", &[("range", outside)], b"").await.refuses(416, "InvalidRange");
    }
    for method in ["GET", "HEAD"] {
        let last = world.send(method, "/quarry/empty", &[("range", "bytes=-5")], b"").await.is(200);
        assert_eq!((last.body.len(), last.maybe("content-range")), (0, None));
        let part = world.send(method, "/quarry/empty?partNumber=1", &[], b"").await.is(200);
        assert_eq!((part.body.len(), part.maybe("content-range")), (0, None));
    }
}

#[tokio::test]
async fn parts_are_read_by_their_number() {
    let (world, text) = hundred().await;
    let one = world.get("/quarry/k?partNumber=1").await.is(206);
    assert_eq!((one.text(), one.maybe("x-amz-mp-parts-count")), (text, None));
    assert_eq!(one.header("content-range"), "bytes 0-99/100");
    let past = world.get("/quarry/k?partNumber=2").await.refuses(416, "InvalidPartNumber");
    assert_eq!(
        (past.element("ActualPartCount"), past.element("PartNumberRequested")),
        ("1".into(), "2".into())
    );

    let id = world.create_upload("m").await;
    let (first, last) = (vec![b'1'; PART], vec![b'2'; 10]);
    let tags = [world.upload_part("m", &id, 3, &first).await, world.upload_part("m", &id, 9, &last).await];
    world.complete("m", &id, &[(3, &tags[0]), (9, &tags[1])]).await.is(200);
    let reply = world.get("/quarry/m?partNumber=9").await.is(206);
    assert_eq!((&reply.body[..], reply.header("x-amz-mp-parts-count")), (&last[..], "2"));
    assert_eq!(reply.header("content-range"), format!("bytes {PART}-{}/{}", PART + 9, PART + 10));
    let head = world.send("HEAD", "/quarry/m?partNumber=3", &[], b"").await.is(206);
    assert_eq!(head.header("content-length"), PART.to_string());
    assert_eq!(world.get("/quarry/m").await.is(200).maybe("x-amz-mp-parts-count"), None);

    for bad in ["0", "10001", "-3", "x", ""] {
        world.get(&format!("/quarry/k?partNumber={bad}")).await.refuses(400, "InvalidArgument");
    }
    world
        .send("GET", "/quarry/k?partNumber=1", &[("range", "bytes=0-1")], b"")
        .await
        .refuses(400, "InvalidRequest");
}

#[tokio::test]
async fn conditions_decide_reads() {
    let (world, _) = hundred().await;
    let etag = world.send("HEAD", "/quarry/k", &[], b"").await.header("etag").to_owned();
    let bare = etag.trim_matches('"').to_owned();
    let (then, before) = ("Fri, 24 May 2013 00:00:00 GMT", "Thu, 23 May 2013 23:59:59 GMT");
    world.advance(60);
    for (name, value, status) in [
        ("if-match", etag.as_str(), 200),
        ("if-match", bare.as_str(), 200),
        ("if-match", "*", 200),
        ("if-match", "\"x\"", 412),
        ("if-none-match", etag.as_str(), 304),
        ("if-none-match", "*", 304),
        ("if-none-match", "\"x\", \"y\"", 200),
        ("if-modified-since", before, 200),
        ("if-modified-since", then, 304),
        ("if-modified-since", "Fri, 24 May 2099 00:00:00 GMT", 200),
        ("if-modified-since", "nonsense", 200),
        ("if-unmodified-since", then, 200),
        ("if-unmodified-since", before, 412),
    ] {
        for method in ["GET", "HEAD"] {
            let reply = world.send(method, "/quarry/k", &[(name, value)], b"").await.is(status);
            if status == 304 {
                assert_eq!((reply.body.len(), reply.header("etag")), (0, etag.as_str()));
                assert_eq!(reply.header("last-modified"), then);
            }
        }
    }
    world.send("GET", "/quarry/k", &[("if-match", "\"x\"")], b"").await.refuses(412, "PreconditionFailed");
}

#[tokio::test]
async fn if_range_decides_between_a_range_and_all() {
    let (world, _) = hundred().await;
    let etag = world.send("HEAD", "/quarry/k", &[], b"").await.header("etag").to_owned();
    for (validator, status) in [
        (etag.as_str(), 206),
        ("\"x\"", 200),
        ("*", 200),
        ("Fri, 24 May 2013 00:00:00 GMT", 206),
        ("Thu, 23 May 2013 00:00:00 GMT", 200),
    ] {
        let headers = [("range", "bytes=1-2"), ("if-range", validator)];
        assert_eq!(world.send("GET", "/quarry/k", &headers, b"").await.status, status, "{validator}");
        assert_eq!(world.send("HEAD", "/quarry/k", &headers, b"").await.status, status, "{validator}");
    }
    let outside = [("range", "bytes=500-"), ("if-range", "\"x\"")];
    world.send("GET", "/quarry/k", &outside, b"").await.is(200);
}

#[tokio::test]
async fn the_only_version_is_null() {
    let (world, _) = hundred().await;
    world.get("/quarry/k?versionId=null").await.is(200);
    world.send("HEAD", "/quarry/k?versionId=null", &[], b"").await.is(200);
    world.get("/quarry/k?versionId=nonsense").await.refuses(400, "InvalidArgument");
    let unknown = "3HL4kqtJvjVBH40Nrjfkd.x_0-abcdef";
    let reply = world.get(&format!("/quarry/k?versionId={unknown}")).await.refuses(404, "NoSuchVersion");
    assert_eq!(reply.element("VersionId"), unknown);
    world.delete(&format!("/quarry/k?versionId={unknown}")).await.is(204);
    world.get("/quarry/k").await.is(200);
    world.delete("/quarry/k?versionId=null").await.is(204);
    world.get("/quarry/k").await.refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn the_query_overrides_headers() {
    let (world, _) = hundred().await;
    for (parameter, header) in [
        ("response-cache-control", "cache-control"),
        ("response-content-disposition", "content-disposition"),
        ("response-content-encoding", "content-encoding"),
        ("response-content-language", "content-language"),
        ("response-content-type", "content-type"),
        ("response-expires", "expires"),
    ] {
        for method in ["GET", "HEAD"] {
            let reply = world.send(method, &format!("/quarry/k?{parameter}=a%20b"), &[], b"").await.is(200);
            assert_eq!(reply.header(header), "a b");
        }
    }
    // Headers go out in ISO 8859-1, which has an é and no dash.
    let reply = world.get("/quarry/k?response-content-disposition=%C3%A9").await.is(200);
    assert_eq!(reply.headers.get("content-disposition").map(HeaderValue::as_bytes), Some(&b"\xe9"[..]));
    for bad in ["%E2%80%94", "a%0D%0Ab"] {
        let target = format!("/quarry/k?response-content-type={bad}");
        let refused = world.get(&target).await.refuses(400, "InvalidArgument");
        assert_eq!(refused.element("ArgumentName"), "response-content-type");
    }
}
