//! The API for administrators: JSON over HTTP, signed like S3.
//!
//! It stands on both listeners: on the S3 port under [`S3_PREFIX`], which no bucket can be called, so that
//! whoever reaches the server as an S3 client needs no other door; and on the admin port. Promises: nothing is
//! told or done for anyone but the root account; what is too large or too much is refused before a signature is
//! looked at; what a request says that the server does not know is refused, never passed over. Without the last
//! one a misspelt condition would abort what nobody meant.
//!
//! | request | operation |
//! |---|---|
//! | `GET {api}` | `DescribeApi` |
//! | `POST {api}/upload-aborts` | `PreviewUploadAborts` |
//! | `GET {api}/upload-aborts` | `ListUploadAborts` |
//! | `GET {api}/upload-aborts/{id}` | `GetUploadAborts` |
//! | `POST {api}/upload-aborts/{id}/start` | `StartUploadAborts` |
//! | `GET {api}/upload-aborts/{id}/receipt` | `GetUploadAbortsReceipt` |
//! | `DELETE {api}/upload-aborts/{id}` | `CancelUploadAborts` |

mod refusal;
mod selection;
mod shown;

use std::error::Error as StdError;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use drystone_core::abort_jobs::job::{Job, JobId};
use drystone_core::access::{Caller, RequestNumber};
use drystone_core::names::AccountId;
use drystone_core::store::Store;
use futures_util::FutureExt as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tracing::{Instrument as _, Span};

use self::refusal::Refusal;
use crate::front::Front;
use crate::response_body::ResponseBody;
use crate::s3::auth::Authenticator;
use crate::s3::call::Sent;
use crate::s3::error::{S3Error, panic_text};

/// Where the API is on the S3 port.
pub const S3_PREFIX: &str = "/.drystone/api/v1";
/// Where it is on the admin port.
pub const ADMIN_PREFIX: &str = "/api/v1";

/// Largest body of a request, in bytes: a selection that names 1,000 buckets has up to 68,000, and fits when
/// their names are not all of the longest.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Previews at once: each walks the uploads of its buckets, 10^6 of them for some seconds.
const PREVIEWS_MAX: usize = 2;

/// The operation of a request that none could be found for.
const UNKNOWN: &str = "UnknownApi";
const JOBS: &str = "/upload-aborts";

/// Answers requests of administrators.
pub struct Api {
    store: Arc<Store>,
    authenticator: Arc<Authenticator>,
    front: Arc<Front>,
    administrator: AccountId,
    previews: Semaphore,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation<'r> {
    Describe,
    Preview,
    List,
    Get(&'r str),
    Start(&'r str),
    Receipt(&'r str),
    Cancel(&'r str),
}

impl Operation<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Describe => "DescribeApi",
            Self::Preview => "PreviewUploadAborts",
            Self::List => "ListUploadAborts",
            Self::Get(_) => "GetUploadAborts",
            Self::Start(_) => "StartUploadAborts",
            Self::Receipt(_) => "GetUploadAbortsReceipt",
            Self::Cancel(_) => "CancelUploadAborts",
        }
    }
}

impl Api {
    /// Makes the API; only `administrator` may use it.
    pub(crate) fn new(
        store: Arc<Store>,
        authenticator: Arc<Authenticator>,
        front: Arc<Front>,
        administrator: AccountId,
    ) -> Self {
        Self { store, authenticator, front, administrator, previews: Semaphore::new(PREVIEWS_MAX) }
    }

