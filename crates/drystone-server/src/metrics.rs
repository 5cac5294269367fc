//! What happened, in numbers: Prometheus text for the admin port.
//!
//! | metric | labels | meaning |
//! |---|---|---|
//! | `drystone_http_requests_total` | operation, status | requests answered |
//! | `drystone_http_request_duration_seconds` | operation | from the head's arrival to the answer's head |
//! | `drystone_http_connections` | listener | connections open now |
//! | `drystone_http_received_bytes_total` | listener | bytes read, with heads and framing |
//! | `drystone_http_sent_bytes_total` | listener | bytes written, with heads and framing |
//!
//! Labels come from the program, never from a request, so that no client can grow them; only those of [`uploads`]
//! name buckets, and a bounded number of them. All metrics of the process are in `docs/metrics.md`.

pub mod uploads;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::metrics::{Counter, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SetRecorderError, Unit};
use drystone_core::uploads::census::Census;
use http::StatusCode;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use parking_lot::RwLock;

use crate::listen::Traffic;

const REQUESTS: &str = "drystone_http_requests_total";
const DURATION: &str = "drystone_http_request_duration_seconds";
const CONNECTIONS: &str = "drystone_http_connections";
const RECEIVED: &str = "drystone_http_received_bytes_total";
const SENT: &str = "drystone_http_sent_bytes_total";

/// Upper bounds of the duration's buckets, in seconds: from a HEAD out of memory to a large part.
const DURATION_BUCKETS_S: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0, 60.0];
/// Durations are kept one by one until they are summed up; they are, every so many requests, even if
/// nobody ever asks for the numbers.
const UPKEEP_EVERY: u64 = 1024;

/// The numbers of one server.
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    requests: RwLock<HashMap<(&'static str, u16), Counter>>,
    durations: RwLock<HashMap<&'static str, Histogram>>,
    recorded: AtomicU64,
    /// What the last walk over unfinished uploads found, as text.
    uploads: RwLock<String>,
}

/// One answered request.
#[derive(Clone, Copy, Debug)]
pub struct RequestRecord {
    /// The S3 operation's name, `PutObject`; a name of the program's own for all others.
    pub operation: &'static str,
    /// The answer's status.
    pub status: StatusCode,
    /// From the head's arrival to the answer's head.
    pub elapsed: Duration,
}

const METADATA: Metadata<'static> = Metadata::new("drystone_server", Level::INFO, None);

