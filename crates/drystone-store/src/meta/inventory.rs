//! The engine's files as a stop in order leaves them, so that the next start misses what is gone.
//!
//! The engine checks the blocks of its tables and the batches of its journals, but not whether all of them are
//! there: a journal that was cut short, damaged in its last batch or removed is an older state to it, and a folder
//! without its small files is a new one. Without this list rows would vanish, and nobody would be told.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use drystone_core::checksum::Crc64;

/// Folders below the engine's own: `keyspaces/<number>/tables`.
const DEPTH_MAX: usize = 3;
/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// What is known of each file of a folder, by its path in it: its length, and mostly its checksum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    files: BTreeMap<String, String>,
}

impl Inventory {
    /// Looks at every file in `folder`; one that does not exist holds none.
    pub(crate) fn take(folder: &Path) -> io::Result<Self> {
        let mut inventory = Self::default();
        inventory.walk(folder, "", DEPTH_MAX)?;
        Ok(inventory)
    }

    fn walk(&mut self, folder: &Path, prefix: &str, depth: usize) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let metadata = entry.metadata()?;
            if metadata.is_dir() && depth > 0 {
                self.walk(&entry.path(), &format!("{name}/"), depth - 1)?;
            } else if metadata.is_file() {
                self.files.insert(name.clone(), describe(&name, metadata.len(), &entry.path())?);
            }
        }
        Ok(())
    }

    /// An inventory that was written down.
    pub(crate) fn of<'f>(fields: impl Iterator<Item = (&'f str, &'f str)>) -> Self {
        Self { files: fields.map(|(path, what)| (path.to_owned(), what.to_owned())).collect() }
    }

    /// Each file's path and what is known of it, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, what)| (path.as_str(), what.as_str()))
    }

    /// The first file that is not as it was in `before`, and why.
    pub(crate) fn change_since(&self, before: &Self) -> Option<(String, String)> {
        for (path, was) in before.iter() {
            match self.files.get(path) {
                None => return Some((path.into(), "it is missing".into())),
                Some(is) if is != was => {
                    return Some((
                        path.into(),
                        format!("the last stop left it as \"{was}\", and it is \"{is}\""),
                    ));
                }
                Some(_) => {}
            }
        }
        let added = self.files.keys().find(|path| !before.files.contains_key(*path))?;
        Some((added.clone(), "it was not there at the last stop".into()))
    }
}

/// The length, and the checksum of all but tables, whose blocks the engine checks whenever it reads them. It checks
/// journals too, but takes a damaged last batch for one that a crash cut off.
fn describe(name: &str, len: u64, path: &Path) -> io::Result<String> {
    if name.contains("/tables/") {
        return Ok(len.to_string());
    }
    let mut crc = Crc64::new();
    let mut file = fs::File::open(path)?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(format!("{len} {:016x}", crc.finish())),
            read => crc.update(piece.get(..read).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_happens_to_a_file_is_seen() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| dir.path().join(name);
        fs::create_dir_all(path("keyspaces/1/tables")).expect("made");
        for (name, text) in [
            ("0.jnl", "rows"),
            ("version", "3"),
            ("keyspaces/1/current", "v1"),
            ("keyspaces/1/tables/7", "table"),
        ] {
            fs::write(path(name), text).expect("written");
        }
        let take = || Inventory::take(dir.path()).expect("it is taken");
        let before = take();
        assert_eq!(before.iter().count(), 4);
        assert_eq!(take().change_since(&Inventory::of(before.iter())), None);
        let seen = |name: &str, what: Option<&str>| {
            let was = fs::read(path(name)).unwrap_or_default();
            match what {
                Some(text) => fs::write(path(name), text).expect("written"),
                None => fs::remove_file(path(name)).expect("removed"),
            }
            let (found, why) = take().change_since(&before).expect("it is seen");
            assert_eq!(found, name, "{why}");
            fs::write(path(name), was).expect("written");
        };
        seen("0.jnl", Some("row"));
        seen("0.jnl", Some("rowS"));
        seen("0.jnl", None);
        seen("version", Some("2"));
        seen("keyspaces/1/current", Some("v2"));
        seen("keyspaces/1/tables/7", None);
        seen("1.jnl", Some(""));
    }

    #[test]
    fn a_folder_that_does_not_exist_holds_nothing() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let none = Inventory::take(&dir.path().join("meta")).expect("it is taken");
        assert_eq!(none, Inventory::default());
    }
}
