//! UploadPart.

use std::error::Error as StdError;

use bytes::Bytes;
use drystone_core::uploads::part::UploadPart;
use http::StatusCode;

use crate::s3::call::{Answer, Call, Sent, empty, set_etag};
use crate::s3::checksums;
use crate::s3::get::part_number;
use crate::s3::headers::refuse_unbuilt;
use crate::s3::put::incoming;

/// UploadPart. A part of an upload that is gone is refused before its body is asked for.
pub(crate) async fn upload_part<B>(call: &Call<'_>, sent: Sent<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: StdError + Send + Sync + 'static,
{
    refuse_unbuilt(call.headers())?;
    let request = UploadPart {
        bucket: call.bucket()?,
        key: call.key()?,
        part: part_number(call.query.get("partNumber").unwrap_or_default())?,
        upload_id: call.upload_id(),
        incoming: incoming(call.head, sent)?,
    };
    let outcome = call.store.upload_part(&call.caller, request).await?;
    let mut response = empty(StatusCode::OK);
    set_etag(response.headers_mut(), &outcome.etag);
    checksums::write_part_header(response.headers_mut(), &outcome.checksum);
    Ok(response)
}
