//! PutObject.

use std::error::Error as StdError;

use bytes::Bytes;
use drystone_core::objects::put::{BODY_BYTES_MAX, Incoming, PutObject, PutOutcome};
use http::request::Parts;
use http::{Response, StatusCode};

use crate::response_body::ResponseBody;
use crate::s3::body::BodyRefusal;
use crate::s3::call::{Answer, Call, Sent, empty, set_etag};
use crate::s3::error::{S3Error, too_large};
use crate::s3::{checksums, conditions, headers};

/// PutObject. Everything that the head alone can decide is decided before the body is asked for.
pub(crate) async fn put_object<B>(call: &Call<'_>, sent: Sent<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: StdError + Send + Sync + 'static,
{
    let request = PutObject {
        bucket: call.bucket()?,
        key: call.key()?,
        attributes: headers::attributes(call.headers())?,
        condition: conditions::of_write(call.headers())?,
        incoming: incoming(call.head, sent)?,
    };
    let outcome = call.store.put_object(&call.caller, request).await?;
    Ok(written(&outcome))
}

/// The body of PutObject and UploadPart in the core's words.
///
/// # Errors
/// `MissingContentLength`, `EntityTooLarge`, and claims that cannot be read.
pub(crate) fn incoming<B>(head: &Parts, sent: Sent<B>) -> Result<Incoming, S3Error>
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: StdError + Send + Sync + 'static,
{
    BodyRefusal::check_length_given(head)?;
    let body = sent.open(head)?;
    let len = body.announced();
    if len > BODY_BYTES_MAX {
        return Err(too_large(len, BODY_BYTES_MAX));
    }
    Ok(Incoming {
        len,
        content_md5: body.content_md5(),
        sha256: body.sha256(),
        checksum: checksums::claim(&head.headers, body.trailer_announced())?,
        body: Box::pin(body),
    })
}

fn written(outcome: &PutOutcome) -> Response<ResponseBody> {
    let mut response = empty(StatusCode::OK);
    set_etag(response.headers_mut(), &outcome.etag);
    checksums::write_headers(response.headers_mut(), &outcome.checksum);
    response
}
