//! A local file that is read in pieces while it is sent.
//!
//! Nobody locks it, so it can change meanwhile; then the object would be a mixture that never was a file, and the
//! transfer fails instead.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::failure::Failure;
use crate::transfer::layout::Piece;
use crate::work::blocking;

/// A file that is being read. Clones share it.
#[derive(Clone, Debug)]
pub struct SourceFile {
    file: Arc<File>,
    name: Arc<str>,
    length: u64,
    modified: Option<SystemTime>,
}

impl SourceFile {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be read, or is a folder.
    pub async fn open(path: &Path) -> Result<Self, Failure> {
        let name: Arc<str> = path.display().to_string().into();
        let path = path.to_owned();
        let opened = blocking(move || {
            let file = File::open(path)?;
            let about = file.metadata()?;
            if about.is_dir() {
                return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder: add --recursive"));
            }
            Ok((file, about))
        });
        let (file, about) =
            opened.await.map_err(|source| Failure::File { doing: format!("read {name}"), source })?;
        Ok(Self { file: Arc::new(file), name, length: about.len(), modified: modified(&about) })
    }

    /// Its length in bytes when it was opened.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Reads one piece.
    ///
    /// # Errors
    /// When it cannot be read, or ends before the piece does.
    pub async fn read(&self, piece: Piece) -> Result<Bytes, Failure> {
        let file = Arc::clone(&self.file);
        let read = blocking(move || {
            let length = usize::try_from(piece.bytes).map_err(io::Error::other)?;
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, piece.offset)?;
            Ok(Bytes::from(bytes))
        });
        read.await.map_err(|source: io::Error| {
            if source.kind() == io::ErrorKind::UnexpectedEof { self.changed() } else { self.failed(source) }
        })
    }

    /// Makes sure that what was read is what the file still is.
    ///
    /// # Errors
    /// When it has another length or time of change than when it was opened.
    pub async fn assert_unchanged(&self) -> Result<(), Failure> {
        let file = Arc::clone(&self.file);
        let about = blocking(move || file.metadata()).await.map_err(|source| self.failed(source))?;
        if about.len() == self.length && modified(&about) == self.modified {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    fn failed(&self, source: io::Error) -> Failure {
        Failure::File { doing: format!("read {}", self.name), source }
    }

    fn changed(&self) -> Failure {
        self.failed(io::Error::other("it changed while it was being sent; send it again when it rests"))
    }
}

fn modified(about: &Metadata) -> Option<SystemTime> {
    about.modified().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_file_that_changes_while_it_is_sent_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "0123456789").unwrap();
        let source = SourceFile::open(&path).await.unwrap();
        let piece = Piece { number: 1, offset: 3, bytes: 4 };
        assert_eq!(source.read(piece).await.unwrap(), "3456");
        source.assert_unchanged().await.unwrap();
        File::options().write(true).open(&path).unwrap().set_len(5).unwrap();
        let complaint = source.read(piece).await.unwrap_err().to_string();
        assert!(complaint.contains("changed while it was being sent"), "{complaint}");
        assert!(source.assert_unchanged().await.is_err());
        let folder = SourceFile::open(folder.path()).await.unwrap_err().to_string();
        assert!(folder.contains("--recursive"), "{folder}");
    }
}
