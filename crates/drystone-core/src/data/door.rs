//! The data door: write-once extents without names.
//!
//! Life of an extent: (1) its length is reserved, so that a full disk is refused before the body is
//! read; (2) it is written; (3) it is finished, after which it is on stable storage, or says whose
//! sync is missing; (4) a metadata transaction, before which that sync is made, gives it an owner, or
//! it is abandoned; (5) a later transaction takes the last owner away and puts it on the reclaim list;
//! (6) it is freed, and its bytes are back at the file system. Ranges are never used twice, so freeing
//! twice is harmless. An extent never becomes readable before step 4 and never disappears before step
//! 5: bytes are durable before they have a name, and a name never exists without its bytes.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::checksum::Digests;
use crate::meta::door::BoxFuture;

/// Where an extent begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExtentId {
    /// The volume; never used again once it is gone.
    pub volume: u64,
    /// Offset of the extent's first byte in the volume, in bytes.
    pub offset: u64,
}

/// A write-once run of bytes in a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Where it begins.
    pub id: ExtentId,
    /// Length of its payload, in bytes; more than 0.
    pub len: u64,
    /// Random number mixed into every stored check, so that an extent in a wrong place is noticed.
    pub token: u64,
}

/// How the data door can fail.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DataError {
    /// The file system cannot hold the extent.
    #[error("the file system has no room for {needed} bytes ({available} are available)")]
    NoSpace {
        /// Bytes that the extent needs on disk.
        needed: u64,
        /// Bytes that may still be used.
        available: u64,
    },
    /// Reading, writing or syncing failed; the range is poisoned.
    #[error("{action} volume {volume} failed: {why}")]
    Io {
        /// The volume.
        volume: u64,
        /// What was tried: "writing", "syncing", ...
        action: &'static str,
        /// The operating system's reason.
        why: String,
    },
    /// Stored bytes are not the bytes that were written.
    #[error("volume {volume} is damaged at byte {offset}: {why}")]
    Corrupt {
        /// The volume.
        volume: u64,
        /// Offset of the damaged frame in the volume.
        offset: u64,
        /// What is wrong.
        why: &'static str,
    },
}

/// Room on the file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Space {
    /// Size of the file system.
    pub total: u64,
    /// What new extents may still take.
    pub available: u64,
}

/// A finished extent and the CRC64NVME of its payload.
#[derive(Debug)]
pub struct Written {
    /// The extent, which nobody owns yet.
    pub pending: Pending,
    /// CRC64NVME of the payload.
    pub crc64: u64,
}

/// A sync that is missing: bytes were written and may not be on stable storage yet.
pub trait Unsynced: Send + Sync {
    /// The volume. One sync of it is enough for all extents that were finished in it before.
    fn volume(&self) -> u64;

    /// Syncs the volume, on this thread.
    ///
    /// # Errors
    /// [`DataError::Io`], and again whenever it is asked after a failure: nobody knows then what the
    /// disk holds.
    fn sync(&self) -> Result<(), DataError>;
}

/// A finished extent that nobody owns yet: dropped, it is abandoned and its bytes are given back.
pub struct Pending {
    extent: Extent,
    unsynced: Option<Arc<dyn Unsynced>>,
    door: Option<Arc<dyn Data>>,
}

impl Pending {
    /// Wraps an extent that `door` has just finished, on stable storage but for `unsynced`.
    pub fn new(extent: Extent, unsynced: Option<Arc<dyn Unsynced>>, door: Arc<dyn Data>) -> Self {
        Self { extent, unsynced, door: Some(door) }
    }

    /// The sync that must be made before a transaction gives the extent an owner.
    pub fn unsynced(&self) -> Option<&Arc<dyn Unsynced>> {
        self.unsynced.as_ref()
    }

    /// The extent.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// The extent has an owner now.
    pub fn keep(mut self) {
        self.door = None;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // It may keep the volume from being removed, which abandoning its last extent does.
        self.unsynced = None;
        if let Some(door) = self.door.take() {
            door.abandon(self.extent);
        }
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pending").field(&self.extent).finish()
    }
}

