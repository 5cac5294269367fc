//! GetObject and HeadObject: the same answer, with and without its bytes.

use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use drystone_core::error::Error;
use drystone_core::names::{ObjectKey, PartNumber, Timestamp};
use drystone_core::objects::ObjectReader;
use drystone_core::objects::conditions::{ETagMatch, ReadConditions};
use drystone_core::objects::get::{ByteRange, GetObject, Located, LocatedPart, Span};
use drystone_core::objects::object::ObjectInfo;
use futures_util::Stream;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, EXPIRES, HeaderMap, HeaderName, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{Response, StatusCode};

use crate::response_body::{BoxError, ResponseBody};
use crate::s3::call::{Answer, Call, set, set_etag};
use crate::s3::dates::{HttpDate, parse_date};
use crate::s3::error::{NO_SUCH_VERSION, S3Error};
use crate::s3::headers::{filled, text_of, value_of, write_attributes};
use crate::s3::query::Query;
use crate::s3::xml::reader::parse_number;
use crate::s3::{checksums, conditions, ranges};

/// Headers of an ordinary answer, so that their map is allocated once.
const HEADERS_EXPECTED: usize = 16;
/// Length of a version id of S3; ours give none out but `null`.
const VERSION_ID_LEN: usize = 32;
/// Query parameters that replace a header of the answer.
const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-cache-control", CACHE_CONTROL),
    ("response-content-disposition", CONTENT_DISPOSITION),
    ("response-content-encoding", CONTENT_ENCODING),
    ("response-content-language", CONTENT_LANGUAGE),
    ("response-content-type", CONTENT_TYPE),
    ("response-expires", EXPIRES),
];

/// GetObject.
pub(crate) fn get_object(call: &Call<'_>) -> Answer {
    let mut request = read_request(call)?;
    let (located, reader) = match call.store.get_object(&call.caller, &request) {
        // The object changed between the look at its tag and the read: If-Range then means all of it.
        Ok((located, _))
            if matches!(request.span, Span::Range(_)) && !if_range_holds(call, &located.info) =>
        {
            request.span = Span::Whole;
            call.store.get_object(&call.caller, &request)
        }
        Err(Error::InvalidRange { size: 0 }) if is_suffix(request.span) => {
            request.span = Span::Whole;
            call.store.get_object(&call.caller, &request)
        }
        other => other,
    }
    .map_err(|error| refusal(call, error))?;
    let mut response = head_of(call, &located, request.span)?;
    *response.body_mut() = body_of(&located.range, reader);
    Ok(response)
}

/// HeadObject.
pub(crate) fn head_object(call: &Call<'_>) -> Answer {
    let mut request = read_request(call)?;
    let located = match call.store.head_object(&call.caller, &request) {
        Err(Error::InvalidRange { size: 0 }) if is_suffix(request.span) => {
            request.span = Span::Whole;
            call.store.head_object(&call.caller, &request)
        }
        other => other,
    }
    .map_err(|error| refusal(call, error))?;
    let mut response = head_of(call, &located, request.span)?;
    let len = located.range.end - located.range.start;
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(len));
    Ok(response)
}

/// Refuses version ids that no object here has: `null` is the only version of every object.
///
/// # Errors
/// `InvalidArgument` for what is no version id, `NoSuchVersion` for what might be one.
pub(crate) fn check_version(call: &Call<'_>) -> Result<(), S3Error> {
    let Some(version) = call.query.get("versionId") else { return Ok(()) };
    match check_version_id(version)? {
        Version::Null => Ok(()),
        Version::Unknown => Err(no_such_version(&call.key()?, version)),
    }
}

/// A version id that could be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// The version of every object in a bucket without versioning.
    Null,
    /// One that was never given out here.
    Unknown,
}

/// Reads a version id.
///
/// # Errors
/// `InvalidArgument` for what cannot be one.
pub(crate) fn check_version_id(version: &str) -> Result<Version, S3Error> {
    if version == "null" {
        return Ok(Version::Null);
    }
    if version.is_empty() {
        return Err(S3Error::argument("versionId", version, "Version id cannot be the empty string"));
    }
    let letters = version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if version.len() == VERSION_ID_LEN && letters {
        return Ok(Version::Unknown);
    }
    Err(S3Error::argument("versionId", version, "Invalid version id specified"))
}

/// The refusal of a version that does not exist.
pub(crate) fn no_such_version(key: &ObjectKey, version: &str) -> S3Error {
    S3Error::new(&NO_SUCH_VERSION).with("Key", key.as_str()).with("VersionId", version)
}

/// The read that the request asks for.
fn read_request(call: &Call<'_>) -> Result<GetObject, S3Error> {
    let headers = call.headers();
    if headers.contains_key("x-amz-server-side-encryption-customer-algorithm") {
        return Err(S3Error::request("The encryption parameters are not applicable to this object."));
    }
    check_version(call)?;
    let conditions = conditions::of_read(headers, call.now);
    let mut request = GetObject { bucket: call.bucket()?, key: call.key()?, conditions, span: span(call)? };
    if headers.contains_key(IF_RANGE) && matches!(request.span, Span::Range(_)) {
        let whole = GetObject { span: Span::Whole, conditions: ReadConditions::default(), ..request.clone() };
        let located = call.store.head_object(&call.caller, &whole)?;
        if !if_range_holds(call, &located.info) {
            request.span = Span::Whole;
        }
    }
    Ok(request)
}

