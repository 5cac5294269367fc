//! Whole requests, one after the other, signed by their owner, against a store in memory.
//!
//! Promises: no request ends in an internal error; every refusal says so in a document with a code;
//! an answer is as long as it announces; and whatever was asked in whatever order, the store
//! verifies and nothing in it is without an owner.
//!
//! A case is a text: requests with a line of `=====` between them, each a head as it stands on the
//! wire, an empty line and a body. `{upload}` and `{etag}` stand for what the last answers gave.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use drystone_core::data::memory::MemoryData;
use drystone_core::meta::memory::MemoryMeta;
use drystone_core::names::{AccountId, Timestamp};
use drystone_core::store::{Parts as StoreParts, Store};
use drystone_core::world::{Clock, Entropy};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body::Body as _;

use super::input::{Cut, Pieces, read_head};
use super::signature::{authenticator_that_knows, signed};
use crate::listen::Transport;
use crate::metrics::Metrics;
use crate::request_id::RequestIds;
use crate::response_body::ResponseBody;
use crate::s3::auth::signer::NOW_MS;
use crate::s3::service::{S3, S3Parts};
use crate::s3::xml::reader::Document;

/// Requests of one case.
const REQUESTS_MAX: usize = 16;
/// Room of the store: a case's bodies are far smaller.
const CAPACITY: u64 = 1 << 24;
/// The line between two requests.
const BETWEEN: &str = "\n=====\n";

/// One for all cases: making one asks the processor slow questions.
static METRICS: LazyLock<Arc<Metrics>> = LazyLock::new(|| Arc::new(Metrics::new()));

/// Time goes on by a millisecond whenever somebody asks for it.
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp(NOW_MS + self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Chance that every run repeats.
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes()[0].wrapping_mul(37);
        }
    }
}

/// What the answers so far gave.
#[derive(Default)]
struct Known {
    upload: String,
    etag: String,
}

/// Requests as a text.
///
/// # Panics
/// When a promise of requests does not hold.
pub fn requests(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime without sockets needs nothing").block_on(run(&text));
}

async fn run(text: &str) {
    let (clock, entropy) = (Arc::new(Ticking(AtomicU64::new(0))), Arc::new(Counting(AtomicU64::new(1))));
    let store = Arc::new(Store::new(StoreParts {
        meta: Arc::new(MemoryMeta::new()),
        data: MemoryData::new(CAPACITY),
        clock: clock.clone(),
        entropy: entropy.clone(),
    }));
    let s3 = S3::new(S3Parts {
        store: Arc::clone(&store),
        authenticator: authenticator_that_knows(),
        clock,
        request_ids: RequestIds::new(&*entropy),
        metrics: Arc::clone(&METRICS),
        domains: vec!["s3.test".into()],
        administrator: AccountId::new("owner"),
    });
    let mut known = Known::default();
    send(&s3, &mut known, "PUT /quarry").await;
    for request in text.split(BETWEEN).take(REQUESTS_MAX) {
        let request = request.replace("{upload}", &known.upload).replace("{etag}", &known.etag);
        send(&s3, &mut known, &request).await;
    }
    store.give_back().await.expect("a store in memory gives back");
    let report = store.verify(&|_| {}).await.expect("a store in memory can be walked");
    assert!(report.is_clean() && report.reclaimable_bytes == 0, "{report:#?}");
}

async fn send(s3: &S3, known: &mut Known, request: &str) {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let Some(mut head) = read_head(head.as_bytes()) else { return };
    let body = Bytes::copy_from_slice(body.as_bytes());
    // The listener sees to it that this is true.
    head.headers.remove("content-length");
    if !body.is_empty() || matches!(head.method, Method::PUT | Method::POST) {
        head.headers.insert("content-length", HeaderValue::from(body.len()));
    }
    let Some(head) = signed(head) else { return };
    let method = head.method.clone();
    let request = Request::from_parts(head, Pieces::new(body, Cut::Whole));
    let (head, body) = s3.answer(request, Transport::Plain).await.into_parts();
    assert_ne!(head.status, StatusCode::INTERNAL_SERVER_ERROR, "{head:?}");
    let body = whole(body).await;
    if method != Method::HEAD && (head.status.is_client_error() || head.status.is_server_error()) {
        let is_json = head.headers.get("content-type").is_some_and(|form| form == "application/json");
        let code = if is_json { json_code(&body) } else { code(&body) };
        assert!(code.is_some_and(|code| !code.is_empty()), "{head:?} {body:?}");
    }
    if let Some(id) = element(&body, "<UploadId>") {
        known.upload = id;
    }
    if let Some(etag) = head.headers.get("etag").and_then(|etag| etag.to_str().ok()) {
        etag.clone_into(&mut known.etag);
    }
}

/// The answer's body, which is as long as it said.
async fn whole(mut body: ResponseBody) -> Vec<u8> {
    let announced = body.size_hint().exact();
    let mut all = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        all.extend_from_slice(&frame.expect("bytes in memory can be read").into_data().unwrap_or_default());
    }
    assert!(announced.is_none_or(|announced| announced == all.len() as u64), "{announced:?}");
    all
}

/// The code in an error of the administration's API.
fn json_code(body: &[u8]) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(document.get("error")?.get("code")?.as_str()?.to_owned())
}

/// The code in an error document.
fn code(body: &[u8]) -> Option<String> {
    let mut document = Document::open(body, "Error").ok()?;
    while let Some(name) = document.child().ok()? {
        if name == "Code" {
            return document.text().ok();
        }
        document.skip().ok()?;
    }
    None
}

fn element(body: &[u8], name: &str) -> Option<String> {
    let body = std::str::from_utf8(body).ok()?;
    body.split_once(name)?.1.split_once('<').map(|(text, _)| text.to_owned())
}
