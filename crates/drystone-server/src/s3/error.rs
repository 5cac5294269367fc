//! The one table from everything that can be refused to S3's words: code, status, message, and
//! the elements that let a client mend its request.
//!
//! Promises: every refusal of the core has exactly one row here; what failed inside (a disk, a
//! record) is told to the operator and never to the client; an answer to HEAD has no body. Without
//! one table, two handlers would answer the same fault with two codes, and clients that retry on
//! one of them would hang on the other.
//!
//! Source: Amazon S3 API Reference, "Error responses"; recorded answers of AWS where it is silent.

use std::any::Any;
use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use drystone_core::body::BodyError;
use drystone_core::checksum::ChecksumType;
use drystone_core::error::Error;
use drystone_core::meta::door::MetaError;
use drystone_core::names::{NameError, ObjectKey};
use http::header::{ALLOW, CONTENT_RANGE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED};
use http::{Method, Response, StatusCode};

use crate::response_body::ResponseBody;
use crate::s3::auth::AuthError;
use crate::s3::body::{self, BodyRefusal, CollectError};
use crate::s3::dates::HttpDate;
use crate::s3::xml::writer::Writer;

/// An error code of S3 with the status and the message that belong to it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Code {
    name: &'static str,
    status: StatusCode,
    message: &'static str,
}

macro_rules! codes {
    ($($constant:ident = $name:literal, $status:ident, $message:expr;)*) => {
        $(pub(crate) const $constant: Code =
            Code { name: $name, status: StatusCode::$status, message: $message };)*

        /// Every code, for the test of the table.
        #[cfg(test)]
        const ALL: &[&Code] = &[$(&$constant),*];
    };
}