fn span(call: &Call<'_>) -> Result<Span, S3Error> {
    let range = text_of(call.headers(), &RANGE);
    match (call.query.get("partNumber"), range) {
        (Some(_), Some(_)) => {
            Err(S3Error::request("Cannot specify both Range header and partNumber query parameter"))
        }
        (Some(part), None) => Ok(Span::Part(part_number(part)?)),
        (None, Some(range)) => Ok(ranges::parse(&range).map_or(Span::Whole, Span::Range)),
        (None, None) => Ok(Span::Whole),
    }
}

/// Reads `partNumber`.
///
/// # Errors
/// `InvalidArgument` for anything but an integer from 1 to 10,000.
pub(crate) fn part_number(text: &str) -> Result<PartNumber, S3Error> {
    parse_number(text).and_then(|number| PartNumber::new(number).ok()).ok_or_else(|| {
        S3Error::argument("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive")
    })
}

/// Whether `If-Range` is absent or names this state of the object (RFC 9110, section 13.1.5).
fn if_range_holds(call: &Call<'_>, info: &ObjectInfo) -> bool {
    let Some(validator) = text_of(call.headers(), &IF_RANGE) else { return true };
    match parse_date(&validator) {
        Some(time) => info.modified.seconds() == time.seconds(),
        None if validator.trim_start().starts_with("W/") => false,
        None => match conditions::parse_tags(&validator) {
            ETagMatch::Any => false,
            tags @ ETagMatch::OneOf(_) => tags.names(&info.etag),
        },
    }
}

/// The last bytes of an empty object are all of it, at S3; only `bytes=-0` is not satisfiable.
fn is_suffix(span: Span) -> bool {
    matches!(span, Span::Range(ByteRange::Last { count: 1.. }))
}

fn refusal(call: &Call<'_>, error: Error) -> S3Error {
    let range =
        if matches!(error, Error::InvalidRange { .. }) { text_of(call.headers(), &RANGE) } else { None };
    let refusal = S3Error::from(error);
    match range {
        Some(range) => refusal.with("RangeRequested", range),
        None => refusal,
    }
}

/// Status and headers of the answer.
fn head_of(call: &Call<'_>, located: &Located, span: Span) -> Answer {
    let Located { info, range, part } = located;
    let mut response = Response::new(ResponseBody::Empty);
    let mut headers = HeaderMap::with_capacity(HEADERS_EXPECTED);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    set_etag(&mut headers, &info.etag);
    set(&mut headers, LAST_MODIFIED, last_modified(info.modified));
    write_attributes(&mut headers, &info.attributes);
    override_headers(&mut headers, call.query)?;

    let partial = span != Span::Whole && !range.is_empty();
    if partial {
        let Range { start, end } = range;
        set(&mut headers, CONTENT_RANGE, format!("bytes {start}-{}/{}", end.saturating_sub(1), info.size));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    if part.is_some() && info.parts > 0 {
        headers.insert("x-amz-mp-parts-count", HeaderValue::from(info.parts));
    }
    if filled(call.headers(), "x-amz-checksum-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED"))
    {
        match (span, part) {
            (Span::Whole, _) => checksums::write_headers(&mut headers, &info.checksum),
            (Span::Part(_), Some(LocatedPart { checksum: Some(sum) })) => {
                checksums::write_part_header(&mut headers, sum);
                checksums::write_type(&mut headers, info.checksum.kind);
            }
            _ => {}
        }
    }
    *response.headers_mut() = headers;
    Ok(response)
}

fn last_modified(time: Timestamp) -> String {
    HttpDate(time).to_string()
}

/// Replaces headers as the query asks. Only signed requests come here, which S3 demands for this.
fn override_headers(headers: &mut HeaderMap, query: &Query<'_>) -> Result<(), S3Error> {
    if !query.iter().any(|(name, _)| name.starts_with("response-")) {
        return Ok(());
    }
    for (parameter, name) in OVERRIDES {
        if let Some(value) = query.filled(parameter) {
            let value = value_of(value).ok_or_else(|| {
                let why = "Header value cannot be represented using ISO-8859-1.";
                S3Error::argument(parameter, value, why)
            })?;
            headers.insert(name, value);
        }
    }
    Ok(())
}

fn body_of(range: &Range<u64>, mut reader: ObjectReader) -> ResponseBody {
    match reader.take_single() {
        Some(bytes) => ResponseBody::from(bytes),
        None => ResponseBody::sized(range.end - range.start, Pieces(reader)),
    }
}

/// The object's bytes as they are read. An error breaks the connection, so that a client never
/// takes half an object for a whole one.
struct Pieces(ObjectReader);

impl Stream for Pieces {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = self.get_mut().0.poll_next(cx);
        piece.map(|piece| {
            piece.map(|result| {
                result.map_err(|error| {
                    let chain = drystone_core::store::Chain(&error);
                    tracing::error!(error = %chain, "an object could not be read to its end; the connection is broken off");
                    BoxError::from(error)
                })
            })
        })
    }
}
