//! Room for metadata on a full file system.
//!
//! Deleting and aborting must work when the disk is full, and both write metadata before they give
//! anything back. So extents are refused while some room is left, and when somebody else takes even
//! that, a preallocated file, the ballast, is given up. Without it the first full disk would poison
//! the metadata engine: a journal write that fails in the middle cannot be taken back.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, fallocate, fstatvfs};

use crate::durable;
use crate::format::{OpenError, failed};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The ballast is this part of the file system ...
const BALLAST_SHARE: u64 = 128;
/// ... but not less ...
const BALLAST_BYTES_MIN: u64 = 4 * MIB;
/// ... and not more: every data directory takes it from its first moment on.
const BALLAST_BYTES_MAX: u64 = 64 * MIB;
/// Memtables in a ballast. A merge writes its result before it removes what it merged: mostly the first
/// level with what lies over it, 4 + 8 memtables, for which 16 leave room.
const BALLAST_MEMTABLES: u64 = 16;

/// Room that extents never take, in ballasts: one for the merges while the ballast is still kept, and
/// one for others who write on the same file system.
const MARGIN_BALLASTS: u64 = 2;

/// A commit is refused when less than this would be left beside a whole memtable on its way to disk.
const FLOOR_BYTES: u64 = 256 * KIB;

/// Bytes that the engine writes for one byte of a commit, at most: journal now, table later.
const WRITTEN_PER_BYTE: u64 = 2;

/// Sizes that follow from the size of the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Size of the ballast, in bytes.
    pub(crate) ballast: u64,
    /// Room beside the ballast that no extent may take, in bytes.
    pub(crate) margin: u64,
    /// Size at which the engine writes a memtable to disk, in bytes.
    pub(crate) memtable: u64,
}

impl Sizes {
    fn of(total: u64) -> Self {
        let ballast = (total / BALLAST_SHARE).clamp(BALLAST_BYTES_MIN, BALLAST_BYTES_MAX) / 4096 * 4096;
        Self { ballast, margin: MARGIN_BALLASTS * ballast, memtable: ballast / BALLAST_MEMTABLES }
    }
}

/// The room on the file system of a data directory.
pub(crate) struct Room {
    /// The folder that is asked how much room there is.
    folder: File,
    path: PathBuf,
    sizes: Sizes,
    ballast: Mutex<Ballast>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ballast {
    /// It takes its room.
    Kept,
    /// Its room went to the metadata.
    GivenUp,
    /// The file system cannot keep room for anything.
    Impossible,
}

/// What the file system says, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Free {
    /// Size of the file system.
    pub(crate) total: u64,
    /// What this process may still take.
    pub(crate) free: u64,
}

/// The file system cannot take a commit; in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom {
    /// What must be free.
    pub(crate) needed: u64,
    /// What is free.
    pub(crate) available: u64,
}

impl Room {
    /// Looks at the file system of the folder `dir` and makes the ballast `path` if there is room.
    pub(crate) fn open(dir: &Path, path: PathBuf) -> Result<Self, OpenError> {
        let folder = File::open(dir).map_err(failed("opening the folder", dir))?;
        let stat = fstatvfs(&folder).map_err(|error| failed("asking for the room of", dir)(error.into()))?;
        let sizes = Sizes::of(stat.f_blocks * stat.f_frsize);
        let room = Self { folder, path, sizes, ballast: Mutex::new(Ballast::GivenUp) };
        let mut ballast = room.ballast.lock();
        if std::fs::metadata(&room.path).is_ok_and(|metadata| metadata.blocks() * 512 >= sizes.ballast) {
            *ballast = Ballast::Kept;
        } else {
            room.remake(&mut ballast);
        }
        drop(ballast);
        Ok(room)
    }

    pub(crate) fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Asks the file system.
    pub(crate) fn free(&self) -> std::io::Result<Free> {
        let stat = fstatvfs(&self.folder)?;
        Ok(Free { total: stat.f_blocks * stat.f_frsize, free: stat.f_bavail * stat.f_frsize })
    }

    /// What extents may take: what is free without the metadata's share.
    pub(crate) fn for_extents(&self) -> std::io::Result<Free> {
        let Free { total, free } = self.free()?;
        // A ballast that was given up comes back before extents do.
        let missing = if *self.ballast.lock() == Ballast::GivenUp { self.sizes.ballast } else { 0 };
        Ok(Free { total, free: free.saturating_sub(self.sizes.margin + missing) })
    }

