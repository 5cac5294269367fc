//! The admin port: is it alive, is it ready, how is it doing?
//!
//! What it shows itself is read-only, without credentials and without secrets; it listens on loopback unless
//! configured otherwise. Health has MinIO's paths too, so that existing probes work. The API for administrators
//! is here as well, and asks for signatures as it does on the S3 port.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::json;

use crate::api::{ADMIN_PREFIX, Api};
use crate::listen::{Arriving, Peer};
use crate::metrics::Metrics;
use crate::response_body::ResponseBody;

/// Whether the server can do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Requests are served.
    Ready,
    /// They are not, or not for long.
    NotReady {
        /// Why, for the operator.
        reason: String,
    },
}

/// Answers on the admin port.
pub struct Admin {
    metrics: Arc<Metrics>,
    readiness: Box<dyn Fn() -> Readiness + Send + Sync>,
    api: Option<Arc<Api>>,
}

/// An answer that is being found.
type Answering = Pin<Box<dyn Future<Output = Response<ResponseBody>> + Send>>;

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Prometheus, "Text-based format".
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

impl Admin {
    /// Makes the admin port of a server; `readiness` is asked at each probe and must not block.
    pub fn new(metrics: Arc<Metrics>, readiness: impl Fn() -> Readiness + Send + Sync + 'static) -> Self {
        Self { metrics, readiness: Box::new(readiness), api: None }
    }

    /// Offers the API for administrators too.
    #[must_use]
    pub fn with_api(self, api: Arc<Api>) -> Self {
        Self { api: Some(api), ..self }
    }

    /// The handler for [`Listener::serve`](crate::listen::Listener::serve).
    pub fn handler(
        self: Arc<Self>,
    ) -> impl Fn(Request<Arriving>, Peer) -> Answering + Clone + Send + Sync + 'static {
        move |request, _| {
            let this = Arc::clone(&self);
            Box::pin(async move {
                match &this.api {
                    Some(api) if Api::answers(request.uri().path(), ADMIN_PREFIX) => {
                        api.answer(request, ADMIN_PREFIX).await
                    }
                    _ => this.answer(request.method(), request.uri().path()),
                }
            })
        }
    }

    /// Answers one request.
    pub fn answer(&self, method: &Method, path: &str) -> Response<ResponseBody> {
        let page = match path {
            "/health/live" | "/minio/health/live" => Page::Live,
            "/health/ready" | "/minio/health/ready" | "/minio/health/cluster" => Page::Ready,
            "/metrics" => Page::Metrics,
            _ => {
                let hint = "there are /health/live, /health/ready, /metrics and /api/v1";
                return respond(StatusCode::NOT_FOUND, json(&json!({ "error": "not found", "hint": hint })));
            }
        };
        if *method != Method::GET && *method != Method::HEAD {
            let body = json(&json!({ "error": "method not allowed", "hint": "use GET or HEAD" }));
            let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, body);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match page {
            Page::Live => respond(StatusCode::OK, json(&json!({ "status": "live" }))),
            Page::Ready => match (self.readiness)() {
                Readiness::Ready => respond(StatusCode::OK, json(&json!({ "status": "ready" }))),
                Readiness::NotReady { reason } => respond(
                    StatusCode::SERVICE_UNAVAILABLE,
                    json(&json!({ "status": "not ready", "reason": reason })),
                ),
            },
            Page::Metrics => respond(StatusCode::OK, (PROMETHEUS, self.metrics.render())),
        }
    }
}

/// What there is to see.
#[derive(Clone, Copy, Debug)]
enum Page {
    Live,
    Ready,
    Metrics,
}

fn json(value: &serde_json::Value) -> (HeaderValue, String) {
    (JSON, format!("{value}\n"))
}

fn respond(status: StatusCode, (content_type, body): (HeaderValue, String)) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &ResponseBody) -> &str {
        match body {
            ResponseBody::Full(bytes) => std::str::from_utf8(bytes).expect("text"),
            other => panic!("{other:?}"),
        }
    }

    fn check(readiness: Readiness, method: &Method, path: &str, status: u16, contains: &str) {
        let admin = Admin::new(Arc::default(), move || readiness.clone());
        let response = admin.answer(method, path);
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert!(text(response.body()).contains(contains), "{method} {path}: {response:?}");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    }

    #[test]
    fn live_is_live_even_when_nothing_is_ready() {
        let sick = || Readiness::NotReady { reason: "the disk is gone".to_owned() };
        for path in ["/health/live", "/minio/health/live"] {
            check(sick(), &Method::GET, path, 200, "live");
        }
        for path in ["/health/ready", "/minio/health/ready", "/minio/health/cluster"] {
            check(Readiness::Ready, &Method::GET, path, 200, "ready");
            check(Readiness::Ready, &Method::HEAD, path, 200, "ready");
            check(sick(), &Method::GET, path, 503, "the disk is gone");
        }
    }

    #[test]
    fn everything_else_is_json_too() {
        for path in ["/", "/health", "/health/live/", "/metrics/x", "//metrics", "/debug/pprof"] {
            check(Readiness::Ready, &Method::GET, path, 404, r#""error":"not found""#);
        }
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            check(Readiness::Ready, &method, "/metrics", 405, "use GET or HEAD");
        }
    }

    #[test]
    fn metrics_are_prometheus_text() {
        let metrics = Arc::new(Metrics::new());
        metrics.traffic("admin").received.increment(5);
        let response = Admin::new(metrics, || Readiness::Ready).answer(&Method::GET, "/metrics");
        assert_eq!(response.headers()[CONTENT_TYPE], PROMETHEUS);
        assert!(text(response.body()).contains("drystone_http_received_bytes_total{listener=\"admin\"} 5"));
    }
}
