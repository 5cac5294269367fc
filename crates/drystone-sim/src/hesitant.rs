//! Doors that make everyone wait, over the in-memory ones: each step of an operation becomes a place
//! where its client may go away or another operation may come first.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use drystone_core::checksum::Digests;
use drystone_core::data::door::{
    Data, DataError, Extent, ExtentId, ExtentReader, ExtentWriter, Freed, Space, WriteOutcome, Written,
};
use drystone_core::data::memory::MemoryData;
use drystone_core::meta::door::{BoxFuture, Command, Meta, View};
use drystone_core::meta::memory::MemoryMeta;
use parking_lot::Mutex;

/// When the work of a step happens: a client that goes away meets both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The caller waits first; if it goes away then, the work is never done.
    BeforeWork,
    /// The work is done first; if the caller goes away then, nobody takes the result.
    AfterWork,
}

/// Pends once.
#[derive(Default)]
struct Once(bool);

impl Future for Once {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

async fn paused<T>(pause: Pause, work: impl Future<Output = T>) -> T {
    match pause {
        Pause::BeforeWork => {
            Once::default().await;
            work.await
        }
        Pause::AfterWork => {
            let done = work.await;
            Once::default().await;
            done
        }
    }
}

/// Metadata with a lane that runs a command only when the test says so.
pub struct HesitantMeta {
    inner: MemoryMeta,
    queue: Mutex<VecDeque<Box<dyn Command>>>,
}

impl HesitantMeta {
    /// An empty store.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { inner: MemoryMeta::new(), queue: Mutex::default() })
    }

    /// Commands that wait.
    pub fn waiting(&self) -> usize {
        self.queue.lock().len()
    }

    /// Runs the first waiting command; says whether there was one.
    pub fn run_one(&self) -> bool {
        let first = self.queue.lock().pop_front();
        first.is_some_and(|command| {
            drop(self.inner.submit(command));
            true
        })
    }
}

impl Meta for HesitantMeta {
    fn snapshot(&self) -> Box<dyn View + Send + '_> {
        self.inner.snapshot()
    }

    fn submit(&self, command: Box<dyn Command>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            Once::default().await;
            self.queue.lock().push_back(command);
        })
    }
}

/// Extents whose every step takes two polls.
pub struct HesitantData {
    inner: Arc<MemoryData>,
    pause: Pause,
    /// The most pieces that came in one write.
    pieces_max: Mutex<usize>,
}

impl HesitantData {
    /// Makes everyone wait at `inner`, when `pause` says.
    pub fn new(inner: Arc<MemoryData>, pause: Pause) -> Arc<Self> {
        Arc::new(Self { inner, pause, pieces_max: Mutex::new(0) })
    }

    /// The most pieces that came in one write.
    pub fn pieces_max(&self) -> usize {
        *self.pieces_max.lock()
    }
}

impl Data for HesitantData {
    fn reserve(self: Arc<Self>, len: u64) -> Result<Box<dyn ExtentWriter>, DataError> {
        let writer = Arc::clone(&self.inner).reserve(len)?;
        Ok(Box::new(HesitantWriter { door: self, writer }))
    }

    fn read(self: Arc<Self>, extent: Extent, range: Range<u64>) -> Box<dyn ExtentReader> {
        Arc::clone(&self.inner).read(extent, range)
    }

    fn free(self: Arc<Self>, extents: Vec<Freed>) -> BoxFuture<'static, Result<(), DataError>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(paused(self.pause, async move { inner.free(extents).await }))
    }

    fn abandon(&self, extent: Extent) {
        self.inner.abandon(extent);
    }

    fn footprint(&self, id: ExtentId, len: u64) -> Range<u64> {
        self.inner.footprint(id, len)
    }

    fn suspects(&self) -> Vec<u64> {
        self.inner.suspects()
    }

    fn volumes(&self) -> Vec<u64> {
        self.inner.volumes()
    }

    fn allocated(&self, volume: u64) -> Result<Vec<Range<u64>>, DataError> {
        self.inner.allocated(volume)
    }

    fn punch(&self, volume: u64, ranges: &[Range<u64>]) -> Result<(), DataError> {
        self.inner.punch(volume, ranges)
    }

    fn recovered(&self) {
        self.inner.recovered();
    }

    fn space(&self) -> Result<Space, DataError> {
        self.inner.space()
    }
}

struct HesitantWriter {
    door: Arc<HesitantData>,
    writer: Box<dyn ExtentWriter>,
}

impl ExtentWriter for HesitantWriter {
    fn write(self: Box<Self>, pieces: Vec<Bytes>, digests: Digests) -> BoxFuture<'static, WriteOutcome> {
        let Self { door, writer } = *self;
        let mut most = door.pieces_max.lock();
        *most = (*most).max(pieces.len());
        drop(most);
        Box::pin(async move {
            let (writer, digests) =
                paused(door.pause, async move { writer.write(pieces, digests).await }).await?;
            Ok((Box::new(HesitantWriter { door, writer }) as Box<dyn ExtentWriter>, digests))
        })
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<Written, DataError>> {
        let Self { door, writer } = *self;
        Box::pin(paused(door.pause, async move { writer.finish().await }))
    }
}
