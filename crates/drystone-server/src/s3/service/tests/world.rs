//! A server without sockets: signed requests go in, whole answers come out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use drystone_core::data::memory::MemoryData;
use drystone_core::meta::memory::MemoryMeta;
use drystone_core::names::{AccountId, Timestamp};
use drystone_core::store::{Parts as StoreParts, Store};
use drystone_core::world::{Clock, Entropy};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use md5::Digest as _;
use zeroize::Zeroizing;

use crate::listen::Transport;
use crate::metrics::Metrics;
use crate::request_id::RequestIds;
use crate::s3::auth::signer::{KEY, NOW_MS, SECRET, Signing};
use crate::s3::auth::{Account, Authenticator, Credential, CredentialStore};
use crate::s3::service::{S3, S3Parts};

/// The second account's key.
pub(super) const OTHER_KEY: &str = "OTHERKEY";
/// The second account's secret.
pub(super) const OTHER_SECRET: &str = "another secret of another account";
/// The bucket that every world begins with.
pub(super) const BUCKET: &str = "quarry";
/// 5 MiB, the smallest part that is not the last.
pub(super) const PART: usize = 5 << 20;
const CAPACITY: u64 = 1 << 30;

/// A server.
pub(super) struct World {
    pub(super) s3: S3,
    pub(super) metrics: Arc<Metrics>,
    clock: Arc<SetClock>,
}

/// A clock that stands until it is moved.
pub(super) struct SetClock(AtomicU64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0.fetch_add(1, Ordering::SeqCst).to_le_bytes()[0].wrapping_mul(37);
        }
    }
}

