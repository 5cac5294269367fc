//! The AWS SDK for Rust at work: prints one `name value` line for each thing it saw, for the test to judge.
//!
//! It uploads a file in parts and reads it back, leaves uploads unfinished, lists them page by page, aborts them,
//! and asks what the refusals look like through the SDK's own error types.
#![expect(clippy::print_stdout, reason = "what it prints is what the test reads")]

use std::env;
use std::io::Read as _;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Part};
use sha2::{Digest as _, Sha256};

/// Bytes of each part.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// The bucket that the run makes and removes.
const BUCKET: &str = "bucket";

#[tokio::main]
async fn main() -> Result<()> {
    let client = client()?;
    client.create_bucket().bucket(BUCKET).send().await.context("create the bucket")?;
    whole_object(&client).await?;
    object_in_parts(&client, &env::var("FILE")?).await?;
    unfinished_uploads(&client).await?;
    refusals(&client).await?;
    client.delete_bucket().bucket(BUCKET).send().await.context("delete the bucket")?;
    Ok(())
}

/// A client for the endpoint in the environment, over plain HTTP.
fn client() -> Result<Client> {
    let credentials = Credentials::new(
        env::var("AWS_ACCESS_KEY_ID")?,
        env::var("AWS_SECRET_ACCESS_KEY")?,
        None,
        None,
        "test",
    );
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(env::var("ENDPOINT")?)
        .region(Region::new(env::var("AWS_REGION")?))
        .credentials_provider(credentials)
        .force_path_style(true)
        .build();
    Ok(Client::from_conf(config))
}

/// A small object with metadata, put whole.
async fn whole_object(client: &Client) -> Result<()> {
    let body = ByteStream::from_static(b"stone");
    let put = client.put_object().bucket(BUCKET).key("small").metadata("moss", "green").body(body);
    put.send().await.context("put the small object")?;
    let got = client.get_object().bucket(BUCKET).key("small").send().await.context("get the small object")?;
    println!("metadata {}", got.metadata().and_then(|all| all.get("moss")).map_or("", String::as_str));
    println!("small {}", String::from_utf8(got.body.collect().await?.to_vec())?);
    client.delete_object().bucket(BUCKET).key("small").send().await.context("delete the small object")?;
    Ok(())
}

/// A file that goes in parts, is read back, and is removed.
async fn object_in_parts(client: &Client, path: &str) -> Result<()> {
    let upload = create(client, "big").await?;
    let mut file = std::fs::File::open(path).with_context(|| format!("open {path}"))?;
    let mut parts = CompletedMultipartUpload::builder();
    for number in 1.. {
        let mut body = Vec::with_capacity(PART_BYTES);
        (&mut file).take(PART_BYTES as u64).read_to_end(&mut body)?;
        if body.is_empty() {
            break;
        }
        parts = parts.parts(put_part(client, "big", &upload, number, body).await?);
    }
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("big").upload_id(&upload);
    complete.multipart_upload(parts.build()).send().await.context("complete")?;
    let mut got = client.get_object().bucket(BUCKET).key("big").send().await.context("get the big object")?;
    let mut hash = Sha256::new();
    while let Some(piece) = got.body.try_next().await? {
        hash.update(&piece);
    }
    println!("big {:x}", hash.finalize());
    client.delete_object().bucket(BUCKET).key("big").send().await.context("delete the big object")?;
    Ok(())
}

/// Uploads that are left, listed by pages of two, and aborted.
async fn unfinished_uploads(client: &Client) -> Result<()> {
    let mut left = Vec::new();
    for key in ["c", "a", "b"] {
        let upload = create(client, key).await?;
        put_part(client, key, &upload, 7, vec![1; PART_BYTES]).await?;
        left.push((key, upload));
    }
    println!("left {}", uploads(client).await?.join(","));
    for (key, upload) in &left {
        let listed = client
            .list_parts()
            .bucket(BUCKET)
            .key(*key)
            .upload_id(upload)
            .send()
            .await
            .context("list parts")?;
        let numbers: Vec<_> = listed.parts().iter().map(Part::part_number).collect();
        ensure!(numbers == [Some(7)], "{listed:?}");
        let abort = client.abort_multipart_upload().bucket(BUCKET).key(*key).upload_id(upload);
        abort.send().await.context("abort")?;
    }
    println!("after {}", uploads(client).await?.join(","));
    let (key, upload) = left.first().context("three uploads were left")?;
    let again = client.abort_multipart_upload().bucket(BUCKET).key(*key).upload_id(upload).send().await;
    let refusal = again.err().context("the second abort was accepted")?.into_service_error();
    println!("again {} {}", refusal.is_no_such_upload(), refusal.code().unwrap_or_default());
    Ok(())
}

/// What an application sees of a refusal.
async fn refusals(client: &Client) -> Result<()> {
    let got = client.get_object().bucket(BUCKET).key("nowhere").send().await;
    println!("nowhere {}", got.err().context("it was there")?.into_service_error().is_no_such_key());
    let head = client.head_object().bucket(BUCKET).key("nowhere").send().await;
    println!("head {}", head.err().context("it was there")?.into_service_error().is_not_found());
    Ok(())
}

/// Starts an upload and returns its id.
async fn create(client: &Client, key: &str) -> Result<String> {
    let created =
        client.create_multipart_upload().bucket(BUCKET).key(key).send().await.context("create an upload")?;
    created.upload_id().map(str::to_owned).context("the answer holds no upload id")
}

/// Uploads one part and returns what Complete wants to know of it.
async fn put_part(
    client: &Client,
    key: &str,
    upload: &str,
    number: i32,
    body: Vec<u8>,
) -> Result<CompletedPart> {
    let put = client.upload_part().bucket(BUCKET).key(key).upload_id(upload).part_number(number);
    let answer =
        put.body(ByteStream::from(body)).send().await.with_context(|| format!("upload part {number}"))?;
    Ok(CompletedPart::builder()
        .part_number(number)
        .set_e_tag(answer.e_tag().map(str::to_owned))
        .set_checksum_crc32(answer.checksum_crc32().map(str::to_owned))
        .set_checksum_crc64_nvme(answer.checksum_crc64_nvme().map(str::to_owned))
        .build())
}

/// The keys of all unfinished uploads, page by page.
async fn uploads(client: &Client) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    let (mut key_marker, mut upload_marker) = (None, None);
    loop {
        let list = client.list_multipart_uploads().bucket(BUCKET).max_uploads(2);
        let list = list.set_key_marker(key_marker).set_upload_id_marker(upload_marker);
        let page = list.send().await.context("list uploads")?;
        keys.extend(page.uploads().iter().filter_map(|upload| upload.key().map(str::to_owned)));
        if page.is_truncated() != Some(true) {
            return Ok(keys);
        }
        key_marker = page.next_key_marker().map(str::to_owned);
        upload_marker = page.next_upload_id_marker().map(str::to_owned);
    }
}
