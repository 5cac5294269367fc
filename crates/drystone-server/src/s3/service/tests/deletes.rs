//! DeleteObject and DeleteObjects.

use super::world::World;

#[tokio::test]
async fn deleting_is_idempotent_and_may_be_conditional() {
    let world = World::new().await;
    let etag = world.put("/quarry/k", b"x").await.header("etag").to_owned();
    world
        .send("DELETE", "/quarry/k", &[("if-match", "\"other\"")], b"")
        .await
        .refuses(412, "PreconditionFailed");
    world
        .send("DELETE", "/quarry/k", &[("x-amz-if-match-size", "1")], b"")
        .await
        .refuses(501, "NotImplemented");
    world.get("/quarry/k").await.is(200);
    world.send("DELETE", "/quarry/k", &[("if-match", &etag)], b"").await.is(204);
    let again = world.delete("/quarry/k").await.is(204);
    assert!(again.body.is_empty());
    world.delete("/nowhere/k").await.refuses(404, "NoSuchBucket");
}

#[tokio::test]
async fn many_are_deleted_and_each_is_answered_for() {
    let world = World::new().await;
    for key in ["a", "b%26c", "keep"] {
        world.put(&format!("/quarry/{key}"), b"x").await.is(200);
    }
    let reply = world
        .delete_many(&format!(
            "<Delete><Object><Key>a</Key></Object><Object><Key>b&amp;c</Key><VersionId>null</VersionId></Object>\
             <Object><Key>missing</Key></Object><Object><Key>keep</Key><ETag>other</ETag></Object>\
             <Object><Key>keep</Key><VersionId>nonsense</VersionId></Object><Object><Key>{}</Key></Object></Delete>",
            "k".repeat(1_025)
        ))
        .await
        .is(200);
    assert_eq!(
        reply.elements("Deleted"),
        ["<Key>a</Key>", "<Key>b&amp;c</Key><VersionId>null</VersionId>", "<Key>missing</Key>"]
    );
    assert_eq!(reply.elements("Code"), ["PreconditionFailed", "NoSuchVersion", "KeyTooLongError"]);
    assert_eq!(world.get("/quarry").await.elements("Key"), ["keep"]);

    let quiet = "<Delete><Quiet>true</Quiet><Object><Key>keep</Key></Object></Delete>";
    let reply = world.delete_many(quiet).await.is(200);
    assert!(
        reply
            .text()
            .ends_with("<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></DeleteResult>")
    );
    assert_eq!(world.get("/quarry").await.elements("Key").len(), 0);
}

#[tokio::test]
async fn a_list_must_be_whole() {
    let world = World::new().await;
    world.put("/quarry/a", b"x").await.is(200);
    let document = b"<Delete><Object><Key>a</Key></Object></Delete>";
    let send = async |headers: &[(&str, &str)]| world.send("POST", "/quarry?delete", headers, document).await;
    let refused = send(&[]).await.refuses(400, "InvalidRequest");
    assert_eq!(
        refused.element("Message"),
        "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"
    );
    send(&[("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")]).await.refuses(400, "BadDigest");
    send(&[("x-amz-checksum-crc32", "AAAAAA==")]).await.refuses(400, "BadDigest");
    world.delete_many("<Delete><Object><Key>a</Key></Object>").await.refuses(400, "MalformedXML");
    world
        .delete_many(&format!("<Delete>{}</Delete>", "<Object><Key>a</Key></Object>".repeat(1_001)))
        .await
        .refuses(400, "MalformedXML");
    world.get("/quarry/a").await.is(200);
}
