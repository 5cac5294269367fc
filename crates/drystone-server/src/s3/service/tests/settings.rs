//! Settings that cannot be set: their honest "not configured" forms.

use super::world::World;

#[tokio::test]
async fn settings_that_were_never_set_are_not_found() {
    let world = World::new().await;
    for (parameter, code) in [
        ("tagging", "NoSuchTagSet"),
        ("lifecycle", "NoSuchLifecycleConfiguration"),
        ("website", "NoSuchWebsiteConfiguration"),
        ("encryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("policy", "NoSuchBucketPolicy"),
        ("policyStatus", "NoSuchBucketPolicy"),
        ("cors", "NoSuchCORSConfiguration"),
        ("replication", "ReplicationConfigurationNotFoundError"),
        ("object-lock", "ObjectLockConfigurationNotFoundError"),
        ("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
        ("analytics=&id=x", "NoSuchConfiguration"),
    ] {
        let reply = world.get(&format!("/quarry?{parameter}")).await.refuses(404, code);
        assert_eq!(reply.element("BucketName"), "quarry");
        world.get(&format!("/nowhere?{parameter}")).await.refuses(404, "NoSuchBucket");
    }
}

#[tokio::test]
async fn settings_with_a_default_show_it() {
    let world = World::new().await;
    for (parameter, want) in [
        (
            "versioning",
            "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></VersioningConfiguration>",
        ),
        (
            "logging",
            "<BucketLoggingStatus xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></BucketLoggingStatus>",
        ),
        ("accelerate", "<AccelerateConfiguration "),
        ("notification", "<NotificationConfiguration "),
        ("requestPayment", "<Payer>BucketOwner</Payer>"),
        ("ownershipControls", "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>"),
        ("analytics", "<IsTruncated>false</IsTruncated>"),
        ("inventory", "<ListInventoryConfigurationsResult "),
        ("metrics", "<ListMetricsConfigurationsResult "),
        ("intelligent-tiering", "<IsTruncated>false</IsTruncated>"),
    ] {
        let reply = world.get(&format!("/quarry?{parameter}")).await.is(200);
        assert!(reply.text().contains(want), "{}", reply.text());
        assert_eq!(reply.header("content-type"), "application/xml");
        world.get(&format!("/nowhere?{parameter}")).await.refuses(404, "NoSuchBucket");
    }
}

#[tokio::test]
async fn the_owner_has_full_control_and_nobody_else_any() {
    let world = World::new().await;
    world.put("/quarry/k", b"x").await.is(200);
    for target in ["/quarry?acl", "/quarry/k?acl"] {
        let acl = world.get(target).await.is(200);
        assert_eq!(acl.elements("ID"), ["owner", "owner"]);
        assert_eq!(acl.elements("Permission"), ["FULL_CONTROL"]);
        world.send("PUT", target, &[("x-amz-acl", "private")], b"").await.is(200);
        // What was read may be written back, as s3cmd does after a copy; nothing else may.
        let list = acl.text();
        world.send("PUT", target, &[], list.as_bytes()).await.is(200);
        for other in [list.replace("FULL_CONTROL", "READ"), list.replace("owner", "other")] {
            let reply = world.send("PUT", target, &[], other.as_bytes()).await;
            reply.refuses(400, "AccessControlListNotSupported");
        }
        world
            .send("PUT", target, &[("x-amz-acl", "public-read")], b"")
            .await
            .refuses(400, "AccessControlListNotSupported");
        world
            .send("PUT", target, &[], b"<AccessControlPolicy/>")
            .await
            .refuses(400, "AccessControlListNotSupported");
    }
    world.get("/quarry/missing?acl").await.refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn objects_have_no_tags_and_no_locks() {
    let world = World::new().await;
    world.put("/quarry/k", b"x").await.is(200);
    assert!(world.get("/quarry/k?tagging").await.is(200).text().contains("<TagSet></TagSet>"));
    world.get("/quarry/missing?tagging").await.refuses(404, "NoSuchKey");
    world.delete("/quarry/k?tagging").await.is(204);
    for (method, target) in
        [("GET", "/quarry/k?retention"), ("PUT", "/quarry/k?retention"), ("GET", "/quarry/k?legal-hold")]
    {
        world.send(method, target, &[], b"").await.refuses(400, "InvalidRequest");
    }
    world.put("/quarry?object-lock", b"").await.refuses(409, "InvalidBucketState");
    assert_eq!(world.get("/quarry/k").await.is(200).text(), "x", "no sub-resource touched the object");
}

#[tokio::test]
async fn what_is_not_there_can_be_deleted() {
    let world = World::new().await;
    for parameter in [
        "tagging",
        "policy",
        "cors",
        "lifecycle",
        "website",
        "encryption",
        "replication",
        "ownershipControls",
    ] {
        world.delete(&format!("/quarry?{parameter}")).await.is(204);
        world.delete(&format!("/nowhere?{parameter}")).await.refuses(404, "NoSuchBucket");
    }
    world.delete("/quarry?metrics&id=x").await.refuses(404, "NoSuchConfiguration");
    world.get("/quarry").await.is(200);
}
