//! The way of a request: id, span, route, signature, access, handler, answer, record.
//!
//! Promises: every request gets exactly one answer with an id on it, one access log line and one
//! metric; nothing is done for a request whose signature does not hold; a bug in a handler costs
//! that request a 500 and nobody else anything; what failed inside is logged once and never shown.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use drystone_core::access::{Caller, RequestNumber};
use drystone_core::names::AccountId;
use drystone_core::store::Store;
use drystone_core::world::Clock;
use futures_util::FutureExt as _;
use http::header::{HeaderName, HeaderValue, ORIGIN};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use tracing::{Instrument as _, Span, field};

use crate::api::{self, Api};
use crate::front::Front;
use crate::listen::{Arriving, Peer, Transport};
use crate::metrics::Metrics;
use crate::request_id::{RequestId, RequestIds};
use crate::response_body::ResponseBody;
use crate::s3::auth::{AuthError, Authenticator};
use crate::s3::buckets::BUCKET_REGION;
use crate::s3::call::{Answer, Call, Sent};
use crate::s3::error::{ACCESS_DENIED, ACCESS_FORBIDDEN, Asked, BAD_REQUEST, S3Error, panic_text};
use crate::s3::headers::filled;
use crate::s3::operation::{Operation, POST_OBJECT};
use crate::s3::query::Query;
use crate::s3::route::{Addressing, Route, Target, host};
use crate::s3::{attributes, buckets, copy, delete, get, lifecycle, list, probe, put, subresources, uploads};

/// The operation of a request that none could be found for.
const UNKNOWN: &str = "Unknown";
/// The operation of a question whether the server is well.
const PROBE: &str = "HealthProbe";
/// The operation of a browser's question whether it may ask.
const PREFLIGHT: &str = "PreflightRequest";

/// What the S3 wire is made of.
pub struct S3Parts {
    /// The store it serves.
    pub store: Arc<Store>,
    /// Who may come in, and the region they must sign for.
    pub authenticator: Authenticator,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Names of requests.
    pub request_ids: RequestIds,
    /// Where requests are counted.
    pub metrics: Arc<Metrics>,
    /// Domains whose subdomains are buckets.
    pub domains: Vec<String>,
    /// The account that may use the API for administrators.
    pub administrator: AccountId,
}

/// The S3 wire: answers requests.
pub struct S3 {
    store: Arc<Store>,
    authenticator: Arc<Authenticator>,
    front: Arc<Front>,
    addressing: Addressing,
    api: Arc<Api>,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("addressing", &self.addressing).finish_non_exhaustive()
    }
}

/// What is known of a request when its answer is recorded.
struct Seen {
    request: RequestNumber,
    operation: &'static str,
    /// Bucket and key for a refusal; of a good answer nobody asks.
    resource: String,
    has_bucket: bool,
}

impl S3 {
    /// Puts the wire together.
    pub fn new(parts: S3Parts) -> Self {
        let S3Parts { store, clock, request_ids, metrics, domains, administrator, .. } = parts;
        let authenticator = Arc::new(parts.authenticator);
        let front = Arc::new(Front { clock, request_ids, metrics });
        let api = Api::new(Arc::clone(&store), Arc::clone(&authenticator), Arc::clone(&front), administrator);
        Self { store, authenticator, front, addressing: Addressing::new(domains), api: Arc::new(api) }
    }

    /// The API for administrators, for the admin port.
    pub fn api(&self) -> Arc<Api> {
        Arc::clone(&self.api)
    }