codes! {
    ACCESS_DENIED = "AccessDenied", FORBIDDEN, "Access Denied";
    ACCESS_FORBIDDEN = "AccessForbidden", FORBIDDEN, "CORSResponse: CORS is not enabled for this bucket.";
    ACL_NOT_SUPPORTED = "AccessControlListNotSupported", BAD_REQUEST, "The bucket does not allow ACLs";
    BAD_DIGEST = "BadDigest", BAD_REQUEST, "The Content-MD5 you specified did not match what we received.";
    BAD_REQUEST = "BadRequest", BAD_REQUEST, "An error occurred when parsing the HTTP request.";
    BUCKET_ALREADY_EXISTS = "BucketAlreadyExists", CONFLICT,
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. \
         Please select a different name and try again.";
    BUCKET_ALREADY_OWNED_BY_YOU = "BucketAlreadyOwnedByYou", CONFLICT,
        "Your previous request to create the named bucket succeeded and you already own it.";
    BUCKET_NOT_EMPTY = "BucketNotEmpty", CONFLICT, "The bucket you tried to delete is not empty";
    CONDITIONAL_CONFLICT = "ConditionalRequestConflict", CONFLICT,
        "The conditional request cannot succeed due to a conflicting operation against this resource.";
    CONTENT_SHA256_MISMATCH = "XAmzContentSHA256Mismatch", BAD_REQUEST,
        "The provided 'x-amz-content-sha256' header does not match what was computed.";
    ENTITY_TOO_LARGE = "EntityTooLarge", BAD_REQUEST, "Your proposed upload exceeds the maximum allowed size";
    ENTITY_TOO_SMALL = "EntityTooSmall", BAD_REQUEST,
        "Your proposed upload is smaller than the minimum allowed size";
    INSUFFICIENT_STORAGE = "InsufficientStorage", INSUFFICIENT_STORAGE,
        "The server has no room for this request; free some space and try again";
    INTERNAL_ERROR = "InternalError", INTERNAL_SERVER_ERROR,
        "We encountered an internal error. Please try again.";
    INVALID_ARGUMENT = "InvalidArgument", BAD_REQUEST, "Invalid Argument";
    INVALID_BUCKET_ACL = "InvalidBucketAclWithObjectOwnership", BAD_REQUEST,
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
    INVALID_BUCKET_NAME = "InvalidBucketName", BAD_REQUEST, "The specified bucket is not valid.";
    INVALID_BUCKET_STATE = "InvalidBucketState", CONFLICT,
        "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
    INVALID_PART = "InvalidPart", BAD_REQUEST,
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the \
         specified entity tag may not match the part's entity tag.";
    INVALID_PART_NUMBER = "InvalidPartNumber", RANGE_NOT_SATISFIABLE,
        "The requested partnumber is not satisfiable";
    INVALID_PART_ORDER = "InvalidPartOrder", BAD_REQUEST,
        "The list of parts was not in ascending order. Parts must be ordered by part number.";
    INVALID_RANGE = "InvalidRange", RANGE_NOT_SATISFIABLE, "The requested range is not satisfiable";
    INVALID_REDIRECT_LOCATION = "InvalidRedirectLocation", BAD_REQUEST,
        "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.";
    INVALID_REQUEST = "InvalidRequest", BAD_REQUEST, "Invalid Request";
    INVALID_STORAGE_CLASS = "InvalidStorageClass", BAD_REQUEST,
        "The storage class you specified is not valid";
    INVALID_URI = "InvalidURI", BAD_REQUEST, "Couldn't parse the specified URI.";
    KEY_TOO_LONG = "KeyTooLongError", BAD_REQUEST, "Your key is too long";
    MALFORMED_XML = "MalformedXML", BAD_REQUEST,
        "The XML you provided was not well-formed or did not validate against our published schema";
    METADATA_TOO_LARGE = "MetadataTooLarge", BAD_REQUEST,
        "Your metadata headers exceed the maximum allowed metadata size";
    METHOD_NOT_ALLOWED = "MethodNotAllowed", METHOD_NOT_ALLOWED,
        "The specified method is not allowed against this resource.";
    NO_SUCH_BUCKET = "NoSuchBucket", NOT_FOUND, "The specified bucket does not exist";
    NO_SUCH_BUCKET_POLICY = "NoSuchBucketPolicy", NOT_FOUND, "The bucket policy does not exist";
    NO_SUCH_CONFIGURATION = "NoSuchConfiguration", NOT_FOUND, "The specified configuration does not exist.";
    NO_SUCH_CORS = "NoSuchCORSConfiguration", NOT_FOUND, "The CORS configuration does not exist";
    NO_SUCH_ENCRYPTION = "ServerSideEncryptionConfigurationNotFoundError", NOT_FOUND,
        "The server side encryption configuration was not found";
    NO_SUCH_KEY = "NoSuchKey", NOT_FOUND, "The specified key does not exist.";
    NO_SUCH_LIFECYCLE = "NoSuchLifecycleConfiguration", NOT_FOUND,
        "The lifecycle configuration does not exist";
    NO_SUCH_OBJECT_LOCK = "ObjectLockConfigurationNotFoundError", NOT_FOUND,
        "Object Lock configuration does not exist for this bucket";
    NO_SUCH_PUBLIC_ACCESS_BLOCK = "NoSuchPublicAccessBlockConfiguration", NOT_FOUND,
        "The public access block configuration was not found";
    NO_SUCH_REPLICATION = "ReplicationConfigurationNotFoundError", NOT_FOUND,
        "The replication configuration was not found";
    NO_SUCH_TAG_SET = "NoSuchTagSet", NOT_FOUND, "The TagSet does not exist";
    NO_SUCH_UPLOAD = "NoSuchUpload", NOT_FOUND,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted \
         or completed.";
    NO_SUCH_VERSION = "NoSuchVersion", NOT_FOUND, "The specified version does not exist.";
    NO_SUCH_WEBSITE = "NoSuchWebsiteConfiguration", NOT_FOUND,
        "The specified bucket does not have a website configuration";
    NOT_IMPLEMENTED = "NotImplemented", NOT_IMPLEMENTED,
        "A header you provided implies functionality that is not implemented";
    NOT_MODIFIED = "NotModified", NOT_MODIFIED, "Not Modified";
    PRECONDITION_FAILED = "PreconditionFailed", PRECONDITION_FAILED,
        "At least one of the pre-conditions you specified did not hold";
    QUOTA_EXCEEDED = "QuotaExceeded", FORBIDDEN, "The bucket is over its quota";
    SLOW_DOWN = "SlowDown", SERVICE_UNAVAILABLE, "Please reduce your request rate.";
}