impl Metrics {
    /// Starts at zero.
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), &DURATION_BUCKETS_S)
            .expect("there are buckets")
            .build_recorder();
        for (name, unit, help) in [
            (REQUESTS, Unit::Count, "Requests answered."),
            (RECEIVED, Unit::Bytes, "Bytes read from clients, with heads and framing."),
            (SENT, Unit::Bytes, "Bytes written to clients, with heads and framing."),
        ] {
            recorder.describe_counter(KeyName::from_const_str(name), Some(unit), help.into());
        }
        recorder.describe_gauge(CONNECTIONS.into(), Some(Unit::Count), "Connections open now.".into());
        recorder.describe_histogram(
            DURATION.into(),
            Some(Unit::Seconds),
            "From the head's arrival to the answer's head.".into(),
        );
        let handle = recorder.handle();
        Self {
            recorder: Arc::new(recorder),
            handle,
            requests: RwLock::default(),
            durations: RwLock::default(),
            recorded: AtomicU64::new(0),
            uploads: RwLock::default(),
        }
    }

    /// Makes this the place where the `metrics` macros of all rooms of the process write to.
    ///
    /// # Errors
    /// Another recorder is installed already.
    pub fn install(&self) -> Result<(), SetRecorderError<Arc<PrometheusRecorder>>> {
        ::metrics::set_global_recorder(Arc::clone(&self.recorder))
    }

    /// Counts an answered request.
    pub fn record(&self, record: RequestRecord) {
        self.requests(record.operation, record.status).increment(1);
        self.duration(record.operation).record(record.elapsed);
        if self.recorded.fetch_add(1, Ordering::Relaxed) % UPKEEP_EVERY == UPKEEP_EVERY - 1 {
            self.handle.run_upkeep();
        }
    }

    /// The counters of a listener; `listener` is the program's name for it, `s3` or `admin`.
    pub fn traffic(&self, listener: &'static str) -> Traffic {
        let key = |name: &'static str| Key::from_parts(name, vec![Label::new("listener", listener)]);
        Traffic {
            connections: self.recorder.register_gauge(&key(CONNECTIONS), &METADATA),
            received: self.recorder.register_counter(&key(RECEIVED), &METADATA),
            sent: self.recorder.register_counter(&key(SENT), &METADATA),
        }
    }

    /// Shows a new count of unfinished uploads in place of the last; `took` is how long the walk was under way.
    pub fn show_uploads(&self, census: &Census, took: Duration) {
        let text = uploads::text(census, took);
        *self.uploads.write() = text;
    }

    /// All numbers in Prometheus's text format, version 0.0.4.
    pub fn render(&self) -> String {
        let mut text = self.handle.render();
        text.push_str(&self.uploads.read());
        text
    }

    fn requests(&self, operation: &'static str, status: StatusCode) -> Counter {
        let id = (operation, status.as_u16());
        if let Some(counter) = self.requests.read().get(&id) {
            return counter.clone();
        }
        let labels =
            vec![Label::new("operation", operation), Label::new("status", status.as_u16().to_string())];
        let counter = self.recorder.register_counter(&Key::from_parts(REQUESTS, labels), &METADATA);
        self.requests.write().entry(id).or_insert(counter).clone()
    }

    fn duration(&self, operation: &'static str) -> Histogram {
        if let Some(histogram) = self.durations.read().get(operation) {
            return histogram.clone();
        }
        let key = Key::from_parts(DURATION, vec![Label::new("operation", operation)]);
        let histogram = self.recorder.register_histogram(&key, &METADATA);
        self.durations.write().entry(operation).or_insert(histogram).clone()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("recorded", &self.recorded).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_operation_and_status() {
        let metrics = Metrics::new();
        for (operation, status, times) in [
            ("PutObject", StatusCode::OK, 3),
            ("PutObject", StatusCode::FORBIDDEN, 1),
            ("GetObject", StatusCode::OK, 2),
        ] {
            for _ in 0..times {
                metrics.record(RequestRecord { operation, status, elapsed: Duration::from_micros(300) });
            }
        }
        let text = metrics.render();
        for line in [
            r#"drystone_http_requests_total{operation="PutObject",status="200"} 3"#,
            r#"drystone_http_requests_total{operation="PutObject",status="403"} 1"#,
            r#"drystone_http_requests_total{operation="GetObject",status="200"} 2"#,
            r#"drystone_http_request_duration_seconds_count{operation="PutObject"} 4"#,
            r#"drystone_http_request_duration_seconds_bucket{operation="PutObject",le="0.00025"} 0"#,
            r#"drystone_http_request_duration_seconds_bucket{operation="PutObject",le="0.0005"} 4"#,
            "# TYPE drystone_http_request_duration_seconds histogram",
            "# HELP drystone_http_requests_total Requests answered.",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn upkeep_loses_nothing() {
        let metrics = Metrics::new();
        let record = RequestRecord {
            operation: "HeadObject",
            status: StatusCode::OK,
            elapsed: Duration::from_millis(1),
        };
        for _ in 0..3 * UPKEEP_EVERY + 7 {
            metrics.record(record);
        }
        let line = format!(
            "drystone_http_request_duration_seconds_count{{operation=\"HeadObject\"}} {}",
            3 * UPKEEP_EVERY + 7
        );
        assert!(metrics.render().contains(&line), "{}", metrics.render());
    }

    #[test]
    fn traffic_is_counted_by_listener() {
        let metrics = Metrics::new();
        let traffic = metrics.traffic("s3");
        traffic.connections.increment(1);
        traffic.received.increment(10);
        traffic.sent.increment(20);
        let text = metrics.render();
        for line in [
            r#"drystone_http_connections{listener="s3"} 1"#,
            r#"drystone_http_received_bytes_total{listener="s3"} 10"#,
            r#"drystone_http_sent_bytes_total{listener="s3"} 20"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
