//! The API for administrators, on the S3 port.

use super::world::{Who, World};

const JOBS: &str = "/.drystone/api/v1/upload-aborts";

#[tokio::test]
async fn a_job_goes_from_its_preview_to_its_receipt() {
    let world = World::new().await;
    let id = world.create_upload("wall").await;
    world.upload_part("wall", &id, 1, b"stone").await;
    let made = world.send("POST", JOBS, &[], br#"{"all":true}"#).await.is(201);
    assert!(made.text().contains(r#""planned":{"bytes":5,"parts":1,"uploads":1}"#), "{}", made.text());
    let job = made.text().split(r#""id":""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let one = format!("{JOBS}/{job}");
    assert!(world.get(&format!("{one}/receipt")).await.is(409).text().contains("InvalidState"));
    world.send("POST", &format!("{one}/start"), &[], b"").await.is(202);
    let cancelled = world.delete(&one).await.is(200);
    assert!(cancelled.text().contains(r#""state":"cancelled""#), "{}", cancelled.text());
    let receipt = world.get(&format!("{one}/receipt")).await.is(200);
    assert!(receipt.text().starts_with(r#"{"buckets":[],"job":{"#), "{}", receipt.text());
    assert_eq!(receipt.header("content-type"), "application/json");
    assert_eq!(receipt.header("cache-control"), "no-store");
}

#[tokio::test]
async fn it_is_the_root_accounts_alone() {
    let world = World::new().await;
    let refused = world.send_as(Who::Other, "GET", JOBS, &[], b"").await.is(403);
    assert!(refused.text().contains("root account"), "{}", refused.text());
    assert_eq!(refused.header("x-amz-request-id").len(), 16);
    world.get(JOBS).await.is(200);
}
