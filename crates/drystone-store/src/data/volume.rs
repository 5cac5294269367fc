//! One volume: a sparse file whose writers share their syncs.
//!
//! A finishing writer needs a sync that began after its last write. It waits in a list; whoever
//! finds no sync running starts one, and each sync answers all who came before it began. So many
//! writers cost one sync, no sync happens under a lock, and nobody is answered by a sync that may
//! have missed his bytes. Writers of small extents do not wait here at all: the commit lane makes one
//! sync for all whose commands it has taken. After a failed write or sync nobody knows what the disk holds: the volume is
//! poisoned, never synced again, and takes no more extents.
//!
//! The kernel tells the error of a write that it made by itself once to each open file, not once to each who syncs. Of two
//! syncs of one open file that run at the same time only one fails, and the other would answer for bytes that are lost.
//! So the lane has an open file of its own, and all others sync theirs one after the other.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use drystone_core::data::door::{DataError, Unsynced};
use drystone_core::planted::{Mistake, planted};
use drystone_core::sync::Mutex;
use drystone_core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use futures_channel::oneshot;
use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
use rustix::io::{Errno, retry_on_intr};

use crate::data::pool::Pool;
use crate::durable;

/// A volume that is open.
pub(super) struct Volume {
    pub(super) number: u64,
    pub(super) file: File,
    /// The same, opened once more: the lane alone syncs it.
    lane_file: File,
    /// Whose turn it is to sync `file`.
    turn: Mutex<()>,
    path: PathBuf,
    /// Whether its name is on stable storage.
    named: AtomicBool,
    /// Who keeps it from being removed: the allocation while it is active, and unfinished writers.
    holds: AtomicU64,
    syncs: Mutex<Syncs>,
}

#[derive(Default)]
struct Syncs {
    running: bool,
    waiting: Vec<oneshot::Sender<Result<(), DataError>>>,
    poisoned: Option<DataError>,
}

