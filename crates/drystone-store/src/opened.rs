//! Opening a data directory, and leaving it in order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use drystone_core::data::door::Data;
use drystone_core::data::memory::MemoryData;
use drystone_core::meta::door::Meta;
use drystone_core::meta::memory::MemoryMeta;
use drystone_core::planted::{Mistake, planted};
use drystone_core::world::Entropy;

use crate::data::{Numbers, StillInUse, Volumes, VolumesOptions};
use crate::format::{Directory, OpenError};
use crate::meta::{Embedded, EmbeddedOptions, Fatal};
use crate::room::Room;
use crate::world::SystemEntropy;

/// What a store is opened with.
#[derive(Clone)]
pub struct OpenOptions {
    dir: PathBuf,
    entropy: Arc<dyn Entropy>,
    fatal: Fatal,
}

impl OpenOptions {
    /// A store in the data directory `dir`, which is made if it is missing.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        let dir = dir.as_ref().to_owned();
        Self { dir, entropy: Arc::new(SystemEntropy), fatal: Arc::new(|_| {}) }
    }

    /// Where extents' tokens and the installation's id come from, instead of the operating system.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Called once, with the reason, when metadata takes no more writes because a write or sync
    /// failed. Nobody knows then what the disk holds: the process should stop and start anew.
    #[must_use]
    pub fn on_fatal(mut self, fatal: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.fatal = Arc::new(fatal);
        self
    }
}

/// An open store: the two doors, and what holds their data directory.
pub struct Opened {
    meta: Arc<dyn Meta>,
    data: Arc<dyn Data>,
    /// `None` for a store in memory.
    disk: Option<Disk>,
}

struct Disk {
    meta: Arc<Embedded>,
    volumes: Arc<Volumes>,
    directory: Directory,
}

/// Why a store was not left in order. The next start recovers as after a crash; nothing that was
/// acknowledged is lost.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// Metadata could not be written to the end.
    #[error("metadata stopped taking writes earlier; the next start recovers")]
    Metadata,
    /// Extents are not all finished or given up.
    #[error("{0}; the next start recovers")]
    Volumes(String),
    /// The clean-stop marker could not be written.
    #[error("writing the clean-stop marker failed: {0}; the next start recovers")]
    Marker(#[from] std::io::Error),
}

/// Opens the data directory, or makes it, for its owner only. An existing directory keeps its mode;
/// all that is made in it is private, since this sets the process's file mode mask to 077.
///
/// # Errors
/// [`OpenError`]; what is not ours, or newer than this program, is refused and not touched.
pub fn open(options: OpenOptions) -> Result<Opened, OpenError> {
    let OpenOptions { dir, entropy, fatal } = options;
    let (directory, stop) = Directory::open(&dir, &*entropy)?;
    let folder = directory.volumes();
    let found = Volumes::list(&folder)?;
    directory.expect_meta(&found)?;
    // Before anything is written: a disk that others filled must not keep us from deleting on it.
    let room = Arc::new(Room::open(&dir, directory.ballast())?);
    room.for_start();
    // The order is safety: as long as the clean-stop marker is there nothing may be half done, and
    // as soon as it is gone the next process must know whom to suspect.
    let numbers = Numbers::open(&folder, &found, stop)?;
    if !planted(Mistake::CleanMarkerLeft) {
        directory.mark_in_use()?;
    }
    let path = directory.meta();
    let held = directory.held();
    let meta = EmbeddedOptions { path: &path, stop, room: Arc::clone(&room), fatal, held: Arc::clone(&held) };
    let meta = Arc::new(Embedded::open(meta)?);
    let volumes = Volumes::open(VolumesOptions { folder: &folder, found, numbers, room, entropy, held })?;
    Ok(Opened {
        meta: Arc::clone(&meta) as Arc<dyn Meta>,
        data: Arc::clone(&volumes) as Arc<dyn Data>,
        disk: Some(Disk { meta, volumes, directory }),
    })
}

/// A store in memory with room for `capacity` bytes of extents; it ends with the process.
pub fn memory(capacity: u64) -> Opened {
    Opened { meta: Arc::new(MemoryMeta::new()), data: MemoryData::new(capacity), disk: None }
}

impl Opened {
    /// The metadata door.
    pub fn meta(&self) -> Arc<dyn Meta> {
        Arc::clone(&self.meta)
    }

    /// The data door.
    pub fn data(&self) -> Arc<dyn Data> {
        Arc::clone(&self.data)
    }

    /// Stops in order: settles what waits, finishes what was begun, writes the clean-stop marker.
    /// The doors take nothing more, whoever still holds them. Without it (or when it fails) the next
    /// start recovers as after a crash. So it does when this process did not recover from the last one
    /// (see [`Data::suspects`]): then no marker is written.
    ///
    /// # Errors
    /// [`CloseError`] when the next start has to recover.
    pub fn close(self) -> Result<(), CloseError> {
        let Some(Disk { meta, volumes, directory }) = self.disk else { return Ok(()) };
        // Metadata first: what waits in the lane decides which extents are owned.
        meta.close();
        volumes.close().map_err(|error: StillInUse| CloseError::Volumes(error.to_string()))?;
        if meta.is_poisoned() {
            return Err(CloseError::Metadata);
        }
        if volumes.suspects().is_empty() {
            // Its threads must not change files that the marker is about to name.
            meta.end();
            directory.mark_clean()?;
        } else {
            // Nobody recovered after the last crash (`drystone verify` only looks): the next process
            // must still know whom to suspect.
            tracing::info!("no clean-stop marker: the last crash was not recovered from");
        }
        Ok(())
    }
}
