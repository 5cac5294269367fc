//! The store: what the other rooms hold. Its operations stand in the rooms of their nouns.

use std::sync::Arc;
use std::task::Poll;

use futures_util::task::AtomicWaker;

use crate::access::Caller;
use crate::audit::{Audit, Event, Telling};
use crate::buckets::quota::Quotas;
use crate::data::door::{Data, Freed, Pending};
use crate::error::Error;
use crate::meta::door::{Meta, Tx, View};
use crate::meta::records::{BucketRecord, Record};
use crate::meta::tables;
use crate::names::BucketName;
use crate::planted::{Mistake, planted};
use crate::reclaim::known::{Known, Noting, OnList};
use crate::reclaim::pins::Pins;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::world::{Clock, Entropy};

/// What a store is made of.
pub struct Parts {
    /// The metadata engine.
    pub meta: Arc<dyn Meta>,
    /// The extents.
    pub data: Arc<dyn Data>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

/// Bodies of at most this many bytes live in the metadata. Measured: `docs/design/0004-small-bodies.md`.
pub const SMALL_BODY_BYTES_MAX: u64 = 512;

/// What a row that adds something takes on disk at most, in bytes: a key of 1 KiB, user and system
/// metadata of a few more KiB, and once again for the engine's journal.
const ROW_BYTES: u64 = 4 * 1024;

/// An object store over two doors, a clock and a source of chance.
pub struct Store {
    pub(crate) meta: Arc<dyn Meta>,
    pub(crate) data: Arc<dyn Data>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) quotas: Arc<Quotas>,
    audit: Option<Arc<dyn Audit>>,
    /// What the worker has to free.
    pub(crate) known: Arc<Known>,
    work: Arc<Signal>,
    abort_jobs: Signal,
}

impl Store {
    /// Puts a store together. Call [`Store::recover`] before the first operation.
    pub fn new(parts: Parts) -> Self {
        let work = Arc::new(Signal::default());
        let unpinned = Arc::clone(&work);
        Self {
            meta: parts.meta,
            data: parts.data,
            clock: parts.clock,
            entropy: parts.entropy,
            pins: Arc::new(Pins::new(move || unpinned.raise())),
            quotas: Arc::default(),
            audit: None,
            known: Arc::default(),
            work,
            abort_jobs: Signal::default(),
        }
    }

    /// Holds buckets to `quotas`; without this they have none.
    #[must_use]
    pub fn held_to(mut self, quotas: Quotas) -> Self {
        self.quotas = Arc::new(quotas);
        self
    }

    /// Has what becomes of uploads told to `audit`.
    #[must_use]
    pub fn told_to(mut self, audit: Arc<dyn Audit>) -> Self {
        self.audit = Some(audit);
        self
    }

    /// Whether the store can serve: its metadata can be read and its file system answers.
    ///
    /// # Errors
    /// [`Error::Meta`] or [`Error::Data`].
    pub fn ready(&self) -> Result<(), Error> {
        self.meta.snapshot().get(&tables::counters())?;
        self.data.space()?;
        Ok(())
    }

    /// Whether looking something up may wait for the disk at this time; never waits itself.
    pub fn waits(&self) -> bool {
        self.meta.waits()
    }

    /// Whether rows that carry `bytes` may be added: what extents may not take is kept for deletes and
    /// aborts, which must find room for their own rows on a full disk.
    ///
    /// # Errors
    /// [`Error::NoSpace`]; [`Error::Data`] when the file system cannot tell.
    pub(crate) fn room_for_rows(&self, bytes: u64) -> Result<(), Error> {
        let (needed, available) = (bytes + ROW_BYTES, self.data.space()?.available);
        if needed > available { Err(Error::NoSpace { needed, available }) } else { Ok(()) }
    }

    /// Says that there may be something to give back, of which nobody knows; never waits.
    pub fn wake(&self) {
        self.known.add(OnList::Unknown);
        self.work.raise();
    }

    /// Says that there is an abort job to carry out; never waits.
    pub(crate) fn want_abort_job(&self) {
        self.abort_jobs.raise();
    }

    /// Waits until an abort job was started since the last call. One worker waits here.
    pub async fn abort_job_wanted(&self) {
        self.abort_jobs.raised().await;
    }

    /// Does what is left to do after an answer, whenever there is something, for ever: frees the
    /// uploads of deleted buckets whose client went away, and gives back freed bytes. Run one such worker
    /// per store.
    ///
    /// Once woken, it waits for `gather` first: what is freed meanwhile goes back together, for the same two
    /// syncs. A failure is logged and tried again with the next wake.
    pub async fn work<G: Future<Output = ()>>(&self, gather: impl Fn() -> G) {
        loop {
            self.work.raised().await;
            gather().await;
            if let Err(error) = self.work_once().await {
                tracing::error!(error = %Chain(&error), "freed bytes could not be given back; trying again later");
            }
        }
    }

