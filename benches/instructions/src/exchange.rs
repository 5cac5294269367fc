//! One request, and what its answer must be.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};

use crate::arriving::Arriving;
use crate::signed_request::SignedRequest;

/// A request that is ready to be sent, and what its answer must be.
pub(crate) struct Exchange {
    /// The request.
    pub(crate) request: Request<Arriving>,
    /// The answer's status.
    pub(crate) status: StatusCode,
    /// How many bytes the answer's body has at least.
    pub(crate) bytes_min: usize,
}

impl Exchange {
    /// A request without a body.
    pub(crate) fn new(method: &Method, target: &str) -> Self {
        Self::with_body(method, target, &Bytes::new(), &[])
    }

    /// A request with a body that nobody signed, and more headers.
    pub(crate) fn with_body(method: &Method, target: &str, body: &Bytes, more: &[(&str, &str)]) -> Self {
        let head = SignedRequest::new(method.as_str(), target, "UNSIGNED-PAYLOAD", more);
        Self::signed(head, body)
    }

    /// A request with this head and the body as it is on the wire.
    pub(crate) fn signed(head: SignedRequest, body: &Bytes) -> Self {
        let mut head = head.parts;
        if matches!(head.method, Method::PUT | Method::POST) {
            head.headers.insert("content-length", HeaderValue::from(body.len()));
        }
        let request = Request::from_parts(head, Arriving::new(body));
        Self { request, status: StatusCode::OK, bytes_min: 0 }
    }

    /// The answer has this status instead of 200.
    pub(crate) fn answered(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The answer's body has at least so many bytes.
    pub(crate) fn of_at_least(mut self, bytes_min: usize) -> Self {
        self.bytes_min = bytes_min;
        self
    }
}
