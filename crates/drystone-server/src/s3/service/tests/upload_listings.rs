//! ListParts and ListMultipartUploads.

use super::world::World;

#[tokio::test]
async fn parts_are_listed_in_pages() {
    let world = World::new().await;
    let id = world.create_upload("a%26b").await;
    for part in [1, 3, 7] {
        world.upload_part("a%26b", &id, part, b"bar").await;
    }
    let list = async |query: &str| world.get(&format!("/quarry/a%26b?{query}uploadId={id}")).await;
    let all = list("").await.is(200);
    assert!(all.text().contains("<ListPartsResult xmlns="), "{}", all.text());
    assert_eq!(all.elements("PartNumber"), ["1", "3", "7"]);
    for (element, text) in [
        ("Bucket", "quarry"),
        ("Key", "a&amp;b"),
        ("UploadId", id.as_str()),
        ("Initiator", "<ID>owner</ID><DisplayName>owner-name</DisplayName>"),
        ("Owner", "<ID>owner</ID><DisplayName>owner-name</DisplayName>"),
        ("StorageClass", "STANDARD"),
        ("PartNumberMarker", "0"),
        ("NextPartNumberMarker", "7"),
        ("MaxParts", "1000"),
        ("IsTruncated", "false"),
        ("ETag", "&quot;37b51d194a7513e45b56f6524f2d51f2&quot;"),
        ("Size", "3"),
        ("LastModified", "2013-05-24T00:00:00.000Z"),
    ] {
        assert_eq!(all.element(element), text, "{element}");
    }
    let first = list("max-parts=2&").await.is(200);
    assert_eq!(
        (first.elements("PartNumber"), first.element("IsTruncated")),
        (vec!["1".into(), "3".into()], "true".into())
    );
    assert_eq!(first.element("NextPartNumberMarker"), "3");
    assert_eq!(list("part-number-marker=3&").await.is(200).elements("PartNumber"), ["7"]);
    let none = list("part-number-marker=10000&").await.is(200);
    assert_eq!((none.elements("Part").len(), none.element("NextPartNumberMarker")), (0, "0".into()));
    let zero = list("max-parts=0&").await.is(200);
    assert_eq!((zero.elements("Part").len(), zero.element("IsTruncated")), (0, "false".into()));
    for bad in ["max-parts=-1&", "max-parts=x&", "part-number-marker=x&", "part-number-marker=-1&"] {
        list(bad).await.refuses(400, "InvalidArgument");
    }
    assert_eq!(list("encoding-type=url&").await.is(200).element("Key"), "a%26b");
}

#[tokio::test]
async fn uploads_are_listed_once_across_all_kinds_of_pages() {
    let world = World::new().await;
    let mut made: Vec<(String, String)> = Vec::new();
    for key in ["b", "a/1", "b", "c", "a/2", "b", "d/1"] {
        made.push((key.to_owned(), world.create_upload(key).await));
        world.advance(1);
    }
    // By key, and within a key in the order of initiation.
    made.sort_by(|a, b| a.0.cmp(&b.0));
    for max in [1, 2, 3, 7, 1_000] {
        let mut seen: Vec<(String, String)> = Vec::new();
        let mut markers = String::new();
        loop {
            let page = world.get(&format!("/quarry?{markers}max-uploads={max}&uploads=")).await.is(200);
            let uploads = page.elements("Upload");
            assert!(uploads.len() <= max);
            seen.extend(page.elements("Key").into_iter().zip(page.elements("UploadId")));
            let (key, id) = (page.element("NextKeyMarker"), page.element("NextUploadIdMarker"));
            assert_eq!((key.clone(), id.clone()), seen.last().cloned().unwrap());
            if page.element("IsTruncated") == "false" {
                break;
            }
            markers = format!("key-marker={}&upload-id-marker={id}&", key.replace('/', "%2F"));
        }
        assert_eq!(seen, made, "pages of {max}");
    }
}

#[tokio::test]
async fn an_upload_shows_who_made_it_when() {
    let world = World::new().await;
    let id = world.create_upload("k").await;
    let page = world.get("/quarry?uploads").await.is(200);
    assert!(page.text().contains("<ListMultipartUploadsResult xmlns="), "{}", page.text());
    assert_eq!(
        page.element("Upload"),
        format!(
            "<Key>k</Key><UploadId>{id}</UploadId><Initiator><ID>owner</ID><DisplayName>owner-name</DisplayName></Initiator>\
             <Owner><ID>owner</ID><DisplayName>owner-name</DisplayName></Owner><StorageClass>STANDARD</StorageClass>\
             <Initiated>2013-05-24T00:00:00.000Z</Initiated>\
             <d:Parts>0</d:Parts><d:Bytes>0</d:Bytes><d:LastActivity>2013-05-24T00:00:00.000Z</d:LastActivity>"
        )
    );
    for element in ["KeyMarker", "UploadIdMarker", "Prefix"] {
        assert_eq!(page.element(element), "", "{element} is there and empty");
    }
    assert_eq!((page.element("MaxUploads"), page.element("IsTruncated")), ("1000".into(), "false".into()));
    world.get("/nowhere?uploads").await.refuses(404, "NoSuchBucket");
    let empty = World::new().await.get("/quarry?uploads").await.is(200);
    assert_eq!(
        (empty.element("NextKeyMarker"), empty.element("NextUploadIdMarker")),
        (String::new(), String::new())
    );
}

