//! ListObjects, ListObjectsV2, ListObjectVersions.

use super::world::World;

async fn with(keys: &[&str]) -> World {
    let world = World::new().await;
    for key in keys {
        world.put(&format!("/quarry/{key}"), b"x").await.is(200);
    }
    world
}

#[tokio::test]
async fn a_listing_shows_each_object() {
    let world = World::new().await;
    world.send("PUT", "/quarry/a%26b", &[("x-amz-storage-class", "STANDARD_IA")], b"bar").await.is(200);
    let one = world.get("/quarry").await.is(200);
    assert_eq!(
        one.element("Contents"),
        "<Key>a&amp;b</Key><LastModified>2013-05-24T00:00:00.000Z</LastModified>\
         <ETag>&quot;37b51d194a7513e45b56f6524f2d51f2&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>\
         <ChecksumType>FULL_OBJECT</ChecksumType><Size>3</Size><Owner><ID>owner</ID><DisplayName>owner-name</DisplayName>\
         </Owner><StorageClass>STANDARD_IA</StorageClass>"
    );
    for (element, text) in
        [("Name", "quarry"), ("Prefix", ""), ("Marker", ""), ("MaxKeys", "1000"), ("IsTruncated", "false")]
    {
        assert_eq!(one.element(element), text, "{element}");
    }
    assert_eq!(one.header("x-amz-bucket-region"), "us-east-1");
    let two = world.get("/quarry?list-type=2").await.is(200);
    assert_eq!((two.find("Owner"), two.element("KeyCount"), two.find("Marker")), (None, "1".into(), None));
    assert!(world.get("/quarry?fetch-owner=true&list-type=2").await.find("Owner").is_some());
}

#[tokio::test]
async fn version_1_pages_by_markers() {
    let world = with(&["asdf", "boo/bar", "boo/baz/xyzzy", "cquux/thud", "cquux/bla"]).await;
    let list = async |query: &str| {
        let reply = world.get(&format!("/quarry?{query}")).await.is(200);
        let keys = reply.elements("Key");
        let prefixes: Vec<String> = reply
            .elements("CommonPrefixes")
            .iter()
            .map(|p| p.replace("<Prefix>", "").replace("</Prefix>", ""))
            .collect();
        (keys, prefixes, reply.find("NextMarker"), reply.element("IsTruncated"))
    };
    let is = |keys: &[&str], prefixes: &[&str], next: Option<&str>, truncated: &str| {
        let owned = |list: &[&str]| list.iter().map(|&s| s.to_owned()).collect::<Vec<_>>();
        (owned(keys), owned(prefixes), next.map(str::to_owned), truncated.to_owned())
    };
    assert_eq!(list("delimiter=%2F&max-keys=1").await, is(&["asdf"], &[], Some("asdf"), "true"));
    assert_eq!(list("delimiter=%2F&marker=asdf&max-keys=1").await, is(&[], &["boo/"], Some("boo/"), "true"));
    assert_eq!(list("delimiter=%2F&marker=boo%2F&max-keys=1").await, is(&[], &["cquux/"], None, "false"));
    assert_eq!(list("delimiter=%2F&marker=boo%2Fbar&max-keys=1").await, is(&[], &["cquux/"], None, "false"));
    assert_eq!(list("delimiter=%2F&max-keys=2").await, is(&["asdf"], &["boo/"], Some("boo/"), "true"));
    assert_eq!(list("delimiter=%2F&prefix=boo%2F").await, is(&["boo/bar"], &["boo/baz/"], None, "false"));
    assert_eq!(list("max-keys=2").await, is(&["asdf", "boo/bar"], &[], None, "true"));
    assert_eq!(list("marker=boo%2Fzzz").await, is(&["cquux/bla", "cquux/thud"], &[], None, "false"));
    assert_eq!(list("max-keys=0").await, is(&[], &[], None, "false"));
}

