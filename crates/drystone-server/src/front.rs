//! What every answer has, on whichever wire: an id, a span for its log lines, one access line and one metric.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use drystone_core::world::Clock;
use http::header::{HeaderValue, SERVER};
use http::{Request, Response};
use http_body::Body as _;
use tracing::{Span, field};

use crate::metrics::{Metrics, RequestRecord};
use crate::request_id::{RequestId, RequestIds};
use crate::response_body::ResponseBody;

const SERVER_NAME: HeaderValue = HeaderValue::from_static("Drystone");

/// Names and counts requests.
pub(crate) struct Front {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) request_ids: RequestIds,
    pub(crate) metrics: Arc<Metrics>,
}

/// A request whose answer is being found.
pub(crate) struct Begun {
    /// Its name.
    pub(crate) id: RequestId,
    /// What its log lines stand in.
    pub(crate) span: Span,
    started: Duration,
    bytes_in: u64,
}

impl Front {
    /// Takes note of a request that arrived now.
    pub(crate) fn begin<B: http_body::Body<Data = Bytes>>(&self, request: &Request<B>) -> Begun {
        let id = self.request_ids.next();
        let span = tracing::info_span!(
            "request",
            id = %id,
            operation = field::Empty,
            bucket = field::Empty,
            key = field::Empty,
        );
        Begun {
            id,
            span,
            started: self.clock.elapsed(),
            bytes_in: request.body().size_hint().exact().unwrap_or(0),
        }
    }

    /// Names the answer, counts it, and writes its line; inside the request's span.
    pub(crate) fn end(&self, begun: &Begun, operation: &'static str, response: &mut Response<ResponseBody>) {
        begun.id.stamp(response.headers_mut());
        response.headers_mut().insert(SERVER, SERVER_NAME);
        let elapsed = self.clock.elapsed().saturating_sub(begun.started);
        let status = response.status();
        self.metrics.record(RequestRecord { operation, status, elapsed });
        tracing::info!(
            status = status.as_u16(),
            bytes_in = begun.bytes_in,
            bytes_out = response.body().size_hint().exact(),
            elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            "request answered"
        );
    }
}
