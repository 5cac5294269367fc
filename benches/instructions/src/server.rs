//! The server without sockets, as `drystone serve` puts it together, with its log and its metrics.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use drystone_core::names::AccountId;
use drystone_core::store::Store;
use drystone_server::audit::AuditLog;
use drystone_server::listen::Transport;
use drystone_server::metrics::Metrics;
use drystone_server::request_id::RequestIds;
use drystone_server::response_body::ResponseBody;
use drystone_server::s3::service::{S3, S3Parts};
use drystone_store::{OpenOptions, Opened, open};
use http::Response;
use http_body::Body as _;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

use crate::exchange::Exchange;
use crate::fixed_world::{Seeded, Ticks};
use crate::memory_store::MemoryStore;
use crate::signed_request::authenticator;

/// A server over memory with one bucket, called `bucket`.
pub(crate) struct Server {
    here: MemoryStore,
    s3: S3,
    /// Some operations set themselves deadlines.
    runtime: Runtime,
    /// What holds a store on disk; goes after the store.
    _disk: Option<(Opened, TempDir)>,
}

/// What a server's store is made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doors {
    /// Memory.
    Memory,
    /// The engine and the volumes, in a folder.
    Disk,
}

impl Server {
    /// Puts it together. Lines of the log are written as by default, to nowhere.
    pub(crate) fn new(doors: Doors) -> Self {
        let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new("info"));
        log.with_writer(io::sink).with_target(false).with_ansi(false).init();
        let metrics = Arc::new(Metrics::new());
        metrics.install().expect("nothing was installed before");
        let told = |store: Store| store.told_to(Arc::new(AuditLog::start()));
        let (here, disk) = match doors {
            Doors::Memory => (MemoryStore::new(told), None),
            Doors::Disk => {
                let folder = tempfile::tempdir().expect("a folder of its own");
                let opened =
                    open(OpenOptions::new(folder.path().join("data")).entropy(Arc::new(Seeded::new())));
                let opened = opened.expect("a new store opens");
                (MemoryStore::over(opened.meta(), opened.data(), told), Some((opened, folder)))
            }
        };
        let s3 = S3::new(S3Parts {
            store: Arc::clone(&here.store),
            authenticator: authenticator(),
            clock: Arc::new(Ticks::new()),
            request_ids: RequestIds::new(&Seeded::new()),
            metrics,
            domains: Vec::new(),
            administrator: AccountId::new("account"),
        });
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime without sockets");
        Self { here, s3, runtime, _disk: disk }
    }

    /// Puts `bytes` under `key` past the wire: for many objects.
    pub(crate) fn put(&self, key: &str, bytes: &Bytes) {
        self.here.put(key, bytes);
    }

    /// Sends a request and takes its whole answer.
    ///
    /// # Panics
    /// When the answer is not what it must be, so that nothing but the operation is ever counted.
    pub(crate) fn exchange(&self, exchange: Exchange) {
        let Exchange { request, status, bytes_min } = exchange;
        let (response, pieces) = self.send(request);
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        assert!(
            response.status() == status && bytes >= bytes_min,
            "{} with {bytes} bytes instead of {status} with {bytes_min}: {pieces:?}",
            response.status()
        );
    }

    /// Sends a request and returns its answer, which must be as it says.
    pub(crate) fn ask(&self, exchange: Exchange) -> (Response<ResponseBody>, String) {
        let status = exchange.status;
        let (response, pieces) = self.send(exchange.request);
        let text = String::from_utf8_lossy(&pieces.concat()).into_owned();
        assert_eq!(response.status(), status, "{text}");
        (response, text)
    }

    /// What the worker does when it was woken: freed bytes go back.
    pub(crate) fn give_back(&self) {
        let given = self.runtime.block_on(self.here.store.give_back()).expect("freed bytes go back");
        assert!(given.extents > 0, "there is something to give back");
    }

    fn send(
        &self,
        request: http::Request<crate::arriving::Arriving>,
    ) -> (Response<ResponseBody>, Vec<Bytes>) {
        self.runtime.block_on(async {
            let mut response = self.s3.answer(request, Transport::Plain).await;
            let mut pieces = Vec::new();
            while let Some(frame) = poll_fn(|cx| Pin::new(response.body_mut()).poll_frame(cx)).await {
                pieces.extend(frame.expect("the answer is whole").into_data());
            }
            (response, pieces)
        })
    }
}
