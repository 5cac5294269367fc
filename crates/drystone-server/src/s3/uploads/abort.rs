//! AbortMultipartUpload.

use drystone_core::uploads::abort::AbortUpload;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};

use crate::s3::call::{Answer, Call, empty};
use crate::s3::dates::parse_date;
use crate::s3::error::S3Error;
use crate::s3::headers::filled;

const IF_INITIATED: &str = "x-amz-if-match-initiated-time";
/// Our extension: how many parts the abort freed.
const FREED_PARTS: HeaderName = HeaderName::from_static("x-drystone-freed-parts");
/// Our extension: how many bytes the abort freed.
const FREED_BYTES: HeaderName = HeaderName::from_static("x-drystone-freed-bytes");

/// AbortMultipartUpload: after its 204 nothing of the upload is left, and nothing can come back.
pub(crate) async fn abort_multipart_upload(call: &Call<'_>) -> Answer {
    let if_initiated = filled(call.headers(), IF_INITIATED)
        .map(|text| {
            let why = "The value must be a date, as ListMultipartUploads shows it or as HTTP writes it";
            parse_date(&text).ok_or_else(|| S3Error::argument(IF_INITIATED, &text, why))
        })
        .transpose()?;
    let (bucket, key, upload_id) = (call.bucket()?, call.key()?, call.upload_id());
    let request = AbortUpload { bucket, key, upload_id, if_initiated };
    let aborted = call.store.abort_upload(&call.caller, request).await?;
    let mut response = empty(StatusCode::NO_CONTENT);
    response.headers_mut().insert(FREED_PARTS, HeaderValue::from(aborted.parts));
    response.headers_mut().insert(FREED_BYTES, HeaderValue::from(aborted.bytes));
    Ok(response)
}
