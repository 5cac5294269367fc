//! What every request meets on its way, whatever it asks.

use http::{HeaderValue, Method, Request};

use super::world::{BUCKET, Who, World};
use crate::s3::auth::signer::{SECRET, Signing};

#[tokio::test]
async fn every_answer_has_an_id_a_server_and_a_metric() {
    let world = World::new().await;
    let good = world.get(&format!("/{BUCKET}")).await.is(200);
    let bad = world.get("/nowhere").await.refuses(404, "NoSuchBucket");
    for reply in [&good, &bad] {
        assert_eq!(reply.header("x-amz-request-id").len(), 16);
        assert!(!reply.header("x-amz-id-2").is_empty());
        assert_eq!(reply.header("server"), "Drystone");
    }
    assert_ne!(good.header("x-amz-request-id"), bad.header("x-amz-request-id"));
    let text = world.metrics.render();
    assert!(
        text.contains(r#"drystone_http_requests_total{operation="ListObjects",status="200"} 1"#),
        "{text}"
    );
    assert!(
        text.contains(r#"drystone_http_requests_total{operation="ListObjects",status="404"} 1"#),
        "{text}"
    );
}

#[tokio::test]
async fn nothing_is_done_without_a_signature() {
    let world = World::new().await;
    let targets = ["/", "/quarry", "/quarry/key", "/quarry?policy", "/quarry/key?uploads", "/nowhere/x"];
    for method in [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::PATCH] {
        for target in targets {
            let head =
                Request::builder().method(&method).uri(target).header("host", "localhost").body(()).unwrap();
            let reply = world.answer(head.into_parts().0, b"").await;
            match (method.as_str(), target) {
                // The signature of a form is in its body, which is not read: forms are not built.
                ("POST", "/quarry") => reply.refuses(501, "NotImplemented"),
                // What S3 has no operation for cannot be signed either.
                ("GET", "/quarry/key?uploads") => reply.refuses(400, "InvalidRequest"),
                ("PUT" | "DELETE", "/" | "/quarry/key?uploads")
                | ("POST", "/" | "/quarry/key" | "/quarry?policy" | "/nowhere/x")
                | ("PATCH", _) => reply.refuses(405, "MethodNotAllowed"),
                _ => reply.refuses(403, "AccessDenied"),
            };
        }
    }
    let head =
        Signing { secret: "not the secret of anyone", target: "/quarry", ..Signing::default() }.header();
    let reply = world.answer(head, b"").await.refuses(403, "SignatureDoesNotMatch");
    assert!(!reply.text().contains(SECRET));
    assert_eq!(reply.header("x-amz-bucket-region"), "us-east-1");
}

#[tokio::test]
async fn unsigned_probes_of_minio_are_answered_and_its_bucket_is_a_bucket() {
    let world = World::new().await;
    let unsigned = async |method: &str, target: &str, host: &str| {
        let head = Request::builder().method(method).uri(target).header("host", host).body(()).unwrap();
        world.answer(head.into_parts().0, b"").await
    };
    for path in ["/minio/health/live", "/minio/health/ready", "/minio/health/cluster"] {
        for method in ["GET", "HEAD"] {
            assert!(unsigned(method, path, "localhost").await.is(200).body.is_empty());
        }
        unsigned("PUT", path, "localhost").await.refuses(403, "AccessDenied");
        unsigned("GET", path, "quarry.s3.test").await.refuses(403, "AccessDenied");
    }
    for path in ["/minio", "/minio/health", "/minio/health/live/", "/quarry/health/live"] {
        unsigned("GET", path, "localhost").await.refuses(403, "AccessDenied");
    }
    world.get("/minio/health/live").await.refuses(404, "NoSuchBucket");
    world.put("/minio", b"").await.is(200);
    world.put("/minio/health/live", b"an object").await.is(200);
    assert_eq!(world.get("/minio/health/live").await.is(200).text(), "an object");
}

#[tokio::test]
async fn others_are_refused() {
    let world = World::new().await;
    world.put("/quarry/k", b"secret").await.is(200);
    for (method, target) in [
        ("GET", "/quarry"),
        ("GET", "/quarry/k"),
        ("PUT", "/quarry/k"),
        ("DELETE", "/quarry/k"),
        ("DELETE", "/quarry"),
        ("GET", "/quarry?acl"),
        ("GET", "/quarry?uploads"),
        ("POST", "/quarry/k?uploads"),
    ] {
        world.send_as(Who::Other, method, target, &[], b"").await.refuses(403, "AccessDenied");
    }
    let copy = [("x-amz-copy-source", "quarry/k")];
    world.send_as(Who::Other, "PUT", "/others", &[], b"").await.is(200);
    world.send_as(Who::Other, "PUT", "/others/k", &copy, b"").await.refuses(403, "AccessDenied");
    world.send_as(Who::Other, "PUT", "/quarry", &[], b"").await.refuses(409, "BucketAlreadyExists");
    assert!(!world.send_as(Who::Other, "GET", "/", &[], b"").await.is(200).text().contains("quarry"));
}

#[tokio::test]
async fn an_unexpected_owner_is_refused() {
    let world = World::new().await;
    let with = |owner| [("x-amz-expected-bucket-owner", owner)];
    world.send("GET", "/quarry", &with("owner"), b"").await.is(200);
    world.send("GET", "/quarry", &with("123456789012"), b"").await.refuses(403, "AccessDenied");
    world.send("PUT", "/quarry/k", &with("123456789012"), b"x").await.refuses(403, "AccessDenied");
    world.get("/quarry/k").await.refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn what_is_not_built_says_so_by_name() {
    let world = World::new().await;
    let cases = [
        ("PUT", "/quarry?policy=", "PutBucketPolicy"),
        ("PUT", "/quarry?versioning=", "PutBucketVersioning"),
        ("PUT", "/quarry?tagging=", "PutBucketTagging"),
        ("POST", "/quarry", "PostObject"),
        ("GET", "/quarry/k?torrent=", "GetObjectTorrent"),
        ("PUT", "/quarry/k?tagging=", "PutObjectTagging"),
        ("POST", "/quarry/k?restore=", "RestoreObject"),
        ("POST", "/quarry/k?select=&select-type=2", "SelectObjectContent"),
    ];
    for (method, target, name) in cases {
        let reply = world.send(method, target, &[], b"").await.refuses(501, "NotImplemented");
        assert_eq!(reply.element("Message"), format!("{name} is not implemented"));
    }
    let reply = world.send("PUT", "/quarry/k?uploadId=x", &[], b"").await.refuses(405, "MethodNotAllowed");
    assert_eq!(
        (reply.element("ResourceType"), reply.header("allow")),
        ("UPLOAD".into(), "GET, POST, DELETE")
    );
    let reply = world.send("POST", "/quarry/k", &[], b"").await.refuses(405, "MethodNotAllowed");
    assert_eq!((reply.element("Method"), reply.element("ResourceType")), ("POST".into(), "OBJECT".into()));
    assert_eq!(reply.header("allow"), "GET, HEAD, PUT, DELETE");
    assert_eq!(
        world
            .send("PUT", "/quarry?uploads=", &[], b"")
            .await
            .refuses(405, "MethodNotAllowed")
            .header("allow"),
        "GET"
    );
}

#[tokio::test]
async fn a_source_where_nothing_is_copied_is_refused() {
    let world = World::new().await;
    world.put("/quarry/k", b"kept").await.is(200);
    let source = [("x-amz-copy-source", "quarry/k")];
    for (method, target) in [
        ("GET", "/quarry"),
        ("GET", "/quarry/k"),
        ("DELETE", "/quarry"),
        ("DELETE", "/quarry/k"),
        ("POST", "/quarry/k?uploadId=x"),
    ] {
        let reply = world.send(method, target, &source, b"").await.refuses(400, "InvalidArgument");
        assert_eq!(reply.element("ArgumentName"), "x-amz-copy-source");
        assert_eq!(reply.element("ArgumentValue"), "quarry/k");
    }
    world.send("HEAD", "/quarry/k", &source, b"").await.is(400);
    assert_eq!(world.get("/quarry/k").await.is(200).text(), "kept");
}

#[tokio::test]
async fn an_uri_that_cannot_be_read_is_refused() {
    let world = World::new().await;
    for target in ["/quarry/%ff", "/quarry/%zz", "/quarry?prefix=%ff"] {
        let head =
            Request::builder().uri(target).header("host", "localhost").body(()).unwrap().into_parts().0;
        world.answer(head, b"").await.refuses(400, "InvalidURI");
    }
    for target in ["/quarry/../x", "/quarry/a/..%2F..%2Fx"] {
        world.put(target, b"x").await.refuses(400, "BadRequest");
        world.get(target).await.refuses(400, "BadRequest");
    }
    world.get("/Not_A_Bucket/k").await.refuses(400, "InvalidBucketName");
    world.get(&format!("/quarry/{}", "k".repeat(1_025))).await.refuses(400, "KeyTooLongError");
}

#[tokio::test]
async fn browsers_are_told_that_other_origins_may_not_ask() {
    let world = World::new().await;
    let ask = |headers: &[(&'static str, &'static str)]| {
        let mut head =
            Request::options("/quarry/k").header("host", "localhost").body(()).unwrap().into_parts().0;
        for (name, value) in headers {
            head.headers.insert(*name, HeaderValue::from_static(value));
        }
        world.answer(head, b"")
    };
    let origin = ("origin", "https://example.test");
    ask(&[]).await.refuses(400, "BadRequest");
    let reply = ask(&[origin]).await.refuses(403, "AccessForbidden");
    assert_eq!(reply.element("Method"), "OPTIONS");
    ask(&[origin, ("access-control-request-method", "PATCH")]).await.refuses(400, "BadRequest");
    let reply =
        ask(&[origin, ("access-control-request-method", "PUT")]).await.refuses(403, "AccessForbidden");
    assert_eq!((reply.element("Method"), reply.element("ResourceType")), ("PUT".into(), "OBJECT".into()));
}

#[tokio::test]
async fn hosts_below_the_domain_name_buckets() {
    let world = World::new().await;
    let at = |method: &'static str, host: &'static str, target: &'static str, body: &'static [u8]| {
        // The signer writes its own host header, so the host comes as the request's authority.
        let mut head = Signing { method, target, ..Signing::default() }.header();
        head.uri = format!("http://{host}{target}").parse().unwrap();
        world.answer(head, body)
    };
    at("PUT", "quarry.s3.test:9000", "/a/b", b"virtual").await.is(200);
    assert_eq!(at("GET", "s3.test", "/quarry/a/b", b"").await.is(200).text(), "virtual");
    assert_eq!(world.get("/quarry/a/b").await.is(200).text(), "virtual");
    assert!(at("GET", "quarry.s3.test", "/", b"").await.is(200).text().contains("<Key>a/b</Key>"));
}

#[tokio::test]
async fn a_presigned_url_carries_headers_as_parameters() {
    let world = World::new().await;
    let presigned =
        |method: &'static str, target: &'static str| Signing { method, target, ..Signing::default() }.query();
    let put = "/quarry/k?x-amz-meta-colour=green&x-amz-sdk-checksum-algorithm=CRC32&x-amz-checksum-crc32=AAAAAA%3D%3D";
    world.answer(presigned("PUT", put), b"body").await.is(200);
    let reply = world.answer(presigned("GET", "/quarry/k"), b"").await.is(200);
    assert_eq!((reply.text().as_str(), reply.header("x-amz-meta-colour")), ("body", "green"));
    let refused = "/quarry/k?x-amz-server-side-encryption=AES256";
    world.answer(presigned("PUT", refused), b"body").await.refuses(501, "NotImplemented");
    world.answer(presigned("PUT", "/quarry/copy?x-amz-copy-source=quarry%2Fk"), b"").await.is(200);
    assert_eq!(world.get("/quarry/copy").await.is(200).text(), "body");
}