/// A backend behind the door.
pub trait Data: Send + Sync + 'static {
    /// Reserves room for `len` bytes (more than 0) and opens a writer for exactly that many.
    ///
    /// # Errors
    /// [`DataError::NoSpace`] when the file system cannot hold them; [`DataError::Io`].
    fn reserve(self: Arc<Self>, len: u64) -> Result<Box<dyn ExtentWriter>, DataError>;

    /// Opens a reader of the bytes `range` of `extent`'s payload. Every frame is verified before a
    /// byte of it is handed out.
    fn read(self: Arc<Self>, extent: Extent, range: Range<u64>) -> Box<dyn ExtentReader>;

    /// Gives the bytes of `extents` back to the file system. On return that is on stable storage.
    /// Freeing what is already free, also in a volume that is gone, is fine.
    fn free(self: Arc<Self>, extents: Vec<Freed>) -> BoxFuture<'static, Result<(), DataError>>;

    /// Gives the bytes of an extent that never got an owner back soon, without waiting.
    fn abandon(&self, extent: Extent);

    /// The whole range that an extent with this place and payload length takes in its volume:
    /// payload, checks and padding.
    fn footprint(&self, id: ExtentId, len: u64) -> Range<u64>;

    /// Volumes that may hold bytes without an owner, since they were open when the process ended
    /// without a clean stop. Empty after a clean stop.
    fn suspects(&self) -> Vec<u64>;

    /// All volumes.
    fn volumes(&self) -> Vec<u64>;

    /// The byte ranges of `volume` that take room on the file system, ascending.
    ///
    /// # Errors
    /// [`DataError::Io`] when the file system cannot tell.
    fn allocated(&self, volume: u64) -> Result<Vec<Range<u64>>, DataError>;

    /// Bytes that `volume` takes on the file system. In a volume that is suspect, [`Data::allocated`] may
    /// name more than that, because no call shows where room lies that was taken and never written.
    ///
    /// # Errors
    /// [`DataError::Io`] when the file system cannot tell.
    fn taken(&self, volume: u64) -> Result<u64, DataError> {
        Ok(self.allocated(volume)?.into_iter().map(|range| range.end - range.start).sum())
    }

    /// Gives back the bytes of `volume` in `ranges`, which nobody owns (recovery only). On return
    /// that is on stable storage.
    ///
    /// # Errors
    /// [`DataError::Io`].
    fn punch(&self, volume: u64, ranges: &[Range<u64>]) -> Result<(), DataError>;

    /// The recovery of the volumes named by [`Data::suspects`] is done.
    fn recovered(&self);

    /// Room on the file system.
    ///
    /// # Errors
    /// [`DataError::Io`] when the file system cannot tell.
    fn space(&self) -> Result<Space, DataError>;
}

/// Place and payload length of an extent to free; its token is not needed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Freed {
    /// Where it begins.
    pub id: ExtentId,
    /// Length of its payload, in bytes.
    pub len: u64,
}

/// What [`ExtentWriter::write`] gives back: the writer to go on with, and the digests.
pub type WriteOutcome = Result<(Box<dyn ExtentWriter>, Digests), DataError>;

/// An extent that is being written. Dropped before it is finished, its range is given back.
pub trait ExtentWriter: Send {
    /// Appends `pieces`, and takes them into `digests` on the thread that writes them.
    ///
    /// The writer comes back with the outcome; after an error the range is poisoned and given back.
    ///
    /// # Panics
    /// When more bytes come than were reserved: the caller has already checked the length.
    fn write(self: Box<Self>, pieces: Vec<Bytes>, digests: Digests) -> BoxFuture<'static, WriteOutcome>;

    /// Ends the extent: on return its bytes are on stable storage, or [`Pending::unsynced`] says which sync is
    /// missing. The lane makes that one for all who wait, which spares each of them a thread of its own.
    ///
    /// # Panics
    /// When fewer bytes came than were reserved.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<Written, DataError>>;
}

/// A verified stream of a range of an extent.
pub trait ExtentReader: Send {
    /// The next verified piece; `None` at the end of the range.
    ///
    /// # Errors
    /// [`DataError::Corrupt`] instead of a wrong byte; [`DataError::Io`].
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, DataError>>>;
}
