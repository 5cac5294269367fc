//! CreateMultipartUpload.

use drystone_core::uploads::create::CreateUpload;
use http::header::HeaderValue;

use crate::s3::call::{Answer, Call, document};
use crate::s3::xml::writer::Writer;
use crate::s3::{checksums, headers, lifecycle};

/// CreateMultipartUpload. What the object will keep is all said here.
pub(crate) async fn create_multipart_upload(call: &Call<'_>) -> Answer {
    let (bucket, key) = (call.bucket()?, call.key()?);
    let attributes = headers::attributes(call.headers())?;
    let checksum = checksums::named(call.headers(), "x-amz-checksum-algorithm")?;
    let checksum_type = checksums::kind(call.headers())?;
    checksums::check_pair(checksum, checksum_type)?;
    let request = CreateUpload { bucket, key, attributes, checksum, checksum_type };
    let upload = call.store.create_upload(&call.caller, request).await?;

    let mut xml = Writer::new("InitiateMultipartUploadResult");
    xml.text("Bucket", call.target.bucket.as_deref().unwrap_or_default());
    xml.echo("Key", upload.key.as_str());
    xml.value("UploadId", upload.upload_id);
    let mut response = document(xml);
    lifecycle::write_plan(response.headers_mut(), upload.abort.as_ref());
    if let Some(algorithm) = upload.checksum.algorithm {
        let headers = response.headers_mut();
        headers.insert("x-amz-checksum-algorithm", HeaderValue::from_static(algorithm.name()));
        headers.insert("x-amz-checksum-type", HeaderValue::from_static(upload.checksum.kind.name()));
    }
    Ok(response)
}