    /// Whether a request for `path` is for the API behind `prefix`.
    pub(crate) fn answers(path: &str, prefix: &str) -> bool {
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Answers one request, whose path begins with `prefix`.
    pub(crate) async fn answer<B>(&self, request: Request<B>, prefix: &str) -> Response<ResponseBody>
    where
        B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: StdError + Send + Sync + 'static,
    {
        let begun = self.front.begin(&request);
        let span = begun.span.clone();
        async {
            let (head, body) = request.into_parts();
            let operation = find(&head, prefix);
            let name = operation.as_ref().map_or(UNKNOWN, |operation| operation.name());
            Span::current().record("operation", name);
            let handled =
                AssertUnwindSafe(self.handle(&head, begun.id.number(), operation, body)).catch_unwind().await;
            let answer = handled.unwrap_or_else(|panic| Err(S3Error::panicked(panic_text(&*panic)).into()));
            let mut response = answer.unwrap_or_else(Refusal::into_response);
            self.front.end(&begun, name, &mut response);
            response
        }
        .instrument(span)
        .await
    }

    async fn handle<B>(
        &self,
        head: &Parts,
        request: RequestNumber,
        operation: Result<Operation<'_>, Refusal>,
        body: B,
    ) -> Result<Response<ResponseBody>, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: StdError + Send + Sync + 'static,
    {
        if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
            return Err(Refusal::too_large(BODY_BYTES_MAX));
        }
        let signer = self.authenticator.authenticate(head, self.front.clock.now())?;
        let caller = Caller { account: AccountId::new(signer.account.id.as_str()), request: Some(request) };
        if caller.account != self.administrator {
            return Err(Refusal::not_for_you());
        }
        let operation = operation?;
        if head.uri.query().is_some_and(|query| !query.is_empty()) {
            return Err(Refusal::query());
        }
        let sent = Sent { body, payload: signer.payload };
        match operation {
            Operation::Describe => Ok(respond(
                StatusCode::OK,
                &json!({
                    "server": "drystone",
                    "version": env!("CARGO_PKG_VERSION"),
                    "offers": ["upload-aborts"],
                }),
            )),
            Operation::Preview => {
                let selection = selection::read(&sent.document(head, BODY_BYTES_MAX).await?)?;
                let Ok(_place) = self.previews.try_acquire() else { return Err(Refusal::busy()) };
                let job = self.store.preview_abort_job(&caller, selection).await?;
                note(&job, &caller, "previewed an abort job");
                Ok(respond(StatusCode::CREATED, &shown::job(&job)))
            }
            Operation::List => {
                let jobs = self.store.abort_jobs(&caller)?;
                let jobs: Vec<Value> = jobs.iter().map(shown::job).collect();
                Ok(respond(StatusCode::OK, &json!({ "jobs": jobs })))
            }
            Operation::Get(id) => {
                Ok(respond(StatusCode::OK, &shown::job(&self.store.abort_job(&caller, job_id(id)?)?)))
            }
            Operation::Start(id) => {
                if !sent.document(head, BODY_BYTES_MAX).await?.is_empty() {
                    return Err(Refusal::body());
                }
                let job = self.store.start_abort_job(&caller, job_id(id)?).await?;
                note(&job, &caller, "started an abort job");
                Ok(respond(StatusCode::ACCEPTED, &shown::job(&job)))
            }
            Operation::Receipt(id) => {
                let receipt = self.store.abort_receipt(&caller, job_id(id)?)?;
                Ok(respond(StatusCode::OK, &shown::receipt(&receipt)))
            }
            Operation::Cancel(id) => {
                let job = self.store.cancel_abort_job(&caller, job_id(id)?).await?;
                note(&job, &caller, "cancelled an abort job");
                Ok(respond(StatusCode::OK, &shown::job(&job)))
            }
        }
    }
}

/// Finds the operation of a request.
fn find<'r>(head: &'r Parts, prefix: &str) -> Result<Operation<'r>, Refusal> {
    let path = head.uri.path();
    let rest = path.strip_prefix(prefix).unwrap_or(path);
    let (get, post, delete) =
        (head.method == Method::GET, head.method == Method::POST, head.method == Method::DELETE);
    if rest.is_empty() || rest == "/" {
        return if get { Ok(Operation::Describe) } else { Err(Refusal::method("GET")) };
    }
    let Some(rest) = rest.strip_prefix(JOBS) else { return Err(Refusal::not_found(path)) };
    let mut elements = rest.split('/');
    match (elements.next(), elements.next(), elements.next(), elements.next()) {
        (Some(""), None, ..) if post => Ok(Operation::Preview),
        (Some(""), None, ..) if get => Ok(Operation::List),
        (Some(""), None, ..) => Err(Refusal::method("GET, POST")),
        (Some(""), Some(id), None, _) if !id.is_empty() => match () {
            () if get => Ok(Operation::Get(id)),
            () if delete => Ok(Operation::Cancel(id)),
            () => Err(Refusal::method("DELETE, GET")),
        },
        (Some(""), Some(id), Some("start"), None) if post => Ok(Operation::Start(id)),
        (Some(""), Some(_), Some("start"), None) => Err(Refusal::method("POST")),
        (Some(""), Some(id), Some("receipt"), None) if get => Ok(Operation::Receipt(id)),
        (Some(""), Some(_), Some("receipt"), None) => Err(Refusal::method("GET")),
        _ => Err(Refusal::not_found(path)),
    }
}

fn job_id(text: &str) -> Result<JobId, Refusal> {
    JobId::parse(text).ok_or_else(|| Refusal::no_such_job(text))
}

/// The line of the log that says who did what to a job.
fn note(job: &Job, caller: &Caller, what: &'static str) {
    tracing::info!(
        job = %job.id,
        state = job.state.name(),
        account = %caller.account,
        planned_uploads = job.planned.uploads,
        planned_bytes = job.planned.bytes,
        aborted_uploads = job.aborted.uploads,
        aborted_bytes = job.aborted.bytes,
        "{what}"
    );
}

fn respond(status: StatusCode, value: &Value) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(format!("{value}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
