//! The files of a local folder and the folders in it, in the order of their names.
//!
//! Links are followed, as in the AWS CLI, but never in a circle. What is no file (a pipe, a device) or cannot be
//! read is handed on as trouble, so that the caller counts it.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::vec;

/// Folders in folders: deeper than any path that Linux can open.
const DEPTH_MAX: usize = 2_048;

/// A file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// Its path.
    pub path: PathBuf,
    /// Its path from the folder that is walked.
    pub relative: PathBuf,
    /// Its bytes.
    pub bytes: u64,
}

/// Something that cannot be sent.
#[derive(Debug)]
pub struct Trouble {
    /// Its path.
    pub path: PathBuf,
    /// Why not.
    pub why: io::Error,
}

/// A walk through a folder.
#[derive(Debug)]
pub struct LocalWalk {
    root: PathBuf,
    open: Vec<Folder>,
    above: HashSet<(u64, u64)>,
}

#[derive(Debug)]
struct Folder {
    id: (u64, u64),
    left: vec::IntoIter<PathBuf>,
}

impl LocalWalk {
    /// Begins at a folder.
    ///
    /// # Errors
    /// When it is none, or cannot be read.
    pub fn begin(root: &Path) -> io::Result<Self> {
        let mut walk = Self { root: root.to_owned(), open: Vec::new(), above: HashSet::new() };
        walk.enter(root)?;
        Ok(walk)
    }

    fn enter(&mut self, path: &Path) -> io::Result<()> {
        let about = fs::metadata(path)?;
        let id = (about.dev(), about.ino());
        if self.open.len() >= DEPTH_MAX || self.above.contains(&id) {
            return Err(io::Error::other("it leads back to a folder above it"));
        }
        let mut entries =
            fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        entries.sort();
        self.above.insert(id);
        self.open.push(Folder { id, left: entries.into_iter() });
        Ok(())
    }

    fn look(&mut self, path: PathBuf) -> io::Result<Option<LocalFile>> {
        let about = fs::metadata(&path)?;
        if about.is_dir() {
            return self.enter(&path).map(|()| None);
        }
        if !about.is_file() {
            return Err(io::Error::other("it is no file; pipes, sockets and devices are left out"));
        }
        let relative = path.strip_prefix(&self.root).map_err(io::Error::other)?.to_owned();
        Ok(Some(LocalFile { path, relative, bytes: about.len() }))
    }
}

impl Iterator for LocalWalk {
    type Item = Result<LocalFile, Trouble>;

    fn next(&mut self) -> Option<Self::Item> {
        // Every round takes an entry or leaves a folder.
        loop {
            let folder = self.open.last_mut()?;
            let Some(path) = folder.left.next() else {
                let id = folder.id;
                self.above.remove(&id);
                self.open.pop();
                continue;
            };
            match self.look(path.clone()) {
                Ok(Some(file)) => return Some(Ok(file)),
                Ok(None) => {}
                Err(why) => return Some(Err(Trouble { path, why })),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn files_are_found_through_links_and_circles_are_trouble() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("b/deep")).unwrap();
        for (name, text) in [("a b", "1"), ("b/deep/ä\n", "22"), ("c", "")] {
            fs::write(root.join(name), text).unwrap();
        }
        symlink(root.join("c"), root.join("b/link")).unwrap();
        symlink("..", root.join("b/up")).unwrap();
        symlink("nowhere", root.join("d")).unwrap();
        let _socket = UnixListener::bind(root.join("s")).unwrap();
        let (mut files, mut troubles) = (Vec::new(), Vec::new());
        for found in LocalWalk::begin(root).unwrap() {
            match found {
                Ok(file) => files.push((file.relative.to_str().unwrap().to_owned(), file.bytes)),
                Err(trouble) => troubles.push(trouble.path.strip_prefix(root).unwrap().to_owned()),
            }
        }
        let expected = [("a b", 1), ("b/deep/ä\n", 2), ("b/link", 0), ("c", 0)];
        assert_eq!(files, expected.map(|(name, bytes)| (name.to_owned(), bytes)));
        assert_eq!(troubles, ["b/up", "d", "s"].map(PathBuf::from));
        assert!(LocalWalk::begin(&root.join("c")).is_err(), "a file is no folder");
    }
}
