//! Why a request was refused, as JSON: what happened, to what, and what to do.

use std::borrow::Cow;

use drystone_core::abort_jobs::job::JobError;
use drystone_core::error::Error;
use http::header::{ALLOW, HeaderValue};
use http::{Response, StatusCode};
use serde_json::json;

use crate::response_body::ResponseBody;
use crate::s3::auth::AuthError;
use crate::s3::error::S3Error;

/// A refusal on its way to the client.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    allow: Option<&'static str>,
    /// What failed inside: for the log only.
    cause: Option<Box<str>>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), allow: None, cause: None }
    }

    /// A body that is no selection.
    pub(super) fn malformed(why: &dyn std::fmt::Display) -> Self {
        let message = format!(
            "The body is not a selection: {why}. Send for example {{\"buckets\":[\"quarry\"],\"prefix\":\"logs/\",\
             \"initiated_before\":\"2026-11-01T00:00:00Z\"}}"
        );
        Self::new(StatusCode::BAD_REQUEST, "MalformedJSON", message)
    }

    /// A selection that cannot be meant.
    pub(super) fn selection(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidSelection", message)
    }

    pub(super) fn too_large(max: usize) -> Self {
        let message = format!("The body is too large: at most {max} bytes are allowed; name fewer buckets");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "MaxMessageLengthExceeded", message)
    }

    pub(super) fn not_for_you() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "AccessDenied",
            "The API is for the root account only: sign with a key of the root account",
        )
    }

    pub(super) fn query() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "InvalidRequest",
            "The API knows no query parameters: leave them out, and sign in the Authorization header",
        )
    }

    pub(super) fn body() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidRequest", "A start has no body: send none")
    }

    pub(super) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SlowDown",
            "Other selections are being previewed: try again when they are done",
        )
    }

    pub(super) fn not_found(path: &str) -> Self {
        let message = format!("There is nothing at {path}: the API has /upload-aborts");
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    pub(super) fn no_such_job(id: &str) -> Self {
        JobError::NoSuchJob(id.to_owned()).into()
    }

    pub(super) fn method(allow: &'static str) -> Self {
        let message = format!("This method is not allowed here: use {allow}");
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message) }
    }

    /// The answer; logs what is the server's own fault.
    pub(super) fn into_response(self) -> Response<ResponseBody> {
        if let Some(cause) = self.cause {
            tracing::error!(error = &*cause, code = self.code, "request failed");
        }
        let error = json!({ "error": { "code": self.code, "message": self.message } });
        let mut response = super::respond(self.status, &error);
        if let Some(allow) = self.allow {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

impl From<S3Error> for Refusal {
    fn from(error: S3Error) -> Self {
        Self {
            cause: error.cause().map(Into::into),
            ..Self::new(error.status(), error.code(), error.message().to_owned())
        }
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        S3Error::from(error).into()
    }
}

impl From<JobError> for Refusal {
    fn from(error: JobError) -> Self {
        let message = error.to_string();
        match error {
            JobError::NoSuchJob(_) => Self::new(StatusCode::NOT_FOUND, "NoSuchUploadAborts", message),
            JobError::NotPreviewed(..) | JobError::NotEnded(..) => {
                Self::new(StatusCode::CONFLICT, "InvalidState", message)
            }
            JobError::AllRunning(_) => Self::new(StatusCode::CONFLICT, "TooManyRunning", message),
            JobError::Selection(_) => Self::selection(message),
            // What failed inside is not for the client; all others name what they are about.
            JobError::Store(error @ (Error::Data(_) | Error::Meta(_))) => S3Error::from(error).into(),
            JobError::Store(error) => {
                let refusal = S3Error::from(error);
                Self::new(refusal.status(), refusal.code(), message)
            }
        }
    }
}
