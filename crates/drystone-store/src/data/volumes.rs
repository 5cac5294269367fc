//! The data door over volumes.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use drystone_core::data::door::{
    Data, DataError, Extent, ExtentId, ExtentReader, ExtentWriter, Freed, Space,
};
use drystone_core::meta::door::BoxFuture;
use drystone_core::world::Entropy;
use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, fallocate};

use crate::data::allocate::{Allocation, Place, SMALL_BYTES_MAX};
use crate::data::buffers::Buffers;
use crate::data::catalogue::{Catalogue, numbers_in};
use crate::data::extent;
use crate::data::hashing::Hashing;
use crate::data::numbers::Numbers;
use crate::data::pool::Pool;
use crate::data::reader::{BATCH_BYTES_MAX, Reader};
use crate::data::reclaim::Reclaim;
use crate::data::writer::Writer;
use crate::format::{Held, OpenError, failed};
use crate::room::Room;

/// Threads that write, read from the disk and punch.
const DATA_THREADS: usize = 8;
/// Threads that sync: one for each active volume, and some for the volumes of the largest extents.
const SYNC_THREADS: usize = 8;

/// All volumes of a data directory.
pub(crate) struct Volumes {
    pub(super) catalogue: Arc<Catalogue>,
    allocation: Mutex<Allocation>,
    room: Arc<Room>,
    entropy: Arc<dyn Entropy>,
    pub(super) reclaim: Reclaim,
    pub(super) pool: Arc<Pool>,
    pub(super) syncs: Arc<Pool>,
    pub(super) hashing: Arc<Hashing>,
    pub(super) buffers: Arc<Buffers>,
    /// The directory is ours until the last user of the volumes is gone.
    _held: Held,
}

/// What the volumes are opened with.
pub(crate) struct VolumesOptions<'o> {
    /// Their folder.
    pub(crate) folder: &'o Path,
    /// What [`Volumes::list`] found in it.
    pub(crate) found: Vec<u64>,
    /// What they remember.
    pub(crate) numbers: Numbers,
    /// The file system's room.
    pub(crate) room: Arc<Room>,
    /// Where extents' tokens come from.
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Keeps the directory ours.
    pub(crate) held: Held,
}

/// What kept the volumes from stopping in order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StillInUse {
    /// Some extents were neither finished nor given up.
    #[error("{0} volumes still have unfinished writers")]
    Writers(usize),
    /// A write or sync failed, so the disk may not hold what it should.
    #[error(transparent)]
    Poisoned(DataError),
}

impl Volumes {
    /// The numbers of the volumes in `folder`, which is made if it is missing.
    pub(crate) fn list(folder: &Path) -> Result<Vec<u64>, OpenError> {
        crate::durable::make_folder(folder).map_err(failed("making the folder", folder))?;
        numbers_in(folder).map_err(failed("reading the folder", folder))
    }

    /// Opens the volumes.
    pub(crate) fn open(options: VolumesOptions<'_>) -> Result<Arc<Self>, OpenError> {
        let VolumesOptions { folder, found, numbers, room, entropy, held } = options;
        can_punch(folder).map_err(failed("punching a hole into a file in", folder))?;
        let start = |name, count| Pool::start(name, count).map_err(failed("starting threads for", folder));
        let catalogue = Arc::new(Catalogue::new(folder.to_owned(), found));
        catalogue.remove_blockless();
        let reclaim = Reclaim { catalogue: Arc::clone(&catalogue), ledger: Arc::new(AtomicU64::new(0)) };
        let pool = Arc::new(start("drystone-data", DATA_THREADS)?);
        Ok(Arc::new(Self {
            catalogue,
            allocation: Mutex::new(Allocation::new(numbers)),
            room,
            entropy,
            reclaim,
            hashing: Hashing::new(Arc::clone(&pool)),
            pool,
            syncs: Arc::new(start("drystone-sync", SYNC_THREADS)?),
            buffers: Buffers::new(BATCH_BYTES_MAX),
            _held: held,
        }))
    }

    /// Finishes what was begun and lets go of the active volumes.
    ///
    /// # Errors
    /// [`StillInUse`] when the volumes may hold bytes that nobody will own.
    pub(crate) fn close(&self) -> Result<(), StillInUse> {
        self.pool.close();
        self.syncs.close();
        let mut writing = 0;
        let mut outcome = Ok(());
        for volume in self.allocation.lock().seal() {
            writing += usize::from(volume.holds() > 0);
            if let Some(error) = volume.poisoned() {
                outcome = Err(StillInUse::Poisoned(error));
            }
            self.catalogue.remove_if_empty(&volume);
        }
        if writing > 0 { Err(StillInUse::Writers(writing)) } else { outcome }
    }

    /// What extents may still take.
    fn available(&self) -> std::io::Result<Space> {
        let room = self.room.for_extents()?;
        let promised = self.reclaim.ledger.load(Ordering::Acquire);
        Ok(Space { total: room.total, available: room.free.saturating_sub(promised) })
    }

    pub(super) fn no_space(&self, needed: u64) -> DataError {
        DataError::NoSpace { needed, available: self.available().unwrap_or_default().available }
    }

