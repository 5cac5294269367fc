//! Every sync, rename and removal that has to survive a power cut.
//!
//! A file is on stable storage only after its own sync, and its name only after a sync of its
//! folder. Nobody else in this crate calls either, so that no caller can forget the second half. And
//! before anybody is answered, the file system is asked whether it still takes changes.
#![expect(clippy::disallowed_methods, reason = "this is the room that syncs and renames")]

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use drystone_core::planted::{Mistake, planted};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::{Errno, retry_on_intr};

/// Puts the bytes of `file`, and what is needed to find them, on stable storage.
pub(crate) fn sync_data(file: &File) -> io::Result<()> {
    #[cfg(test)]
    faults::check(file)?;
    file.sync_data()
}

/// Asks the file system of `file` to take one more change, which changes nothing: its first byte keeps its room.
///
/// A sync's success is not the last word. When a write of the file system's own journal fails, it takes no more changes;
/// but a sync that comes in at that very moment may find nothing left to wait for, and succeeds, and the change that it
/// should have made durable is gone after the next mount. So it is on ext4 and on XFS, measured: `docs/reliability.md`.
/// A file system that goes on asks its journal before any change, and here it has to say that there is none. The call
/// takes some 2 us, and writes nothing once the byte has its room.
///
/// # Errors
/// What the file system said, if that means that it takes no more changes.
pub(crate) fn expect_alive(file: &File) -> io::Result<()> {
    match change_nothing(file) {
        Err(_) if planted(Mistake::DeadFileSystemTrusted) => Ok(()),
        outcome => outcome,
    }
}

fn change_nothing(file: &File) -> io::Result<()> {
    #[cfg(test)]
    faults::check(file)?;
    match retry_on_intr(|| fallocate(file, FallocateFlags::KEEP_SIZE, 0, 1)) {
        // Full is not at its end, and where no room can be kept there is nothing to ask.
        Ok(()) | Err(Errno::NOSPC | Errno::DQUOT | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Puts the names in `folder` on stable storage.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Puts the name of `path` in its folder on stable storage.
pub(crate) fn sync_name(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_folder(Path::new(".")),
        Some(parent) => sync_folder(parent),
        None => Ok(()),
    }
}

/// Makes `path` a folder, with the folders above it; fine when it is there. A new one is for its owner
/// only: it holds other people's objects.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_folder(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_name(path),
    }
}

/// Name ending of a file that is about to take another's place.
pub(crate) const NEW: &str = "new";

/// Gives `path` the content `bytes`: after a power cut it is the old one or the new one, whole. Only its
/// owner may read it, from its first byte on.
///
/// # Errors
/// What the operating system refused; the old content is still there then.
pub fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension(NEW);
    // A left-over of an interrupted replacement may have another mode.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().mode(0o600).write(true).create_new(true).open(&fresh)?;
    file.write_all(bytes)?;
    if !planted(Mistake::ReplacedFileNotSynced) {
        file.sync_all()?;
    }
    fs::rename(&fresh, path)?;
    sync_name(path)
}

/// Gives `fresh`, a file or folder whose content is on stable storage, the name `path` in the same folder.
pub(crate) fn publish(fresh: &Path, path: &Path) -> io::Result<()> {
    fs::rename(fresh, path)?;
    sync_name(path)
}

/// Removes the file `path`; fine when it is gone.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_name(path),
    }
}

/// Syncs that are counted, and fail on purpose, for tests.
#[cfg(test)]
pub(crate) mod faults {
    use std::collections::BTreeMap;
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::MetadataExt;

    use parking_lot::Mutex;

    /// What happens to the syncs of a watched file.
    #[derive(Clone)]
    pub(crate) enum Syncs {
        Work,
        Fail,
        /// They are the test's own.
        #[cfg(feature = "shuttle")]
        Stand(Stand),
    }

    /// A sync of a test's own, of the open file that it is given.
    #[cfg(feature = "shuttle")]
    pub(crate) type Stand = std::sync::Arc<dyn Fn(&File) -> io::Result<()> + Send + Sync>;

    static WATCHED: Mutex<BTreeMap<(u64, u64), (Syncs, u32)>> = Mutex::new(BTreeMap::new());

    /// The syncs of one file are watched until this is dropped.
    pub(crate) struct Watch((u64, u64));

    /// Counts the syncs of `file` from now on.
    pub(crate) fn watch(file: &File, syncs: Syncs) -> Watch {
        WATCHED.lock().insert(identity(file), (syncs, 0));
        Watch(identity(file))
    }

    impl Watch {
        /// How many syncs were tried.
        pub(crate) fn tried(&self) -> u32 {
            WATCHED.lock().get(&self.0).map_or(0, |(_, tried)| *tried)
        }
    }

    impl Drop for Watch {
        fn drop(&mut self) {
            // Another file may get the same number later.
            WATCHED.lock().remove(&self.0);
        }
    }

    pub(super) fn check(file: &File) -> io::Result<()> {
        let syncs = WATCHED.lock().get_mut(&identity(file)).map(|(syncs, tried)| {
            *tried += 1;
            syncs.clone()
        });
        match syncs {
            None | Some(Syncs::Work) => Ok(()),
            Some(Syncs::Fail) => Err(io::Error::from_raw_os_error(5)),
            #[cfg(feature = "shuttle")]
            Some(Syncs::Stand(sync)) => sync(file),
        }
    }

    fn identity(file: &File) -> (u64, u64) {
        let metadata = file.metadata().expect("an open file has metadata");
        (metadata.dev(), metadata.ino())
    }
}
