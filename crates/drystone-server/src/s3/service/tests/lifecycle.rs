//! Lifecycle configurations: kept, shown, told to whoever begins an upload.

use super::world::World;

fn configuration(rules: &[(&str, &str, &str)]) -> String {
    let rules = rules.iter().map(|(id, prefix, action)| {
        format!(
            "<Rule><ID>{id}</ID><Filter><Prefix>{prefix}</Prefix></Filter><Status>Enabled</Status>\
             <AbortIncompleteMultipartUpload>{action}</AbortIncompleteMultipartUpload></Rule>"
        )
    });
    format!("<LifecycleConfiguration>{}</LifecycleConfiguration>", rules.collect::<String>())
}

const WEEK: &str = "<DaysAfterInitiation>7</DaysAfterInitiation>";
const IDLE: &str = "<IdleHours xmlns=\"urn:drystone:s3\">6</IdleHours>";

#[tokio::test]
async fn rules_are_kept_and_shown() {
    let world = World::new().await;
    let put = async |text: String| world.put("/quarry?lifecycle", text.as_bytes()).await;
    world.get("/quarry?lifecycle").await.refuses(404, "NoSuchLifecycleConfiguration");
    let set = put(configuration(&[("week", "", WEEK), ("idle", "logs/", IDLE)])).await.is(200);
    assert_eq!(set.header("x-amz-transition-default-minimum-object-size"), "all_storage_classes_128K");
    let shown = world.get("/quarry?lifecycle").await.is(200);
    assert_eq!(shown.elements("ID"), ["week", "idle"]);
    assert_eq!(shown.elements("Prefix"), ["", "logs/"]);
    assert_eq!(
        (shown.element("DaysAfterInitiation"), shown.element("Status")),
        ("7".into(), "Enabled".into())
    );
    assert!(shown.text().contains(IDLE), "{}", shown.text());
    put(configuration(&[("week", "", WEEK), ("late", "a", WEEK)])).await.refuses(400, "InvalidRequest");
    put("<LifecycleConfiguration/>".into()).await.refuses(400, "InvalidRequest");
    put("<Lifecycle/>".into()).await.refuses(400, "MalformedXML");
    assert_eq!(world.get("/quarry?lifecycle").await.is(200).elements("ID").len(), 2, "as it was");
    world.delete("/quarry?lifecycle").await.is(204);
    world.delete("/quarry?lifecycle").await.is(204);
    world.get("/quarry?lifecycle").await.refuses(404, "NoSuchLifecycleConfiguration");
    world
        .put("/nowhere?lifecycle", configuration(&[("week", "", WEEK)]).as_bytes())
        .await
        .refuses(404, "NoSuchBucket");
}

#[tokio::test]
async fn who_begins_an_upload_is_told_when_it_will_be_aborted() {
    let world = World::new().await;
    world
        .put("/quarry?lifecycle", configuration(&[("week", "a/", WEEK), ("idle", "a/b/", IDLE)]).as_bytes())
        .await
        .is(200);
    let create =
        async |key: &str| world.send("POST", &format!("/quarry/{key}?uploads"), &[], b"").await.is(200);
    let other = create("b").await;
    assert_eq!((other.maybe("x-amz-abort-date"), other.maybe("x-amz-abort-rule-id")), (None, None));
    let week = create("a/x").await;
    // The worlds begin on 24 May 2013 at midnight.
    assert_eq!(week.header("x-amz-abort-date"), "Fri, 31 May 2013 00:00:00 GMT");
    assert_eq!(week.header("x-amz-abort-rule-id"), "week");
    let id = create("a/b/x").await.element("UploadId");
    world.advance(600);
    world.upload_part("a/b/x", &id, 1, b"part").await;
    let listed = world.get(&format!("/quarry/a/b/x?uploadId={id}")).await.is(200);
    assert_eq!(listed.header("x-amz-abort-date"), "Fri, 24 May 2013 06:10:00 GMT");
    assert_eq!(listed.header("x-amz-abort-rule-id"), "idle");
}