/// Who sends.
#[derive(Clone, Copy)]
pub(super) enum Who {
    Owner,
    Other,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl World {
    /// A server with an empty bucket.
    pub(super) async fn new() -> Self {
        let world = Self::empty();
        world.put(&format!("/{BUCKET}"), b"").await.is(200);
        world
    }

    /// A server without buckets.
    pub(super) fn empty() -> Self {
        let clock = Arc::new(SetClock(AtomicU64::new(NOW_MS)));
        let entropy = Arc::new(Counting(AtomicU64::new(1)));
        let store = Store::new(StoreParts {
            meta: Arc::new(MemoryMeta::new()),
            data: MemoryData::new(CAPACITY),
            clock: clock.clone(),
            entropy: entropy.clone(),
        });
        let metrics = Arc::new(Metrics::new());
        let s3 = S3::new(S3Parts {
            store: Arc::new(store),
            authenticator: authenticator(),
            clock: clock.clone(),
            request_ids: RequestIds::new(&*entropy),
            metrics: Arc::clone(&metrics),
            domains: vec!["s3.test".into()],
            administrator: AccountId::new("owner"),
        });
        Self { s3, metrics, clock }
    }

    /// Moves the clock.
    pub(super) fn advance(&self, seconds: u64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    pub(super) async fn get(&self, target: &str) -> Reply {
        self.send("GET", target, &[], b"").await
    }

    pub(super) async fn put(&self, target: &str, body: &[u8]) -> Reply {
        self.send("PUT", target, &[], body).await
    }

    pub(super) async fn delete(&self, target: &str) -> Reply {
        self.send("DELETE", target, &[], b"").await
    }

    /// A request signed by the owner.
    pub(super) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        self.send_as(Who::Owner, method, target, headers, body).await
    }

    /// A signed request.
    pub(super) async fn send_as(
        &self,
        who: Who,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let (key, secret) = match who {
            Who::Owner => (KEY, SECRET),
            Who::Other => (OTHER_KEY, OTHER_SECRET),
        };
        let head = Signing { method, target, headers, secret, key, ..Signing::default() }.header();
        self.answer(head, body).await
    }

    /// A request with the head `head`, whose length is announced.
    pub(super) async fn answer(&self, mut head: Parts, body: &[u8]) -> Reply {
        if !body.is_empty() || head.method == "PUT" {
            head.headers.insert("content-length", HeaderValue::from(body.len()));
        }
        self.answer_raw(head, body).await
    }

    /// A request with exactly the head `head`.
    pub(super) async fn answer_raw(&self, head: Parts, body: &[u8]) -> Reply {
        let request = Request::from_parts(head, Full::new(Bytes::copy_from_slice(body)));
        let response = self.s3.answer(request, Transport::Plain).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Reply { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// A `POST ?delete` with its digest.
    pub(super) async fn delete_many(&self, document: &str) -> Reply {
        let digest = md5_of(document.as_bytes());
        self.send("POST", &format!("/{BUCKET}?delete"), &[("content-md5", &digest)], document.as_bytes())
            .await
    }

    /// Creates an upload and returns its id.
    pub(super) async fn create_upload(&self, key: &str) -> String {
        self.send("POST", &format!("/{BUCKET}/{key}?uploads"), &[], b"").await.is(200).element("UploadId")
    }

    /// Uploads a part and returns its tag.
    pub(super) async fn upload_part(&self, key: &str, id: &str, part: u16, body: &[u8]) -> String {
        let target = format!("/{BUCKET}/{key}?partNumber={part}&uploadId={id}");
        self.put(&target, body).await.is(200).header("etag").to_owned()
    }

    /// Completes an upload.
    pub(super) async fn complete(&self, key: &str, id: &str, parts: &[(u16, &str)]) -> Reply {
        let document = complete_document(parts);
        self.send("POST", &format!("/{BUCKET}/{key}?uploadId={id}"), &[], document.as_bytes()).await
    }
}

/// A `CompleteMultipartUpload` document.
pub(super) fn complete_document(parts: &[(u16, &str)]) -> String {
    let parts: Vec<String> = parts
        .iter()
        .map(|(part, etag)| format!("<Part><PartNumber>{part}</PartNumber><ETag>{etag}</ETag></Part>"))
        .collect();
    let parts = parts.concat();
    format!(
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}</CompleteMultipartUpload>"
    )
}

/// The base64 of the MD5 of `bytes`.
pub(super) fn md5_of(bytes: &[u8]) -> String {
    BASE64.encode(md5::Md5::digest(bytes))
}

fn authenticator() -> Authenticator {
    let pair = |key, secret: &str, id: &str| {
        let account = Arc::new(Account { id: id.to_owned(), display_name: format!("{id}-name") });
        Credential::new(key, Zeroizing::new(secret.to_owned()), account).expect("a usable pair")
    };
    let pairs = [pair(KEY, SECRET, "owner"), pair(OTHER_KEY, OTHER_SECRET, "other")];
    let store = CredentialStore::new(pairs, Zeroizing::new("a decoy's secret, long enough".into()));
    Authenticator::new(store.expect("two pairs"), "us-east-1")
}

impl Reply {
    /// Checks the status.
    #[track_caller]
    pub(super) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Checks that this is the refusal `code`.
    #[track_caller]
    pub(super) fn refuses(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.find("Code").as_deref()), (status, Some(code)), "{}", self.text());
        assert!(self.text().contains("<Message>"), "{}", self.text());
        let id = self.header("x-amz-request-id").to_owned();
        assert_eq!(self.element("RequestId"), id);
        self
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The header `name`, or nothing.
    pub(super) fn maybe(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(HeaderName::from_bytes(name.as_bytes()).expect("a header name"));
        value.map(|value| value.to_str().expect("ASCII"))
    }

    /// The header `name`.
    #[track_caller]
    pub(super) fn header(&self, name: &str) -> &str {
        self.maybe(name).unwrap_or_else(|| panic!("no header {name} in {:?}", self.headers))
    }

    /// The raw content of the first element `name`.
    pub(super) fn find(&self, name: &str) -> Option<String> {
        self.elements(name).into_iter().next()
    }

    /// The raw content of the first element `name`.
    #[track_caller]
    pub(super) fn element(&self, name: &str) -> String {
        self.find(name).unwrap_or_else(|| panic!("no element {name} in {}", self.text()))
    }

    /// The raw contents of all elements `name`.
    pub(super) fn elements(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let text = self.text();
        text.split(&open)
            .skip(1)
            .filter_map(|rest| rest.split_once(&close))
            .map(|(c, _)| c.to_owned())
            .collect()
    }
}
