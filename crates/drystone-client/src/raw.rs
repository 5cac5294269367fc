//! Requests and answers as they are on the wire, signed and sent by the SDK.
//!
//! The SDK's types drop every element and member that they do not know. Drystone's totals in listings, rules
//! in a bucket's lifecycle that only its server understands, and the admin API would all be lost that way. Here
//! an answer can be seen as it came, and a request can be sent as it is, with everything else (endpoint,
//! credentials, signature, clock skew, retries) left to the SDK.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::SdkBody;
use bytes::Bytes;
use http::Uri;

use crate::failure::Failure;
use crate::xml::parse;

/// An answer as it came.
#[derive(Clone, Debug, Default)]
pub struct RawAnswer {
    /// Its status.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// Its body, whole.
    pub body: Bytes,
}

impl RawAnswer {
    /// The value of a header, named in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the server says that it is Drystone.
    pub fn is_from_drystone(&self) -> bool {
        self.header("server") == Some("Drystone")
    }

    /// The server's refusal of what was being done, in its own words.
    pub fn refusal(&self, doing: String) -> Failure {
        let error = parse(&self.body);
        let text = |name: &str| error.as_ref().and_then(|error| error.text_of(name)).map(str::to_owned);
        let code = text("Code").unwrap_or_else(|| format!("HTTP {}", self.status));
        let message = text("Message").unwrap_or_else(|| "the server gave no reason".to_owned());
        Failure::Refused { doing, status: self.status, code, message }
    }

    /// Whether the request was accepted.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Looks at the answer of one SDK operation: `.customize().interceptor(seen.clone())`.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Mutex<Option<RawAnswer>>>);

impl Seen {
    /// The last answer that came, if one did.
    pub fn answer(&self) -> Option<RawAnswer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Intercept for Seen {
    fn name(&self) -> &'static str {
        "Seen"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response();
        let headers = answer.headers().iter();
        let seen = RawAnswer {
            status: answer.status().as_u16(),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
            body: Bytes::copy_from_slice(answer.body().bytes().unwrap_or_default()),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Ok(())
    }
}

/// What a raw request is about.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// A bucket, wherever its address is.
    Bucket(&'a str),
    /// A path of the server itself, from its first slash.
    Server(&'a str),
}

/// A raw request.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// What it is for, in messages: `list the jobs of http://127.0.0.1:9000`.
    pub doing: String,
    /// The method.
    pub method: &'static str,
    /// What it is about.
    pub place: Place<'a>,
    /// The query, percent-encoded, without the question mark.
    pub query: &'a str,
    /// Headers to add, named in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body; no header of its length is needed.
    pub body: Bytes,
}

impl<'a> Ask<'a> {
    /// A request without query, headers and body.
    pub fn new(method: &'static str, place: Place<'a>) -> Self {
        Self { doing: String::new(), method, place, query: "", headers: Vec::new(), body: Bytes::new() }
    }
}

/// Sends a request and returns the answer, whatever its status.
///
/// # Errors
/// When no answer came.
pub async fn send(client: &Client, ask: Ask<'_>) -> Result<RawAnswer, Failure> {
    let seen = Seen::default();
    // HeadBucket's own answer has no body to make sense of, so any answer passes through it.
    let bucket = match ask.place {
        Place::Bucket(name) => name,
        Place::Server(_) => "drystone",
    };
    let swap = Swap {
        method: ask.method,
        path: match ask.place {
            Place::Bucket(_) => None,
            Place::Server(path) => Some(path.to_owned()),
        },
        query: ask.query.to_owned(),
        headers: ask.headers,
        body: ask.body,
    };
    let sent = client.head_bucket().bucket(bucket).customize().interceptor(swap).interceptor(seen.clone());
    let outcome = sent.send().await;
    match (seen.answer(), outcome) {
        (Some(answer), _) => Ok(answer),
        (None, Err(error)) => Err(Failure::from_sdk(ask.doing, &error)),
        (None, Ok(_)) => Err(Failure::NoAnswer { doing: ask.doing, why: "the answer was not seen".into() }),
    }
}

/// Puts another request in the place of the SDK's, before it is signed.
#[derive(Clone, Debug)]
struct Swap {
    method: &'static str,
    path: Option<String>,
    query: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Intercept for Swap {
    fn name(&self) -> &'static str {
        "Swap"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let uri: Uri = request.uri().parse()?;
        let mut parts = uri.into_parts();
        let path = match (&self.path, &parts.path_and_query) {
            (Some(path), _) => path.clone(),
            (None, Some(whole)) => whole.path().to_owned(),
            (None, None) => "/".to_owned(),
        };
        let mark = if self.query.is_empty() { "" } else { "?" };
        parts.path_and_query = Some(format!("{path}{mark}{}", self.query).parse()?);
        request.set_uri(Uri::from_parts(parts)?.to_string())?;
        request.set_method(self.method)?;
        for (name, value) in &self.headers {
            request.headers_mut().try_insert(*name, value.clone())?;
        }
        *request.body_mut() = SdkBody::from(self.body.clone());
        Ok(())
    }
}