/// A refusal on its way to the client.
#[derive(Debug)]
pub(crate) struct S3Error {
    code: &'static str,
    status: StatusCode,
    message: Cow<'static, str>,
    elements: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What failed inside: for the log only.
    cause: Option<Box<str>>,
}

/// What the body of a refusal says besides the refusal itself.
pub(crate) struct Asked<'r> {
    /// The request's method.
    pub(crate) method: &'r Method,
    /// Bucket and key as they were understood, with a leading slash.
    pub(crate) resource: &'r str,
    /// `RequestId`.
    pub(crate) request_id: &'r str,
    /// `HostId`.
    pub(crate) host_id: &'r str,
}

impl S3Error {
    /// The refusal `code` in its own words.
    pub(crate) fn new(code: &Code) -> Self {
        Self {
            code: code.name,
            status: code.status,
            message: Cow::Borrowed(code.message),
            elements: Vec::new(),
            headers: Vec::new(),
            cause: None,
        }
    }

    /// A refusal of another room (signatures, bodies), in its words.
    pub(crate) fn foreign(code: &'static str, status: StatusCode, message: String) -> Self {
        Self { message: Cow::Owned(message), code, status, ..Self::new(&INTERNAL_ERROR) }
    }

    /// The same refusal, said more exactly.
    pub(crate) fn saying(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// The same refusal with one more element.
    pub(crate) fn with(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.elements.push((name, text.into()));
        self
    }

    /// The same refusal with more elements.
    pub(crate) fn with_all(mut self, elements: Vec<(&'static str, String)>) -> Self {
        self.elements.extend(elements);
        self
    }

    /// The same refusal with one more header; a value that no header can carry is left out.
    pub(crate) fn with_header(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Self {
        if let Ok(value) = HeaderValue::from_bytes(value.as_ref()) {
            self.headers.push((name, value));
        }
        self
    }

    /// `InvalidArgument` for the argument `name` with the value `value`.
    pub(crate) fn argument(name: &'static str, value: &str, why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(&INVALID_ARGUMENT).saying(why).with("ArgumentName", name).with("ArgumentValue", value)
    }

    /// `InvalidRequest` because of `why`.
    pub(crate) fn request(why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(&INVALID_REQUEST).saying(why)
    }

    /// `NotImplemented` for the operation `name`.
    pub(crate) fn not_built(name: &str) -> Self {
        Self::new(&NOT_IMPLEMENTED).saying(format!("{name} is not implemented"))
    }

    /// `NotImplemented` for what the header `name` asks for.
    pub(crate) fn header_not_built(name: &str) -> Self {
        Self::new(&NOT_IMPLEMENTED).with("Header", name)
    }

    /// `MethodNotAllowed` for `method` on a resource of the kind `resource`.
    pub(crate) fn method(method: &Method, resource: impl Into<String>, allow: impl AsRef<[u8]>) -> Self {
        let refusal = Self::new(&METHOD_NOT_ALLOWED).with("Method", method.as_str());
        refusal.with("ResourceType", resource).with_header(ALLOW, allow)
    }

    /// S3's error code.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The text of the `Message` element.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// What failed inside, for the operator: the failure is the server's and must be logged.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The text of the element `name`.
    #[cfg(test)]
    pub(crate) fn element(&self, name: &str) -> Option<&str> {
        self.elements.iter().find(|(n, _)| *n == name).map(|(_, text)| &**text)
    }

    /// The answer: an `<Error>` document, or only its head where HTTP allows no body.
    pub(crate) fn into_response(self, asked: &Asked<'_>) -> Response<ResponseBody> {
        let bodiless = *asked.method == Method::HEAD || self.status == StatusCode::NOT_MODIFIED;
        let body = if bodiless { ResponseBody::Empty } else { ResponseBody::from(self.document(asked)) };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        if self.status != StatusCode::NOT_MODIFIED {
            let xml = HeaderValue::from_static("application/xml");
            response.headers_mut().insert(http::header::CONTENT_TYPE, xml);
        }
        response.headers_mut().extend(self.headers);
        response
    }

    /// The `<Error>` document without what belongs to the request, for an answer that has begun.
    pub(crate) fn short_document(&self) -> Bytes {
        self.begin_document().finish()
    }

    fn document(&self, asked: &Asked<'_>) -> Bytes {
        let mut xml = self.begin_document();
        xml.echo("Resource", asked.resource);
        xml.text("RequestId", asked.request_id);
        xml.text("HostId", asked.host_id);
        xml.finish()
    }

    fn begin_document(&self) -> Writer {
        let mut xml = Writer::plain("Error");
        xml.text("Code", self.code);
        xml.echo("Message", &self.message);
        for (name, text) in &self.elements {
            xml.echo(name, text);
        }
        xml
    }

    /// `InternalError` because a handler panicked with `text`.
    pub(crate) fn panicked(text: &str) -> Self {
        Self { cause: Some(format!("a handler panicked: {text}").into()), ..Self::new(&INTERNAL_ERROR) }
    }

    fn internal(cause: &dyn std::error::Error) -> Self {
        let cause = drystone_core::store::Chain(cause).to_string().into_boxed_str();
        Self { cause: Some(cause), ..Self::new(&INTERNAL_ERROR) }
    }
}

impl From<NameError> for S3Error {
    fn from(error: NameError) -> Self {
        match error {
            NameError::Bucket { name, .. } => Self::new(&INVALID_BUCKET_NAME).with("BucketName", name),
            NameError::KeyEmpty => {
                Self::request("The object key is empty; an object key has at least one character")
            }
            NameError::KeyTooLong { bytes } => Self::new(&KEY_TOO_LONG)
                .with("Size", bytes.to_string())
                .with("MaxSizeAllowed", ObjectKey::BYTES_MAX.to_string()),
            NameError::PartNumber => Self::new(&INVALID_ARGUMENT)
                .saying("Part number must be an integer between 1 and 10000, inclusive")
                .with("ArgumentName", "partNumber"),
        }
    }
}

impl From<BodyError> for S3Error {
    fn from(error: BodyError) -> Self {
        Self::foreign(body::code(&error), body::status(&error), body::message(&error))
            .with_all(body::elements(&error))
    }
}

impl From<BodyRefusal> for S3Error {
    fn from(refusal: BodyRefusal) -> Self {
        Self::foreign(refusal.code(), refusal.status(), refusal.to_string()).with_all(refusal.elements())
    }
}

impl From<CollectError> for S3Error {
    fn from(error: CollectError) -> Self {
        Self::foreign(error.code(), error.status(), error.to_string()).with_all(error.elements())
    }
}

impl From<AuthError> for S3Error {
    fn from(error: AuthError) -> Self {
        Self::foreign(error.code(), error.status(), error.to_string()).with_all(error.elements())
    }
}

impl From<Error> for S3Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Name(error) => error.into(),
            Error::Body(error) => error.into(),
            Error::NoSuchBucket(name) => Self::new(&NO_SUCH_BUCKET).with("BucketName", name.as_str()),
            Error::BucketAlreadyOwnedByYou(name) => {
                Self::new(&BUCKET_ALREADY_OWNED_BY_YOU).with("BucketName", name.as_str())
            }
            Error::BucketAlreadyExists(name) => {
                Self::new(&BUCKET_ALREADY_EXISTS).with("BucketName", name.as_str())
            }
            Error::BucketNotEmpty(name) => Self::new(&BUCKET_NOT_EMPTY).with("BucketName", name.as_str()),
            Error::AccessDenied => Self::new(&ACCESS_DENIED),
            Error::NoSuchKey(key) => Self::new(&NO_SUCH_KEY).with("Key", key.as_str()),
            Error::NoSuchUpload { upload_id } => Self::new(&NO_SUCH_UPLOAD).with("UploadId", upload_id),
            Error::PreconditionFailed(condition) => {
                Self::new(&PRECONDITION_FAILED).with("Condition", condition.name())
            }
            Error::NotModified { etag, modified } => Self::new(&NOT_MODIFIED)
                .with_header(ETAG, format!("\"{etag}\""))
                .with_header(LAST_MODIFIED, HttpDate(modified).to_string()),
            Error::ConditionalRequestConflict => Self::new(&CONDITIONAL_CONFLICT),
            Error::EntityTooSmall { part, etag, size, min } => Self::new(&ENTITY_TOO_SMALL)
                .with("ETag", etag.to_string())
                .with("MinSizeAllowed", min.to_string())
                .with("ProposedSize", size.to_string())
                .with("PartNumber", part.to_string()),
            Error::EntityTooLarge { size, max } => too_large(size, max),
            Error::InvalidPart { upload_id, part, etag } => Self::new(&INVALID_PART)
                .with("UploadId", upload_id)
                .with("PartNumber", part.to_string())
                .with("ETag", etag),
            Error::InvalidPartOrder { upload_id, part } => Self::new(&INVALID_PART_ORDER)
                .with("UploadId", upload_id)
                .with("PartNumber", part.to_string()),
            Error::InvalidRange { size } => Self::new(&INVALID_RANGE)
                .with("ActualObjectSize", size.to_string())
                .with_header(CONTENT_RANGE, format!("bytes */{size}")),
            Error::InvalidPartNumber { asked, parts } => Self::new(&INVALID_PART_NUMBER)
                .with("ActualPartCount", parts.to_string())
                .with("PartNumberRequested", asked.to_string()),
            Error::BadContentMd5 { expected, computed } => Self::new(&BAD_DIGEST)
                .with("ExpectedDigest", BASE64.encode(expected))
                .with("CalculatedDigest", BASE64.encode(computed)),
            Error::ContentSha256Mismatch { expected, computed } => Self::new(&CONTENT_SHA256_MISMATCH)
                .with("ClientComputedContentSHA256", hex(&expected))
                .with("S3ComputedContentSHA256", hex(&computed)),
            Error::ChecksumMismatch(algorithm) => Self::new(&BAD_DIGEST).saying(format!(
                "The {} you specified did not match the calculated checksum.",
                algorithm.name()
            )),
            Error::PartChecksumMismatch { part, algorithm } => Self::new(&BAD_DIGEST).saying(format!(
                "The {} you specified for part {part} did not match what we received.",
                algorithm.name().to_ascii_lowercase()
            )),
            Error::ChecksumTypeMismatch(kind) => Self::request(format!(
                "The upload was created using the {} checksum mode. The complete request must use the same \
                 checksum mode.",
                kind.map_or("null", ChecksumType::name)
            )),
            Error::InvalidArgument { name, value, why } => Self::argument(name, &value, why),
            Error::InvalidRequest(why) => Self::request(why),
            Error::NotImplemented(what) => Self::not_built(&what),
            Error::NoSpace { needed, available } => Self::new(&INSUFFICIENT_STORAGE).saying(format!(
                "The server has no room: {needed} bytes are needed and {available} are available; free some \
                 space and try again"
            )),
            Error::QuotaExceeded { bucket, limit } => Self::new(&QUOTA_EXCEEDED)
                .saying(format!("The bucket {bucket} is over its quota: {limit}"))
                .with("BucketName", bucket.as_str()),
            Error::Meta(MetaError::Busy) => Self::new(&SLOW_DOWN),
            failure @ (Error::Data(_) | Error::Meta(_)) => Self::internal(&failure),
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("?")
}

/// A body, part or object of `size` bytes where `max` are allowed.
pub(crate) fn too_large(size: u64, max: u64) -> S3Error {
    S3Error::new(&ENTITY_TOO_LARGE)
        .with("ProposedSize", size.to_string())
        .with("MaxSizeAllowed", max.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(nibble), 16));
        }
        text
    })
}

#[cfg(test)]
mod tests;
