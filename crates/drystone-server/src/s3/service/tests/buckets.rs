//! Buckets.

use super::world::World;

#[tokio::test]
async fn a_bucket_lives_and_goes() {
    let world = World::empty();
    let created = world.put("/quarry", b"").await.is(200);
    assert_eq!(created.header("location"), "/quarry");
    assert_eq!(created.header("x-amz-bucket-arn"), "arn:aws:s3:::quarry");
    let head = world.send("HEAD", "/quarry", &[], b"").await.is(200);
    assert_eq!(head.header("x-amz-bucket-region"), "us-east-1");
    assert_eq!(head.header("x-amz-bucket-arn"), "arn:aws:s3:::quarry");
    world.put("/quarry/k", b"x").await.is(200);
    world.delete("/quarry").await.refuses(409, "BucketNotEmpty");
    world.delete("/quarry/k").await.is(204);
    let gone = world.delete("/quarry").await.is(204);
    assert!(gone.body.is_empty());
    let missing = world.delete("/quarry").await.refuses(404, "NoSuchBucket");
    assert_eq!(missing.element("BucketName"), "quarry");
    let head = world.send("HEAD", "/quarry", &[], b"").await.is(404);
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn ones_own_bucket_can_be_created_again_in_us_east_1() {
    let world = World::new().await;
    world.put("/quarry/k", b"kept").await.is(200);
    world.put("/quarry", b"").await.is(200);
    world.get("/quarry/k").await.is(200);
}

#[tokio::test]
async fn a_trailing_slash_means_the_bucket() {
    let world = World::empty();
    world.put("/quarry/", b"").await.is(200);
    world.get("/quarry/?location=").await.is(200);
    world.delete("/quarry/").await.is(204);
}

#[tokio::test]
async fn any_region_is_taken_and_shown() {
    let world = World::empty();
    let constraint = |region| {
        format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{region}\
             </LocationConstraint></CreateBucketConfiguration>"
        )
    };
    world.put("/plain", b"").await.is(200);
    world.put("/there", constraint("moon-west-1").as_bytes()).await.is(200);
    let of = async |bucket: &str| world.get(&format!("/{bucket}?location=")).await.is(200).text();
    assert!(of("plain").await.ends_with(
        "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></LocationConstraint>"
    ));
    assert!(of("there").await.contains(">moon-west-1</LocationConstraint>"));
    assert_eq!(world.send("HEAD", "/there", &[], b"").await.header("x-amz-bucket-region"), "moon-west-1");
    world.put("/broken", b"<CreateBucket").await.refuses(400, "MalformedXML");
    world.get("/broken?location=").await.refuses(404, "NoSuchBucket");
}

#[tokio::test]
async fn names_and_wishes_that_cannot_be_are_refused() {
    let world = World::empty();
    for name in ["ab", "Upper", "under_score", "192.168.0.1", "-dash", "dash-", "a..b"] {
        let reply = world.put(&format!("/{name}"), b"").await.refuses(400, "InvalidBucketName");
        assert_eq!(reply.element("BucketName"), name);
    }
    let cases = [
        ("x-amz-acl", "public-read", 400, "InvalidBucketAclWithObjectOwnership"),
        ("x-amz-acl", "nonsense", 400, "InvalidArgument"),
        ("x-amz-bucket-object-lock-enabled", "true", 501, "NotImplemented"),
        ("x-amz-object-ownership", "ObjectWriter", 501, "NotImplemented"),
        ("x-amz-object-ownership", "nobody", 400, "InvalidArgument"),
    ];
    for (name, value, status, code) in cases {
        world.send("PUT", "/wished", &[(name, value)], b"").await.refuses(status, code);
    }
    world.send("PUT", "/wished", &[("x-amz-acl", "private")], b"").await.is(200);
}

#[tokio::test]
async fn buckets_are_listed_in_pages() {
    let world = World::empty();
    for name in ["alpha", "beta-1", "beta-2", "gamma"] {
        world.put(&format!("/{name}"), b"").await.is(200);
    }
    let all = world.get("/").await.is(200);
    assert_eq!(all.elements("Name"), ["alpha", "beta-1", "beta-2", "gamma"]);
    assert_eq!((all.element("ID"), all.element("DisplayName")), ("owner".into(), "owner-name".into()));
    assert_eq!(all.element("CreationDate"), "2013-05-24T00:00:00.000Z");
    assert_eq!(all.find("BucketRegion"), None);

    let first = world.get("/?max-buckets=3").await.is(200);
    assert_eq!(first.elements("Name"), ["alpha", "beta-1", "beta-2"]);
    assert_eq!(first.elements("BucketRegion").len(), 3);
    let token = first.element("ContinuationToken");
    let second = world.get(&format!("/?continuation-token={token}&max-buckets=3")).await.is(200);
    assert_eq!((second.elements("Name"), second.find("ContinuationToken")), (vec!["gamma".into()], None));

    assert_eq!(world.get("/?prefix=beta").await.is(200).elements("Name"), ["beta-1", "beta-2"]);
    assert_eq!(world.get("/?bucket-region=us-east-1").await.is(200).elements("Name").len(), 4);
    assert_eq!(world.get("/?bucket-region=elsewhere").await.is(200).elements("Name").len(), 0);
    world.get("/?max-buckets=0").await.refuses(400, "InvalidArgument");
    world.get("/?continuation-token=nonsense").await.refuses(400, "InvalidArgument");
}