impl Volume {
    /// Opens the volume `number`.
    pub(super) fn open(number: u64, path: PathBuf) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(&path)?;
        Self::new(number, path, file, true)
    }

    /// Makes the volume `number`, `len` bytes long. Its name is on stable storage after its first sync.
    pub(super) fn make(number: u64, path: PathBuf, len: u64) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        // The length never changes later: a sync has less to write, and no file system allocates
        // room behind a growing end.
        file.set_len(len)?;
        Self::new(number, path, file, false)
    }

    fn new(number: u64, path: PathBuf, file: File, named: bool) -> io::Result<Self> {
        // Before anything is written: it is to hear of every error.
        let lane_file = File::open(&path)?;
        let (named, holds) = (AtomicBool::new(named), AtomicU64::new(0));
        let (turn, syncs) = (Mutex::default(), Mutex::default());
        Ok(Self { number, file, lane_file, turn, path, named, holds, syncs })
    }

    /// The error of an `action` with this volume.
    pub(super) fn error(&self, action: &'static str, why: &io::Error) -> DataError {
        DataError::Io { volume: self.number, action, why: why.to_string() }
    }

    /// Keeps the volume from being removed until [`Volume::release`].
    pub(super) fn hold(&self) {
        self.holds.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn release(&self) {
        self.holds.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn holds(&self) -> u64 {
        self.holds.load(Ordering::Acquire)
    }

    /// Why nothing more is written to it.
    pub(super) fn poisoned(&self) -> Option<DataError> {
        self.syncs.lock().poisoned.clone()
    }

    /// Nothing more is written to it or synced; all who wait fail.
    pub(super) fn poison(&self, error: &DataError) {
        tracing::error!(%error, volume = self.number, "a volume is poisoned and takes no more extents");
        let waiting = {
            let mut syncs = self.syncs.lock();
            syncs.poisoned.get_or_insert_with(|| error.clone());
            std::mem::take(&mut syncs.waiting)
        };
        for waiter in waiting {
            drop(waiter.send(Err(error.clone())));
        }
    }

    /// Asks for a sync that begins from now on; the future resolves after it.
    pub(super) fn sync(
        self: &Arc<Self>,
        pool: &Pool,
    ) -> impl Future<Output = Result<(), DataError>> + Send + use<> {
        let asked = self.ask_for_sync(pool);
        let number = self.number;
        async move {
            let gone =
                |_| DataError::Io { volume: number, action: "syncing", why: "its thread ended".into() };
            asked?.await.map_err(gone)?
        }
    }

    fn ask_for_sync(
        self: &Arc<Self>,
        pool: &Pool,
    ) -> Result<oneshot::Receiver<Result<(), DataError>>, DataError> {
        let (waiter, answered) = oneshot::channel();
        let mut syncs = self.syncs.lock();
        if let Some(error) = &syncs.poisoned {
            return Err(error.clone());
        }
        syncs.waiting.push(waiter);
        let start = !std::mem::replace(&mut syncs.running, true);
        drop(syncs);
        if start {
            let volume = Arc::clone(self);
            pool.run(move || volume.run_syncs());
        }
        Ok(answered)
    }

    /// Syncs until nobody waits.
    fn run_syncs(&self) {
        loop {
            let mut waiting = {
                let mut syncs = self.syncs.lock();
                if syncs.waiting.is_empty() || syncs.poisoned.is_some() {
                    syncs.running = false;
                    return;
                }
                std::mem::take(&mut syncs.waiting)
            };
            let outcome = self.sync_now();
            if planted(Mistake::SyncAnswersLatecomers) {
                waiting.append(&mut self.syncs.lock().waiting);
            }
            for waiter in waiting {
                drop(waiter.send(outcome.clone()));
            }
        }
    }

    /// Syncs on this thread, after whoever does so now. A failure poisons the volume.
    pub(super) fn sync_now(&self) -> Result<(), DataError> {
        let _turn = self.turn.lock();
        self.sync_file(&self.file)
    }

    fn sync_file(&self, file: &File) -> Result<(), DataError> {
        if let Some(error) = self.poisoned() {
            return Err(error);
        }
        let synced = if planted(Mistake::VolumeNotSynced) { Ok(()) } else { durable::sync_data(file) };
        let synced = synced.and_then(|()| {
            if !self.named.load(Ordering::Acquire) && !planted(Mistake::VolumeNameNotSynced) {
                durable::sync_name(&self.path)?;
                self.named.store(true, Ordering::Release);
            }
            Ok(())
        });
        synced.map_err(|error| {
            let error = self.error("syncing", &error);
            if !planted(Mistake::FailedSyncTriedAgain) {
                self.poison(&error);
            }
            error
        })
    }

    /// Gives the bytes of `range` back to the file system; on stable storage after the next sync.
    pub(super) fn punch(&self, range: &Range<u64>) -> Result<(), DataError> {
        if planted(Mistake::FreedRangeKept) {
            return Ok(());
        }
        let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        retry_on_intr(|| fallocate(&self.file, mode, range.start, range.end - range.start))
            .map_err(|error| self.error("punching", &error.into()))
    }

    /// Takes room for `range` on the file system. `false` when the file system cannot promise room.
    pub(super) fn preallocate(&self, range: &Range<u64>) -> Result<bool, Errno> {
        match retry_on_intr(|| {
            fallocate(&self.file, FallocateFlags::KEEP_SIZE, range.start, range.end - range.start)
        }) {
            Ok(()) => Ok(true),
            Err(Errno::OPNOTSUPP) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Keeps the volume for bytes that the next sync of it brings to stable storage. It is held already, for
    /// this.
    pub(super) fn unsynced(self: Arc<Self>) -> Arc<dyn Unsynced> {
        Arc::new(Held(self))
    }

    /// The ranges that hold written bytes, also those that are not on stable storage yet.
    ///
    /// Room that was taken and never written is not among them.
    pub(super) fn written(&self) -> Result<Vec<Range<u64>>, DataError> {
        let mut ranges = Vec::new();
        let mut from = 0;
        while let Some(start) = self.seek(SeekFrom::Data(from))? {
            let end = self.seek(SeekFrom::Hole(start))?.unwrap_or(start + 1);
            ranges.push(start..end);
            from = end;
        }
        Ok(ranges)
    }

    /// Whether not a single byte is written in it.
    pub(super) fn is_empty(&self) -> Result<bool, DataError> {
        Ok(self.seek(SeekFrom::Data(0))?.is_none())
    }

    fn seek(&self, to: SeekFrom) -> Result<Option<u64>, DataError> {
        match seek(&self.file, to) {
            Ok(offset) => Ok(Some(offset)),
            // No data behind this offset.
            Err(Errno::NXIO) => Ok(None),
            Err(error) => Err(self.error("looking for holes in", &error.into())),
        }
    }

    /// Its length and the room that it takes, in bytes.
    pub(super) fn extent_on_disk(&self) -> Result<(u64, u64), DataError> {
        use std::os::unix::fs::MetadataExt;
        let metadata = self.file.metadata().map_err(|error| self.error("looking at", &error))?;
        Ok((metadata.len(), metadata.blocks() * 512))
    }
}

/// A volume that is held until this is dropped.
struct Held(Arc<Volume>);

impl Unsynced for Held {
    fn volume(&self) -> u64 {
        self.0.number
    }

    fn sync(&self) -> Result<(), DataError> {
        self.0.sync_file(&self.0.lane_file)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.release();
    }
}

#[cfg(all(test, feature = "shuttle"))]
mod models;