    /// Lets a commit of `bytes` pass, giving up the ballast for it if it must.
    ///
    /// # Errors
    /// [`NoRoom`] when there is not even that much.
    pub(crate) fn for_commit(&self, bytes: u64) -> Result<(), NoRoom> {
        let needed = self.sizes.memtable + FLOOR_BYTES + bytes * WRITTEN_PER_BYTE;
        let ask = || {
            self.free().map_err(|error| {
                tracing::error!(%error, "the file system does not say what is free: taken for full");
                NoRoom { needed, available: 0 }
            })
        };
        // A merge in the background asks nobody, and must find its room before it is too late.
        let comfortable = self.sizes.ballast + bytes * WRITTEN_PER_BYTE;
        let mut free = ask()?.free;
        let mut ballast = self.ballast.lock();
        match *ballast {
            Ballast::Kept if free < comfortable => {
                self.give_up(&mut ballast);
                free = ask()?.free;
            }
            Ballast::GivenUp => self.remake(&mut ballast),
            Ballast::Kept | Ballast::Impossible => {}
        }
        if free >= needed {
            return Ok(());
        }
        Err(NoRoom { needed, available: free })
    }

    /// Gives up the ballast if a start, which writes before its first commit, would find no room. Where
    /// even that is not enough, the write that fails says so.
    pub(crate) fn for_start(&self) {
        if let Err(NoRoom { needed, available }) = self.for_commit(0) {
            tracing::warn!(
                needed,
                available,
                "there is hardly room to start: free some space on this file system"
            );
        }
    }

    /// Gives up the ballast if the file system is full. Returns whether it is, or was.
    pub(crate) fn make_way(&self) -> bool {
        let mut ballast = self.ballast.lock();
        let full = self.free().is_ok_and(|now| now.free < self.sizes.ballast);
        if full && *ballast == Ballast::Kept {
            self.give_up(&mut ballast);
        }
        full || *ballast == Ballast::GivenUp
    }

    fn give_up(&self, ballast: &mut Ballast) {
        // Emptied and synced rather than removed: its blocks can be used once that is committed, and
        // a file system without a free block may not be able to change a folder.
        let emptied = File::options().write(true).open(&self.path).and_then(|file| {
            file.set_len(0)?;
            durable::sync_data(&file)
        });
        match emptied {
            Ok(()) => {
                tracing::warn!(bytes = self.sizes.ballast, "the file system is full: gave up the ballast");
            }
            Err(error) => tracing::error!(%error, "the ballast could not be given up"),
        }
        *ballast = Ballast::GivenUp;
    }

    /// Makes the ballast again if that leaves the metadata its margin.
    fn remake(&self, ballast: &mut Ballast) {
        let enough = self.free().is_ok_and(|now| now.free >= 2 * self.sizes.ballast + self.sizes.margin);
        if !enough {
            return;
        }
        let made =
            OpenOptions::new().create(true).truncate(false).write(true).open(&self.path).and_then(|file| {
                fallocate(&file, FallocateFlags::empty(), 0, self.sizes.ballast)?;
                durable::sync_data(&file)?;
                durable::sync_name(&self.path)
            });
        match made {
            Ok(()) => *ballast = Ballast::Kept,
            Err(error) => {
                tracing::warn!(%error, "no room can be kept for metadata: a full disk will stop deletes too");
                *ballast = Ballast::Impossible;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_file_system() {
        let of = |total| {
            let Sizes { ballast, margin, memtable } = Sizes::of(total);
            (ballast / KIB, margin / KIB, memtable / KIB)
        };
        assert_eq!(of(64 * MIB), (4_096, 8_192, 256));
        assert_eq!(of(1024 * MIB), (8_192, 16_384, 512));
        assert_eq!(of(100 * 1024 * MIB), (65_536, 131_072, 4_096));
    }

    #[test]
    fn the_ballast_takes_its_room_and_gives_it_back() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("ballast");
        let blocks = || std::fs::metadata(&path).expect("it is there").blocks() * 512;
        let room = Room::open(dir.path(), path.clone()).expect("opens");
        assert!(blocks() >= room.sizes().ballast);
        room.give_up(&mut room.ballast.lock());
        assert_eq!(blocks(), 0);
        // The next commit finds room in plenty and makes it again.
        room.for_commit(1).expect("there is room");
        assert!(blocks() >= room.sizes().ballast);
        let refused = room.for_commit(u64::MAX / 4).expect_err("so much there is not");
        assert!(refused.available < refused.needed, "{refused:?}");
    }
}