    async fn work_once(&self) -> Result<(), Error> {
        self.free_all_condemned().await?;
        self.give_known_back().await.map(drop)
    }

    /// Runs an operation's one commit. Extents that stay without an owner are freed before the
    /// refusal is returned.
    pub(crate) async fn commit<T, F>(&self, pending: Vec<Pending>, decide: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&mut dyn Tx) -> Result<T, Error> + Send + 'static,
    {
        self.commit_then(pending, decide, |done| done).await
    }

    /// As [`Store::commit`], for operations that may put extents on the reclaim list. The worker hears of
    /// these when they are there on stable storage, also when the caller went away before that.
    pub(crate) async fn commit_and_give_back<T, F>(
        &self,
        pending: Vec<Pending>,
        decide: F,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&mut dyn Tx) -> Result<T, Error> + Send + 'static,
    {
        self.commit_and_give_back_then(pending, decide, |done| done).await
    }

    /// As [`Store::commit_and_give_back`], for operations that change uploads: `decide` notes what became of them,
    /// and the [audit](crate::audit) is told of it when it is on stable storage, whoever is still waiting then.
    pub(crate) async fn commit_and_tell<T, F>(&self, mut decide: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&mut dyn Tx, &mut Vec<Event>) -> Result<T, Error> + Send + 'static,
    {
        let decide_and_note = move |tx: &mut dyn Tx| {
            let mut events = Vec::new();
            decide(tx, &mut events).map(|done| (done, events))
        };
        let audit = self.audit.clone();
        let stands = move |(done, events)| (done, Telling { audit, events });
        let (done, telling) = self.commit_and_give_back_then(Vec::new(), decide_and_note, stands).await?;
        drop(telling);
        Ok(done)
    }

    async fn commit_and_give_back_then<T, U, F, S>(
        &self,
        pending: Vec<Pending>,
        mut decide: F,
        stands: S,
    ) -> Result<U, Error>
    where
        T: Send + 'static,
        U: Send + 'static,
        F: FnMut(&mut dyn Tx) -> Result<T, Error> + Send + 'static,
        S: FnOnce(T) -> U + Send + 'static,
    {
        let decide_and_note = move |tx: &mut dyn Tx| {
            // An engine may run a command again; only its last run counts.
            let mut noting = Noting::new(tx);
            decide(&mut noting).map(|done| (done, noting.noted))
        };
        let (known, work) = (Arc::clone(&self.known), Arc::clone(&self.work));
        let stands = move |(done, noted)| {
            if !planted(Mistake::WorkerNotWoken) && known.add(noted) {
                work.raise();
            }
            stands(done)
        };
        self.commit_then(pending, decide_and_note, stands).await
    }

    async fn commit_then<T, U, F, S>(&self, pending: Vec<Pending>, decide: F, stands: S) -> Result<U, Error>
    where
        T: Send + 'static,
        U: Send + 'static,
        F: FnMut(&mut dyn Tx) -> Result<T, Error> + Send + 'static,
        S: FnOnce(T) -> U + Send + 'static,
    {
        match self.meta.commit_then(pending, decide, stands).await {
            Ok(done) => Ok(done),
            Err((refusal, unowned)) => {
                self.free_unowned(unowned).await;
                Err(refusal)
            }
        }
    }

    async fn free_unowned(&self, unowned: Vec<Pending>) {
        if unowned.is_empty() {
            return;
        }
        if planted(Mistake::RefusedBodyForgotten) {
            return unowned.into_iter().for_each(Pending::keep);
        }
        let freed = unowned.iter().map(|p| Freed { id: p.extent().id, len: p.extent().len }).collect();
        match Arc::clone(&self.data).free(freed).await {
            Ok(()) => unowned.into_iter().for_each(Pending::keep),
            // Dropping them lets the data door try again; recovery finds what it cannot free.
            Err(error) => {
                tracing::error!(error = %Chain(&error), "a refused body could not be freed at once");
            }
        }
    }
}

/// Finds `name` and checks that `caller` owns it.
pub(crate) fn bucket_for(
    view: &(impl View + ?Sized),
    name: &BucketName,
    caller: &Caller,
) -> Result<BucketRecord, Error> {
    let key = tables::bucket(name);
    let row = view.get_often(&key)?.ok_or_else(|| Error::NoSuchBucket(name.clone()))?;
    let bucket = BucketRecord::decode(&key, row)?;
    if bucket.owner == caller.account { Ok(bucket) } else { Err(Error::AccessDenied) }
}

/// An error and its sources in one line.
pub struct Chain<'a>(pub &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// One bit that a worker waits for.
#[derive(Default)]
struct Signal {
    raised: AtomicBool,
    waiting: AtomicWaker,
}

impl Signal {
    fn raise(&self) {
        self.raised.store(true, Ordering::Release);
        self.waiting.wake();
    }

    async fn raised(&self) {
        std::future::poll_fn(|cx| {
            self.waiting.register(cx.waker());
            if self.raised.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