    /// The handler for [`Listener::serve`](crate::listen::Listener::serve).
    pub fn handler(
        self: Arc<Self>,
    ) -> impl Fn(
        Request<Arriving>,
        Peer,
    ) -> std::pin::Pin<Box<dyn Future<Output = Response<ResponseBody>> + Send>>
    + Clone
    + Send
    + Sync
    + 'static {
        move |request, peer| {
            let this = Arc::clone(&self);
            Box::pin(async move { this.answer(request, peer.transport).await })
        }
    }

    /// Answers one request.
    pub async fn answer<B>(&self, request: Request<B>, transport: Transport) -> Response<ResponseBody>
    where
        B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: StdError + Send + Sync + 'static,
    {
        if self.addressing.is_api(&request) {
            return self.api.answer(request, api::S3_PREFIX).await;
        }
        let begun = self.front.begin(&request);
        let span = begun.span.clone();
        async {
            let (head, body) = request.into_parts();
            let method = head.method.clone();
            let request = begun.id.number();
            let mut seen = Seen { request, operation: UNKNOWN, resource: String::new(), has_bucket: false };
            let handled =
                AssertUnwindSafe(self.handle(head, body, transport, &mut seen)).catch_unwind().await;
            let answer = handled.unwrap_or_else(|panic| Err(S3Error::panicked(panic_text(&*panic))));
            let mut response = match answer {
                Ok(response) => response,
                Err(refusal) => self.refuse(refusal, &method, &seen, &begun.id),
            };
            self.front.end(&begun, seen.operation, &mut response);
            response
        }
        .instrument(span)
        .await
    }

    /// Renders a refusal; logs it if it is the server's own fault.
    fn refuse(
        &self,
        refusal: S3Error,
        method: &Method,
        seen: &Seen,
        id: &RequestId,
    ) -> Response<ResponseBody> {
        if let Some(cause) = refusal.cause() {
            tracing::error!(error = cause, code = refusal.code(), "request failed");
        }
        // A client that signed for another region learns from this header which one to sign for.
        let tells_region =
            seen.has_bucket && matches!(refusal.status(), StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN);
        let refusal = if tells_region { refusal.with_header(BUCKET_REGION, self.region()) } else { refusal };
        let (request_id, host_id) = (id.to_string(), id.extended());
        refusal.into_response(&Asked {
            method,
            resource: &seen.resource,
            request_id: &request_id,
            host_id: &host_id,
        })
    }

    fn region(&self) -> &str {
        self.authenticator.region()
    }

    async fn handle<B>(&self, head: Parts, body: B, transport: Transport, seen: &mut Seen) -> Answer
    where
        B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: StdError + Send + Sync + 'static,
    {
        let uri = head.uri.clone();
        let route = self.addressing.route(host(&head), &uri)?;
        seen.note(&route.target);
        let answer = self.serve(head, &route, body, transport, seen).await;
        if answer.is_err() {
            seen.resource = route.target.resource();
        }
        answer
    }

    async fn serve<B>(
        &self,
        mut head: Parts,
        route: &Route<'_>,
        body: B,
        transport: Transport,
        seen: &mut Seen,
    ) -> Answer
    where
        B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: StdError + Send + Sync + 'static,
    {
        if head.method == Method::OPTIONS {
            seen.operation = PREFLIGHT;
            return Err(refuse_preflight(&head, &route.target));
        }
        let mut operation = route.operation(&head);
        seen.operation = operation.as_ref().map_or(UNKNOWN, |operation| operation.name());
        Span::current().record("operation", seen.operation);
        if let Ok(Operation::NotBuilt(POST_OBJECT)) = operation {
            return Err(S3Error::not_built(POST_OBJECT));
        }

        let now = self.front.clock.now();
        let signer = match self.authenticator.authenticate(&head, now) {
            Ok(signer) => signer,
            Err(refusal) => {
                // What S3 has no operation for cannot be signed either, so it is refused as that.
                if refusal == AuthError::Anonymous {
                    if let Some(well) = probe::answer(&self.store, &head.method, &route.target) {
                        seen.operation = PROBE;
                        return Ok(well);
                    }
                    operation?;
                }
                return Err(refusal.into());
            }
        };
        if hoist(&mut head, &route.query) {
            operation = route.operation(&head);
        }
        let call = Call {
            store: &self.store,
            region: self.region(),
            scheme: match transport {
                Transport::Plain => "http",
                Transport::Tls => "https",
            },
            head: &head,
            query: &route.query,
            target: &route.target,
            account: &signer.account,
            caller: Caller {
                account: AccountId::new(signer.account.id.as_str()),
                request: Some(seen.request),
            },
            now,
        };
        let operation = operation?;
        seen.operation = operation.name();
        check_expected_owner(&call)?;
        dispatch(&call, operation, Sent { body, payload: signer.payload }).await
    }
}

impl Seen {
    fn note(&mut self, target: &Target<'_>) {
        self.has_bucket = target.bucket.is_some();
        let span = Span::current();
        // Debug escapes control characters, so that no key can forge a line of the log.
        if let Some(bucket) = &target.bucket {
            span.record("bucket", field::debug(bucket));
        }
        if let Some(key) = &target.key {
            span.record("key", field::debug(key));
        }
    }
}

