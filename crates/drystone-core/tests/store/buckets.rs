//! Buckets: made once, seen by their owner only, gone when they are deleted.

use drystone_core::buckets::create::CreateBucket;
use drystone_core::buckets::list::ListBuckets;
use drystone_core::objects::list::{From, ListObjects};
use drystone_core::uploads::list::{ListUploads, UploadsFrom};

use crate::world::{BUCKET, World, bucket, bytes, complete, owner, part, put, refusal, stranger};
use drystone_sim::clock::MORNING;

fn named(world: &World, request: &ListBuckets) -> (Vec<String>, Option<String>) {
    let page = world.store.list_buckets(&owner(), request).unwrap();
    (page.buckets.iter().map(|bucket| bucket.name.to_string()).collect(), page.next)
}

#[test]
fn a_bucket_is_seen_as_it_was_made() {
    let world = World::new();
    let request = CreateBucket { name: bucket("slate"), region: Some("eu-central-1".into()) };
    world.run(world.store.create_bucket(&owner(), request)).unwrap();
    let info = world.store.head_bucket(&owner(), &bucket("slate")).unwrap();
    assert_eq!((info.region.as_deref(), info.owner), (Some("eu-central-1"), owner().account));
    assert_eq!(info.created, MORNING);
}

#[test]
fn a_name_is_given_once() {
    let world = World::new();
    assert_eq!(refusal(world.create_bucket(BUCKET)), "BucketAlreadyOwnedByYou");
    let request = CreateBucket { name: bucket(BUCKET), region: None };
    let taken = world.run(world.store.create_bucket(&stranger(), request));
    assert_eq!(refusal(taken), "BucketAlreadyExists");
}

#[test]
fn buckets_are_listed_in_order_page_by_page() {
    let world = World::new();
    for name in ["slate", "granite", "slate-2", "chalk"] {
        world.create_bucket(name).unwrap();
    }
    let all = ListBuckets { max: 100, ..ListBuckets::default() };
    assert_eq!(
        named(&world, &all),
        (["chalk", "granite", BUCKET, "slate", "slate-2"].map(Into::into).into(), None)
    );
    let first = ListBuckets { max: 2, ..ListBuckets::default() };
    assert_eq!(named(&world, &first), (vec!["chalk".into(), "granite".into()], Some("granite".into())));
    let second = ListBuckets { after: Some("granite".into()), ..first.clone() };
    assert_eq!(named(&world, &second), (vec![BUCKET.into(), "slate".into()], Some("slate".into())));
    let prefixed = ListBuckets { prefix: "slate".into(), after: Some("a".into()), max: 100 };
    assert_eq!(named(&world, &prefixed).0, ["slate", "slate-2"]);
    let past = ListBuckets { prefix: "granite".into(), after: Some("slate".into()), max: 100 };
    assert_eq!(named(&world, &past).0, [""; 0]);
}

#[test]
fn nobody_sees_another_accounts_bucket() {
    let world = World::new();
    world.put("stone", b"hard");
    let page = world.store.list_buckets(&stranger(), &ListBuckets { max: 9, ..ListBuckets::default() });
    assert!(page.unwrap().buckets.is_empty());
    assert_eq!(refusal(world.store.head_bucket(&stranger(), &bucket(BUCKET))), "AccessDenied");
    let written = world.run(world.store.put_object(&stranger(), put("stone", b"mine")));
    assert_eq!(refusal(written), "AccessDenied");
    assert_eq!(refusal(world.run(world.store.delete_bucket(&stranger(), &bucket(BUCKET)))), "AccessDenied");
    assert_eq!(world.get("stone"), b"hard");
}

#[test]
fn a_bucket_with_objects_stays() {
    let world = World::new();
    world.put("stone", b"hard");
    assert_eq!(refusal(world.delete_bucket(BUCKET)), "BucketNotEmpty");
    world.delete("stone");
    world.delete_bucket(BUCKET).unwrap();
    assert_eq!(refusal(world.delete_bucket(BUCKET)), "NoSuchBucket");
}

#[test]
fn deleting_a_bucket_frees_its_uploads() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        let upload = world.create_upload(name);
        world.part(&upload, 1, &bytes(100_000, 7));
        world.part(&upload, 9, &bytes(50_000, 8));
    }
    assert_eq!(world.bytes_in_volumes(), 450_000);
    world.delete_bucket(BUCKET).unwrap();
    let report = world.verify();
    assert_eq!((report.uploads, report.in_progress_bytes), (0, 0), "freed before the answer");
    world.settle();
    assert_eq!(world.bytes_in_volumes(), 0);
    assert_eq!(world.verify().uploads, 0);
}

#[test]
fn a_bucket_of_the_same_name_shows_nothing_of_the_old_one() {
    let world = World::new();
    let old = world.create_upload("a");
    let stored = world.part(&old, 1, b"old");
    world.delete_bucket(BUCKET).unwrap();
    world.create_bucket(BUCKET).unwrap();
    let uploads = ListUploads {
        bucket: bucket(BUCKET),
        prefix: String::new(),
        delimiter: None,
        from: UploadsFrom::Start,
        max: 10,
    };
    assert!(world.store.list_uploads(&owner(), &uploads).unwrap().entries.is_empty());
    let objects = ListObjects {
        bucket: bucket(BUCKET),
        prefix: String::new(),
        delimiter: None,
        from: From::Start,
        max: 10,
    };
    assert!(world.store.list_objects(&owner(), &objects).unwrap().entries.is_empty());
    assert_eq!(refusal(world.try_part(part(&old, 2, b"late"))), "NoSuchUpload");
    assert_eq!(refusal(world.try_complete(complete(&old, &[(1, stored.etag)]))), "NoSuchUpload");
    assert_eq!(refusal(world.abort(&old)), "NoSuchUpload");
}

#[test]
fn a_completion_is_not_repeated_in_a_bucket_of_the_same_name() {
    let world = World::new();
    let upload = world.create_upload("a");
    let parts = [(1, world.part(&upload, 1, b"old").etag)];
    world.complete(&upload, &parts);
    world.delete("a");
    world.delete_bucket(BUCKET).unwrap();
    world.create_bucket(BUCKET).unwrap();
    assert_eq!(refusal(world.try_complete(complete(&upload, &parts))), "NoSuchUpload");
}