#[tokio::test]
async fn both_listings_say_what_an_upload_holds_and_when_it_was_last_active() {
    let world = World::new().await;
    let rule = "<LifecycleConfiguration><Rule><ID>idle &amp; left</ID><Filter><Prefix>a/</Prefix></Filter>\
                <Status>Enabled</Status><AbortIncompleteMultipartUpload>\
                <IdleHours xmlns=\"urn:drystone:s3\">6</IdleHours></AbortIncompleteMultipartUpload></Rule>\
                </LifecycleConfiguration>";
    world.put("/quarry?lifecycle", rule.as_bytes()).await.is(200);
    let id = world.create_upload("a/k").await;
    world.create_upload("b").await;
    world.advance(90);
    world.upload_part("a/k", &id, 4, b"stone").await;
    world.upload_part("a/k", &id, 9, b"wall").await;
    // Replaced: what it held before is not held any more.
    world.upload_part("a/k", &id, 9, b"gate").await;
    let held =
        "<d:Parts>2</d:Parts><d:Bytes>9</d:Bytes><d:LastActivity>2013-05-24T00:01:30.000Z</d:LastActivity>";
    let plan =
        "<d:AbortDate>2013-05-24T06:01:30.000Z</d:AbortDate><d:AbortRuleId>idle &amp; left</d:AbortRuleId>";
    let uploads = world.get("/quarry?uploads").await.is(200);
    assert!(uploads.text().contains(" xmlns:d=\"urn:drystone:s3\">"), "{}", uploads.text());
    let [governed, other] = &uploads.elements("Upload")[..] else { panic!("{}", uploads.text()) };
    assert!(governed.ends_with(&format!("{held}{plan}")), "{governed}");
    assert!(!other.contains("d:Abort"), "no rule is about it: {other}");
    // A page that shows none of its parts tells of all.
    let parts = world.get(&format!("/quarry/a/k?part-number-marker=9&uploadId={id}")).await.is(200);
    assert!(parts.text().contains(" xmlns:d=\"urn:drystone:s3\">"), "{}", parts.text());
    assert!(parts.text().contains(held), "{}", parts.text());
}

#[tokio::test]
async fn prefixes_and_delimiters_roll_uploads_up() {
    let world = World::new().await;
    for key in ["a/1", "a/2", "b", "c/x/1", "c/y"] {
        world.create_upload(key).await;
    }
    let prefixes = |page: &super::world::Reply| {
        page.elements("CommonPrefixes").concat().replace("</Prefix>", " ").replace("<Prefix>", "")
    };
    let page = world.get("/quarry?delimiter=%2F&uploads").await.is(200);
    assert_eq!((page.elements("Key"), prefixes(&page)), (vec!["b".into()], "a/ c/ ".into()));
    assert_eq!(page.element("Delimiter"), "/");
    let below = world.get("/quarry?delimiter=%2F&prefix=c%2F&uploads").await.is(200);
    assert_eq!((below.elements("Key"), prefixes(&below)), (vec!["c/y".into()], "c/x/ ".into()));
    let first = world.get("/quarry?delimiter=%2F&max-uploads=1&uploads").await.is(200);
    assert_eq!(
        (prefixes(&first), first.element("NextKeyMarker"), first.element("NextUploadIdMarker")),
        ("a/ ".into(), "a/".into(), String::new())
    );
    let second = world.get("/quarry?delimiter=%2F&key-marker=a%2F&max-uploads=1&uploads").await.is(200);
    assert_eq!(second.elements("Key"), ["b"]);
    let encoded = world.get("/quarry?delimiter=%2F&encoding-type=url&key-marker=a%20b&uploads").await.is(200);
    assert_eq!(
        (encoded.element("KeyMarker"), encoded.element("EncodingType")),
        ("a%20b".into(), "url".into())
    );
}

#[tokio::test]
async fn a_marker_that_was_aborted_still_marks_its_place() {
    let world = World::new().await;
    let (first, second) = (world.create_upload("k").await, world.create_upload("k").await);
    world.delete(&format!("/quarry/k?uploadId={first}")).await.is(204);
    let page = world.get(&format!("/quarry?key-marker=k&upload-id-marker={first}&uploads")).await.is(200);
    assert_eq!(page.elements("UploadId").join(" "), second);
    world.get("/quarry?key-marker=k&upload-id-marker=nonsense&uploads").await.refuses(400, "InvalidArgument");
    for other in ["j", "l"] {
        let target = format!("/quarry?key-marker={other}&upload-id-marker={second}&uploads");
        let refusal = world.get(&target).await.refuses(400, "InvalidArgument");
        assert_eq!(
            (refusal.element("ArgumentName"), refusal.element("ArgumentValue")),
            ("upload-id-marker".into(), second.clone())
        );
        world.get(&target.replace(&second, &first)).await.is(200);
    }
    world.get("/quarry?upload-id-marker=nonsense&uploads").await.is(200);
    for bad in ["0", "-1", "x"] {
        world.get(&format!("/quarry?max-uploads={bad}&uploads")).await.refuses(400, "InvalidArgument");
    }
}