/// Calls the operation's handler. Handlers that do not take the body leave it unread.
async fn dispatch<B>(call: &Call<'_>, operation: Operation, sent: Sent<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: StdError + Send + Sync + 'static,
{
    match operation {
        Operation::GetObject => get::get_object(call),
        Operation::HeadObject => get::head_object(call),
        Operation::GetObjectAttributes => attributes::get_object_attributes(call),
        Operation::PutObject => put::put_object(call, sent).await,
        Operation::DeleteObject => delete::delete_object(call).await,
        Operation::DeleteObjects => delete::delete_objects(call, sent).await,
        Operation::CopyObject => copy::copy_object(call).await,
        Operation::ListObjects => list::list_objects(call),
        Operation::ListObjectsV2 => list::list_objects_v2(call),
        Operation::ListObjectVersions => list::list_object_versions(call),
        Operation::CreateMultipartUpload => uploads::create::create_multipart_upload(call).await,
        Operation::UploadPart => uploads::part::upload_part(call, sent).await,
        Operation::UploadPartCopy => uploads::part_copy::upload_part_copy(call).await,
        Operation::ListParts => uploads::list_parts::list_parts(call),
        Operation::ListMultipartUploads => uploads::list::list_multipart_uploads(call),
        Operation::CompleteMultipartUpload => uploads::complete::complete_multipart_upload(call, sent).await,
        Operation::AbortMultipartUpload => uploads::abort::abort_multipart_upload(call).await,
        Operation::ListBuckets => buckets::list_buckets(call),
        Operation::CreateBucket => buckets::create_bucket(call, sent).await,
        Operation::HeadBucket => buckets::head_bucket(call),
        Operation::DeleteBucket => buckets::delete_bucket(call).await,
        Operation::GetBucketLocation => buckets::get_bucket_location(call),
        Operation::GetBucketLifecycle => lifecycle::get_lifecycle(call),
        Operation::PutBucketLifecycle => lifecycle::put_lifecycle(call, sent).await,
        Operation::DeleteBucketLifecycle => lifecycle::delete_lifecycle(call).await,
        Operation::ReadSetting(setting) => subresources::read(call, setting),
        Operation::DeleteSetting(_, scope) => subresources::delete(call, scope),
        Operation::PutAcl(_, scope) => subresources::put_acl(call, scope, sent).await,
        Operation::Locked(_) => subresources::locked(call),
        Operation::PutObjectLockConfiguration => subresources::put_object_lock(call),
        Operation::NotBuilt(name) => Err(S3Error::not_built(name)),
    }
}

/// Refuses when the bucket's owner, who is always the caller, is not the one that the client expects.
fn check_expected_owner(call: &Call<'_>) -> Result<(), S3Error> {
    match filled(call.headers(), "x-amz-expected-bucket-owner") {
        Some(expected) if *expected != *call.account.id => Err(S3Error::new(&ACCESS_DENIED)),
        _ => Ok(()),
    }
}

/// A presigned URL carries headers as parameters; they are signed with it, so they count as headers.
/// Says whether there were any.
///
/// Checksums of a body are left out: SDKs that presign an upload put the checksum of an empty body
/// there, which no upload has.
fn hoist(head: &mut Parts, query: &Query<'_>) -> bool {
    if !query.has("X-Amz-Signature") {
        return false;
    }
    let mut hoisted = false;
    for (name, value) in query.iter() {
        let name = name.to_ascii_lowercase();
        if !is_hoistable(&name) {
            continue;
        }
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes()))
        else {
            continue;
        };
        head.headers.entry(name).or_insert(value);
        hoisted = true;
    }
    hoisted
}

fn is_hoistable(name: &str) -> bool {
    match name.strip_prefix("x-amz-") {
        None
        | Some(
            "algorithm"
            | "credential"
            | "date"
            | "expires"
            | "signedheaders"
            | "signature"
            | "security-token"
            | "content-sha256"
            | "sdk-checksum-algorithm"
            | "trailer"
            | "decoded-content-length",
        ) => false,
        Some(rest) => match rest.strip_prefix("checksum-") {
            Some(kind) => matches!(kind, "algorithm" | "mode" | "type"),
            None => true,
        },
    }
}

/// A browser asks before it sends a request of another origin. No bucket allows that yet.
fn refuse_preflight(head: &Parts, target: &Target<'_>) -> S3Error {
    if !head.headers.contains_key(ORIGIN) {
        return S3Error::new(&BAD_REQUEST).saying("Insufficient information. Origin request header needed.");
    }
    let asked = filled(&head.headers, "access-control-request-method");
    match asked.as_deref() {
        Some(method @ ("GET" | "PUT" | "POST" | "DELETE" | "HEAD")) => {
            S3Error::new(&ACCESS_FORBIDDEN).with("Method", method).with("ResourceType", target.level().name())
        }
        None => S3Error::new(&ACCESS_FORBIDDEN)
            .with("Method", Method::OPTIONS.as_str())
            .with("ResourceType", target.level().name()),
        Some(other) => {
            S3Error::new(&BAD_REQUEST).saying(format!("Invalid Access-Control-Request-Method: {other}"))
        }
    }
}

#[cfg(test)]
mod tests;
