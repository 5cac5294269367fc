//! CompleteMultipartUpload.
//!
//! Completing takes one metadata transaction, so the answer has the true status. Only when that
//! transaction has to wait for very long does the answer begin before its outcome is known, as S3's
//! own does: a 200, blanks that keep the connection open, and then the result or the error. Proxies
//! and clients that give up on silent connections would otherwise repeat a request that succeeds.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use drystone_core::error::Error;
use drystone_core::names::PartNumber;
use drystone_core::objects::put::PutOutcome;
use drystone_core::uploads::complete::{CompleteUpload, ListedPart};
use futures_util::stream;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response};

use crate::deadline;
use crate::response_body::{BoxError, ResponseBody};
use crate::s3::call::{Answer, Call, Sent, document};
use crate::s3::error::S3Error;
use crate::s3::headers::filled;
use crate::s3::route::host;
use crate::s3::xml::reader::{Document, malformed};
use crate::s3::xml::writer::{DECLARATION, Writer};
use crate::s3::{checksums, conditions};

/// Most parts of an object.
const PARTS_MAX: usize = 10_000;
/// Largest document: each part with its number, tag, a SHA-256 and markup takes some 300 bytes.
const DOCUMENT_BYTES_MAX: usize = PARTS_MAX * 512;
/// How long the answer waits for its true status.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// How often a blank is sent after that.
const BLANK_EVERY: Duration = Duration::from_secs(5);

type Completing = Pin<Box<dyn Future<Output = Result<PutOutcome, Error>> + Send>>;