#[tokio::test]
async fn version_2_pages_by_tokens() {
    let keys: Vec<String> = (0..25).map(|n| format!("k{}/{n:02}", n % 5)).collect();
    let world = with(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (delimiter, want) in [("", 25), ("&delimiter=%2F", 5)] {
        let mut seen: Vec<String> = Vec::new();
        let mut token = String::new();
        loop {
            let page = world.get(&format!("/quarry?{token}list-type=2&max-keys=3{delimiter}")).await.is(200);
            let names = if want == 25 { page.elements("Key") } else { page.elements("CommonPrefixes") };
            assert_eq!(page.element("KeyCount"), names.len().to_string());
            seen.extend(names);
            match page.find("NextContinuationToken") {
                Some(next) => token = format!("continuation-token={next}&"),
                None => break,
            }
        }
        let mut sorted = seen.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!((seen.len(), &seen), (want, &sorted), "each once, in order");
    }
    world.get("/quarry?continuation-token=tampered&list-type=2").await.refuses(400, "InvalidArgument");
    let empty = world.get("/quarry?continuation-token=&list-type=2&max-keys=1").await.is(200);
    assert_eq!(empty.element("ContinuationToken"), "");
}

#[tokio::test]
async fn start_after_begins_behind_a_key_and_a_token_wins() {
    let world = with(&["bar", "baz", "foo", "quxx"]).await;
    let first = world.get("/quarry?list-type=2&max-keys=1&start-after=bar").await.is(200);
    assert_eq!((first.elements("Key"), first.element("StartAfter")), (vec!["baz".into()], "bar".into()));
    let token = first.element("NextContinuationToken");
    let second =
        world.get(&format!("/quarry?continuation-token={token}&list-type=2&start-after=bar")).await.is(200);
    assert_eq!(second.elements("Key"), ["foo", "quxx"]);
    assert_eq!((second.element("StartAfter"), second.element("ContinuationToken")), ("bar".into(), token));
    assert_eq!(world.get("/quarry?list-type=2&start-after=blah").await.elements("Key"), ["foo", "quxx"]);
}

#[tokio::test]
async fn names_can_be_asked_for_in_url_encoding() {
    let world = with(&["foo%2B1/bar", "quux%20ab/thud", "asdf%2Bb", "%01"]).await;
    let reply = world.get("/quarry?delimiter=%2F&encoding-type=url").await.is(200);
    assert_eq!(reply.elements("Key"), ["%01", "asdf%2Bb"]);
    assert_eq!(reply.element("EncodingType"), "url");
    let prefixes: String = reply.elements("CommonPrefixes").concat();
    assert_eq!(prefixes, "<Prefix>foo%2B1/</Prefix><Prefix>quux%20ab/</Prefix>");
    assert_eq!(world.get("/quarry?prefix=%01").await.elements("Key"), ["&#x1;"]);
    world.get("/quarry?encoding-type=base64").await.refuses(400, "InvalidArgument");
    for bad in ["-1", "x", "2147483648"] {
        let reply = world.get(&format!("/quarry?max-keys={bad}")).await.refuses(400, "InvalidArgument");
        assert_eq!(
            (reply.element("ArgumentName"), reply.element("ArgumentValue")),
            ("maxKeys".into(), bad.into())
        );
    }
}

#[tokio::test]
async fn each_object_is_its_one_version() {
    let world = with(&["a", "b/1", "b/2", "c"]).await;
    let page = world.get("/quarry?max-keys=3&versions").await.is(200);
    assert_eq!(page.elements("VersionId"), ["null", "null", "null"]);
    assert_eq!((page.elements("IsLatest").len(), page.element("IsTruncated")), (3, "true".into()));
    assert_eq!(
        (page.element("NextKeyMarker"), page.element("NextVersionIdMarker")),
        ("b/2".into(), "null".into())
    );
    let last = world.get("/quarry?key-marker=b%2F2&version-id-marker=null&versions").await.is(200);
    assert_eq!((last.elements("Key"), last.find("NextKeyMarker")), (vec!["c".into()], None));
    let rolled = world.get("/quarry?delimiter=%2F&versions").await.is(200);
    assert_eq!(
        (rolled.elements("Key"), rolled.elements("CommonPrefixes").len()),
        (vec!["a".into(), "c".into()], 1)
    );
    world.get("/quarry?version-id-marker=null&versions").await.refuses(400, "InvalidArgument");
}
