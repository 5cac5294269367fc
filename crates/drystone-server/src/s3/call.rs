//! One authenticated request on its way to its handler, and the shapes of answers.

use std::error::Error as StdError;
use std::sync::Arc;

use bytes::Bytes;
use drystone_core::access::Caller;
use drystone_core::names::{BucketName, ObjectKey, Timestamp};
use drystone_core::objects::put::ChecksumClaim;
use drystone_core::store::Store;
use http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};

use crate::response_body::ResponseBody;
use crate::s3::auth::{Account, Payload};
use crate::s3::body::RequestBody;
use crate::s3::checksums;
use crate::s3::error::S3Error;
use crate::s3::query::Query;
use crate::s3::route::Target;
use crate::s3::xml::writer::Writer;

/// What a handler returns.
pub(crate) type Answer = Result<Response<ResponseBody>, S3Error>;

/// Everything that a handler may know of its request, besides the body.
pub(crate) struct Call<'r> {
    /// The store.
    pub(crate) store: &'r Arc<Store>,
    /// The server's region.
    pub(crate) region: &'r str,
    /// `http` or `https`: how the client came.
    pub(crate) scheme: &'static str,
    /// Method, path and headers.
    pub(crate) head: &'r Parts,
    /// The query.
    pub(crate) query: &'r Query<'r>,
    /// Bucket and key as they were sent.
    pub(crate) target: &'r Target<'r>,
    /// Who asks, as S3 shows them.
    pub(crate) account: &'r Account,
    /// Who asks, as the core knows them.
    pub(crate) caller: Caller,
    /// When the request arrived.
    pub(crate) now: Timestamp,
}

impl Call<'_> {
    /// The request's headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The bucket.
    ///
    /// # Errors
    /// `InvalidBucketName`.
    pub(crate) fn bucket(&self) -> Result<BucketName, S3Error> {
        Ok(BucketName::parse(self.target.bucket.as_deref().unwrap_or_default())?)
    }

    /// The key.
    ///
    /// # Errors
    /// `KeyTooLongError`.
    pub(crate) fn key(&self) -> Result<ObjectKey, S3Error> {
        Ok(ObjectKey::parse(self.target.key.as_deref().unwrap_or_default())?)
    }

    /// The upload id as it came.
    pub(crate) fn upload_id(&self) -> String {
        self.query.get("uploadId").unwrap_or_default().to_owned()
    }

    /// Writes the caller, who owns all that they see, as the element `name`.
    pub(crate) fn write_account(&self, xml: &mut Writer, name: &str) {
        xml.within(name, |xml| self.write_account_content(xml));
    }

    /// Writes what stands inside an owner, initiator or grantee.
    pub(crate) fn write_account_content(&self, xml: &mut Writer) {
        xml.text("ID", &self.account.id);
        xml.text("DisplayName", &self.account.display_name);
    }
}

/// The body of a request, unread, and what its signature says of it. Dropped, it stays unread.
pub(crate) struct Sent<B> {
    /// What arrives on the connection.
    pub(crate) body: B,
    /// How it is to be read.
    pub(crate) payload: Payload,
}

impl<B> Sent<B>
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: StdError + Send + Sync + 'static,
{
    /// Begins to read the body as a stream.
    ///
    /// # Errors
    /// Announcements that are missing or contradict each other.
    pub(crate) fn open(self, head: &Parts) -> Result<RequestBody<B>, S3Error> {
        Ok(RequestBody::new(head, self.body, self.payload)?)
    }

    /// Reads the whole body of at most `bytes_max` bytes, and verifies it against everything that
    /// signature and headers say of it.
    ///
    /// # Errors
    /// As [`Sent::open`]; broken promises about the body; too many bytes.
    pub(crate) async fn document(self, head: &Parts, bytes_max: usize) -> Result<Bytes, S3Error> {
        let body = self.open(head)?;
        let given = match checksums::claim(&head.headers, body.trailer_announced())? {
            Some(ChecksumClaim::Given(sum)) => Some(sum),
            _ => None,
        };
        Ok(body.collect(bytes_max, given).await?)
    }

    /// As [`Sent::document`], for requests whose checksum headers speak of something else than
    /// their body.
    ///
    /// # Errors
    /// As [`Sent::document`].
    pub(crate) async fn plain_document(self, head: &Parts, bytes_max: usize) -> Result<Bytes, S3Error> {
        Ok(self.open(head)?.collect(bytes_max, None).await?)
    }
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Empty);
    *response.status_mut() = status;
    response
}

/// A good answer with an XML document.
pub(crate) fn document(xml: Writer) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(xml.finish()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// Sets a header to text that is known to be ASCII.
pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, value: impl AsRef<str>) {
    if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
        headers.insert(name, value);
    }
}

/// Sets the entity tag, in quotes.
pub(crate) fn set_etag(headers: &mut HeaderMap, etag: &drystone_core::names::ETag) {
    set(headers, ETAG, format!("\"{etag}\""));
}