/// CompleteMultipartUpload.
pub(crate) async fn complete_multipart_upload<B>(call: &Call<'_>, sent: Sent<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: StdError + Send + Sync + 'static,
{
    let (bucket, key, upload_id) = (call.bucket()?, call.key()?, call.upload_id());
    refuse_forms(call.headers())?;
    let condition = conditions::of_write(call.headers())?;
    let object_size = read_object_size(call.headers())?;
    let given = checksums::of_complete(call.headers())?;
    let checksum_type = checksums::kind(call.headers())?;
    let body = sent.plain_document(call.head, DOCUMENT_BYTES_MAX).await?;
    let parts = read_parts(&body)?;
    check_count(given.and_then(|(_, count)| count), parts.len())?;
    let checksum = given.map(|(sum, _)| sum);
    let request =
        CompleteUpload { bucket, key, upload_id, parts, object_size, checksum, checksum_type, condition };

    let (store, caller) = (Arc::clone(call.store), call.caller.clone());
    let mut completing: Completing = Box::pin(async move { store.complete_upload(&caller, request).await });
    let result = Completed {
        location: location(call),
        bucket: call.target.bucket.as_deref().unwrap_or_default().to_owned(),
        key: call.target.key.as_deref().unwrap_or_default().to_owned(),
    };
    match deadline::within(SILENCE_MAX, &mut completing).await {
        Some(outcome) => Ok(document(result.write(&outcome?))),
        None => Ok(keep_alive(completing, result)),
    }
}

/// What the answer shows besides the outcome.
struct Completed {
    location: String,
    bucket: String,
    key: String,
}

impl Completed {
    fn write(&self, outcome: &PutOutcome) -> Writer {
        let mut xml = Writer::new("CompleteMultipartUploadResult");
        xml.echo("Location", &self.location);
        xml.text("Bucket", &self.bucket);
        xml.echo("Key", &self.key);
        xml.etag(&outcome.etag);
        checksums::write_elements(&mut xml, &outcome.checksum);
        xml
    }
}

/// The address of the object, as the client addressed it.
fn location(call: &Call<'_>) -> String {
    format!("{}://{}{}", call.scheme, host(call.head).unwrap_or("localhost"), call.head.uri.path())
}

/// Begins the answer now and ends it when the outcome is known.
fn keep_alive(completing: Completing, result: Completed) -> Response<ResponseBody> {
    enum Step {
        Begin,
        Wait,
        End,
    }
    let pieces =
        stream::unfold((Step::Begin, completing, result), |(step, mut completing, result)| async move {
            let (piece, next) = match step {
                Step::Begin => (Bytes::from_static(DECLARATION.as_bytes()), Step::Wait),
                Step::Wait => match deadline::within(BLANK_EVERY, &mut completing).await {
                    None => (Bytes::from_static(b" "), Step::Wait),
                    Some(outcome) => (last_piece(&result, outcome), Step::End),
                },
                Step::End => return None,
            };
            Some((Ok::<_, BoxError>(piece), (next, completing, result)))
        });
    let mut response = Response::new(ResponseBody::unsized_stream(pieces));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// The document without its declaration, which was sent long before.
fn last_piece(result: &Completed, outcome: Result<PutOutcome, Error>) -> Bytes {
    let document = match outcome {
        Ok(outcome) => result.write(&outcome).finish(),
        Err(error) => {
            let refusal = S3Error::from(error);
            if let Some(cause) = refusal.cause() {
                tracing::error!(error = cause, "an upload could not be completed");
            }
            refusal.short_document()
        }
    };
    document.slice(DECLARATION.len().min(document.len())..)
}

/// S3 takes a form's encoding for a form, which this is not.
fn refuse_forms(headers: &HeaderMap) -> Result<(), S3Error> {
    let form = filled(headers, "content-type")
        .is_some_and(|kind| kind.trim_start().starts_with("application/x-www-form-urlencoded"));
    if !form {
        return Ok(());
    }
    Err(S3Error::request(
        "CompleteMultipartUpload takes an XML document; do not send Content-Type: application/x-www-form-urlencoded",
    ))
}

fn read_object_size(headers: &HeaderMap) -> Result<Option<u64>, S3Error> {
    let Some(text) = filled(headers, "x-amz-mp-object-size") else { return Ok(None) };
    match text.trim().parse::<i64>() {
        Ok(size) => u64::try_from(size).map(Some).map_err(|_| {
            S3Error::request(format!("Value for x-amz-mp-object-size header is less than zero: '{size}'"))
        }),
        Err(_) => {
            Err(S3Error::request(format!("Value for x-amz-mp-object-size header is invalid: '{text}'")))
        }
    }
}

/// The `-N` of a composite checksum says how many parts the client means.
fn check_count(given: Option<u16>, listed: usize) -> Result<(), S3Error> {
    if given.is_none_or(|given| usize::from(given) == listed) {
        return Ok(());
    }
    Err(S3Error::request(
        "The number of parts in the x-amz-checksum- header is not the number of parts listed.",
    ))
}

/// The parts of a `CompleteMultipartUpload` document; an empty body lists none. S3's schema wants
/// at least one part in a document.
pub(crate) fn read_parts(body: &[u8]) -> Result<Vec<ListedPart>, S3Error> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let mut complete = Document::open(body, "CompleteMultipartUpload")?;
    let mut parts = Vec::new();
    while let Some(name) = complete.child()? {
        match name.as_str() {
            "Part" if parts.len() >= PARTS_MAX => return Err(malformed()),
            "Part" => parts.push(read_part(&mut complete)?),
            _ => complete.skip()?,
        }
    }
    complete.end()?;
    if parts.is_empty() { Err(malformed()) } else { Ok(parts) }
}

fn read_part(complete: &mut Document<'_>) -> Result<ListedPart, S3Error> {
    let (mut number, mut etag, mut checksum) = (None, None, None);
    while let Some(name) = complete.child()? {
        match name.as_str() {
            "PartNumber" => number = Some(complete.text()?),
            "ETag" => etag = Some(complete.text()?),
            element => match drystone_core::checksum::Algorithm::ALL
                .into_iter()
                .find(|algorithm| checksums::element_name(*algorithm) == element)
            {
                // A checksum that is passed over would be a promise that nobody compares.
                None if element.starts_with("Checksum") => return Err(checksums::unsupported()),
                None => complete.skip()?,
                Some(algorithm) => {
                    let text = complete.text()?;
                    let sum = checksums::decode(algorithm, &text);
                    if sum.is_none() || checksum.is_some() {
                        return Err(S3Error::argument(
                            "Checksum",
                            &format!("{}:{text}", algorithm.name()),
                            "Invalid Base64 or multiple checksums present in request",
                        ));
                    }
                    checksum = sum;
                }
            },
        }
    }
    let part = read_number(&number.ok_or_else(malformed)?)?;
    Ok(ListedPart { part, etag: etag.ok_or_else(malformed)?, checksum })
}

fn read_number(text: &str) -> Result<PartNumber, S3Error> {
    let number: i64 = text.trim().parse().map_err(|_| malformed())?;
    let part = u64::try_from(number).ok().and_then(|number| PartNumber::new(number).ok());
    part.ok_or_else(|| {
        let why = if number < 1 { "PartNumber must be >= 1" } else { "PartNumber must be <= 10000" };
        S3Error::argument("PartNumber", text.trim(), why)
    })
}

#[cfg(test)]
mod tests;