    fn reserve_place(&self, needed: u64) -> Result<Place, DataError> {
        let placed = self.allocation.lock().place(needed, &self.catalogue);
        let mut place = placed.map_err(|error| match error.kind() {
            std::io::ErrorKind::StorageFull => self.no_space(needed),
            _ => DataError::Io { volume: 0, action: "making a", why: error.to_string() },
        })?;
        if let Some(sealed) = place.sealed.take() {
            let catalogue = Arc::clone(&self.catalogue);
            self.pool.run(move || catalogue.remove_if_empty(&sealed));
        }
        Ok(place)
    }
}

impl Data for Volumes {
    fn reserve(self: Arc<Self>, len: u64) -> Result<Box<dyn ExtentWriter>, DataError> {
        assert!(len > 0, "an extent has at least one byte");
        let needed = extent::footprint(len);
        let cannot_tell = |error: std::io::Error| DataError::Io {
            volume: 0,
            action: "asking for the room of",
            why: error.to_string(),
        };
        let available = self.available().map_err(cannot_tell)?.available;
        if needed > available {
            return Err(DataError::NoSpace { needed, available });
        }
        let Place { volume, offset, .. } = self.reserve_place(needed)?;
        let id = ExtentId { volume: volume.number, offset };
        let extent = Extent { id, len, token: self.entropy.next_u64() };
        // Small extents are counted, which costs nothing; large ones take their room from the file
        // system at once, because others may use it up while a long body comes in.
        let range = extent::range(id, len);
        let preallocated = if needed < SMALL_BYTES_MAX { Ok(false) } else { volume.preallocate(&range) };
        let ledger = if matches!(preallocated, Ok(true)) { 0 } else { needed };
        self.reclaim.ledger.fetch_add(ledger, Ordering::AcqRel);
        // From here on the writer gives everything back when it is dropped.
        let writer = Writer::new(Arc::clone(&self), Arc::clone(&volume), extent, ledger);
        match preallocated {
            Ok(_) => Ok(Box::new(writer)),
            Err(rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT) => Err(self.no_space(needed)),
            Err(error) => Err(volume.error("reserving room in", &error.into())),
        }
    }

    fn read(self: Arc<Self>, extent: Extent, range: Range<u64>) -> Box<dyn ExtentReader> {
        Box::new(Reader::new(self, extent, range))
    }

    fn free(self: Arc<Self>, extents: Vec<Freed>) -> BoxFuture<'static, Result<(), DataError>> {
        Box::pin(self.reclaim.clone().free(Arc::clone(&self.pool), Arc::clone(&self.syncs), extents))
    }

    fn abandon(&self, extent: Extent) {
        self.reclaim.abandon(&self.pool, extent);
    }

    fn footprint(&self, id: ExtentId, len: u64) -> Range<u64> {
        extent::range(id, len)
    }

    fn suspects(&self) -> Vec<u64> {
        self.allocation.lock().numbers.suspects(self.catalogue.numbers().into_iter())
    }

    fn volumes(&self) -> Vec<u64> {
        self.catalogue.numbers()
    }

    fn allocated(&self, volume: u64) -> Result<Vec<Range<u64>>, DataError> {
        let Some(file) = self.catalogue.get(volume)? else { return Ok(Vec::new()) };
        let written = file.written()?;
        if self.allocation.lock().numbers.is_suspect(volume) {
            // A writer that a crash cut off may have left room that was taken and never written.
            // No call of ours shows where that is, only how much the whole file takes.
            let (len, taken) = file.extent_on_disk()?;
            let shown: u64 = written.iter().map(|range| range.end - range.start).sum();
            if taken > shown {
                return Ok(std::iter::once(0..len).collect());
            }
        }
        Ok(written)
    }

    fn taken(&self, volume: u64) -> Result<u64, DataError> {
        match self.catalogue.get(volume)? {
            Some(file) => file.extent_on_disk().map(|(_, taken)| taken),
            None => Ok(0),
        }
    }

    fn punch(&self, volume: u64, ranges: &[Range<u64>]) -> Result<(), DataError> {
        let Some(file) = self.catalogue.get(volume)? else { return Ok(()) };
        for range in ranges {
            file.punch(range)?;
        }
        file.sync_now()?;
        self.catalogue.remove_if_empty(&file);
        Ok(())
    }

    fn recovered(&self) {
        for number in self.suspects() {
            if let Ok(Some(volume)) = self.catalogue.get(number) {
                self.catalogue.remove_if_empty(&volume);
            }
        }
        if let Err(error) = self.allocation.lock().numbers.recovered() {
            tracing::warn!(%error, "the end of the recovery was not noted: the next start repeats it");
        }
    }

    fn space(&self) -> Result<Space, DataError> {
        self.available().map_err(|error| DataError::Io {
            volume: 0,
            action: "asking for the room of",
            why: error.to_string(),
        })
    }
}

/// Whether the file system of `folder` can take freed bytes back: without that nothing could ever
/// be deleted.
fn can_punch(folder: &Path) -> std::io::Result<()> {
    let path = folder.join("probe").with_extension(crate::durable::NEW);
    let file = std::fs::File::create(&path)?;
    file.set_len(8192)?;
    let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let punched = fallocate(&file, mode, 0, 4096);
    std::fs::remove_file(&path)?;
    punched.map_err(Into::into)
}

#[cfg(test)]
mod tests;
