//! Where a download arrives: a temporary file beside its target, which takes the target's name when it is whole.
//!
//! Without it a download that breaks off leaves half a file under a name that looks like a whole one. What ends
//! before [`Landing::finish`], by an error, Ctrl-C or a full disk, leaves nothing; only `kill -9` and a power cut leave
//! the temporary file, whose name begins with a dot and tells whose it is.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use tempfile::NamedTempFile;

use crate::failure::Failure;
use crate::output::printable;
use crate::work::blocking;

/// What every program asks for when it makes a file; the user's umask takes from it.
const MODE: u32 = 0o666;

/// A file that is being written. Clones write to the same; it vanishes with the last of them, unless it was finished.
#[derive(Clone, Debug)]
pub struct Landing {
    file: Arc<NamedTempFile>,
    path: Arc<PathBuf>,
}

impl Landing {
    /// Makes the temporary file, and the folders above it.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub async fn begin(path: &Path) -> Result<Self, Failure> {
        let path = Arc::new(path.to_owned());
        let shared = Arc::clone(&path);
        let begun = blocking(move || {
            let folder = match shared.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            fs::create_dir_all(folder)?;
            if shared.is_dir() {
                return Err(io::Error::new(io::ErrorKind::IsADirectory, "a folder has that name"));
            }
            tempfile::Builder::new()
                .prefix(".drystone-cp-")
                .permissions(Permissions::from_mode(MODE))
                .tempfile_in(folder)
        });
        match begun.await {
            Ok(file) => Ok(Self { file: Arc::new(file), path }),
            Err(source) => Err(failed(&path, source)),
        }
    }

    /// Writes bytes to their place.
    ///
    /// # Errors
    /// When the disk takes no more.
    pub async fn write(&self, offset: u64, bytes: Bytes) -> Result<(), Failure> {
        let file = Arc::clone(&self.file);
        let written = blocking(move || file.as_file().write_all_at(&bytes, offset)).await;
        written.map_err(|source| failed(&self.path, source))
    }

    /// Gives the file its time and its name. It is on the disk before it has the name, so that a power cut leaves
    /// the old file or the new one.
    ///
    /// # Errors
    /// When it cannot be synced or renamed; nothing is left then.
    ///
    /// # Panics
    /// When somebody still writes to it.
    pub async fn finish(self, modified: Option<Timestamp>) -> Result<(), Failure> {
        let file = Arc::into_inner(self.file).expect("all writes have ended before the file is finished");
        let path = Arc::clone(&self.path);
        let finished = blocking(move || {
            if let Some(modified) = modified {
                file.as_file().set_modified(modified.into())?;
            }
            sync(file.as_file())?;
            file.persist(&*path).map(drop).map_err(|refused| refused.error)
        });
        finished.await.map_err(|source| failed(&self.path, source))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the client reaches no storage of ours; this is a file of the user's"
)]
fn sync(file: &File) -> io::Result<()> {
    file.sync_data()
}

fn failed(path: &Path, source: io::Error) -> Failure {
    Failure::File { doing: format!("write {}", printable(&path.display().to_string())), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn a_file_has_its_name_when_it_is_whole_and_leaves_nothing_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/a");
        let parent = path.parent().unwrap();
        let landing = Landing::begin(&path).await.unwrap();
        landing.write(3, "lo".into()).await.unwrap();
        landing.write(0, "hel".into()).await.unwrap();
        assert!(names(parent).iter().all(|name| name.starts_with(".drystone-cp-")));
        landing.finish(Some("2026-11-01T00:00:00Z".parse().unwrap())).await.unwrap();
        assert_eq!(names(parent), ["a"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "hello");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(Timestamp::try_from(modified).unwrap().as_second(), 1_793_491_200);

        let broken = Landing::begin(&path).await.unwrap();
        broken.write(0, "half".into()).await.unwrap();
        drop(broken);
        assert_eq!(names(parent), ["a"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "hello");
    }

    #[tokio::test]
    async fn a_folder_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let complaint = Landing::begin(folder.path()).await.unwrap_err().to_string();
        assert!(complaint.contains("a folder has that name"), "{complaint}");
    }
}
