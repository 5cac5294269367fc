//! Which volumes there are, and the few that are open.
//!
//! A volume is open at most once, so that all who use it share its syncs and its poison. The least
//! recently used one that nobody holds is closed when too many are open.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use drystone_core::data::door::DataError;
use parking_lot::Mutex;

use crate::data::volume::Volume;

/// Volumes that stay open, beside those of running requests.
pub(crate) const VOLUMES_OPEN_MAX: usize = 128;

pub(super) struct Catalogue {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// All volumes there are.
    numbers: BTreeSet<u64>,
    /// Those that are open, and when they were last asked for.
    open: HashMap<u64, (Arc<Volume>, u64)>,
    asked: u64,
}

/// The numbers of the volumes in `folder`. What is no volume is left alone.
pub(super) fn numbers_in(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number =
            name.to_str().filter(|name| name.len() == 16).and_then(|name| u64::from_str_radix(name, 16).ok());
        match number.filter(|number| name == *file_name(*number)) {
            Some(number) => numbers.push(number),
            None if is_known(&name.to_string_lossy()) => {}
            None => {
                tracing::warn!(name = %name.to_string_lossy(), "a file among the volumes is none: left alone");
            }
        }
    }
    Ok(numbers)
}

/// Whether a file among the volumes is ours and no volume.
fn is_known(name: &str) -> bool {
    name == "NUMBERS" || name.strip_suffix(crate::durable::NEW).is_some_and(|name| name.ends_with('.'))
}

fn file_name(number: u64) -> String {
    format!("{number:016x}")
}

impl Catalogue {
    /// A catalogue of the volumes `numbers` in `folder`.
    pub(super) fn new(folder: PathBuf, numbers: Vec<u64>) -> Self {
        let state = State { numbers: numbers.into_iter().collect(), ..State::default() };
        Self { folder, state: Mutex::new(state) }
    }

    /// Removes the volumes that take no room: emptied ones whose removal a crash undid or prevented.
    /// To be called before anything is written.
    pub(super) fn remove_blockless(&self) {
        for number in self.numbers() {
            let path = self.folder.join(file_name(number));
            if fs::metadata(&path).is_ok_and(|metadata| metadata.blocks() == 0)
                && fs::remove_file(&path).is_ok()
            {
                self.state.lock().numbers.remove(&number);
            }
        }
    }

    /// The numbers of all volumes.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.state.lock().numbers.iter().copied().collect()
    }

    /// The volume `number`; `None` when it is gone.
    pub(super) fn get(&self, number: u64) -> Result<Option<Arc<Volume>>, DataError> {
        let mut state = self.state.lock();
        state.asked += 1;
        let now = state.asked;
        if let Some((volume, asked)) = state.open.get_mut(&number) {
            *asked = now;
            return Ok(Some(Arc::clone(volume)));
        }
        if !state.numbers.contains(&number) {
            return Ok(None);
        }
        // Opened under the lock, because a volume may be open only once.
        match Volume::open(number, self.folder.join(file_name(number))) {
            Ok(volume) => Ok(Some(state.insert(Arc::new(volume)))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DataError::Io { volume: number, action: "opening", why: error.to_string() }),
        }
    }

    /// Makes the volume `number`, `len` bytes long.
    pub(super) fn make(&self, number: u64, len: u64) -> io::Result<Arc<Volume>> {
        let volume = Volume::make(number, self.folder.join(file_name(number)), len)?;
        let mut state = self.state.lock();
        state.numbers.insert(number);
        Ok(state.insert(Arc::new(volume)))
    }

    /// Removes `volume` if nothing is written in it and nobody is going to.
    ///
    /// The removal is not synced: a power cut may bring the file back, empty as it was.
    pub(super) fn remove_if_empty(&self, volume: &Volume) {
        // Once nobody holds it nobody ever will: only an active volume is given to new writers. So it
        // cannot fill up between the two questions.
        if volume.holds() > 0 || !volume.is_empty().unwrap_or(false) {
            return;
        }
        let mut state = self.state.lock();
        state.numbers.remove(&volume.number);
        state.open.remove(&volume.number);
        drop(state);
        match fs::remove_file(self.folder.join(file_name(volume.number))) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(volume = volume.number, %error, "an empty volume could not be removed");
            }
            _ => {}
        }
    }
}

impl State {
    fn insert(&mut self, volume: Arc<Volume>) -> Arc<Volume> {
        self.asked += 1;
        self.open.insert(volume.number, (Arc::clone(&volume), self.asked));
        if self.open.len() > VOLUMES_OPEN_MAX {
            // A poisoned volume stays open: closed and opened again it would look healthy.
            let idle = |(volume, _): &(Arc<Volume>, u64)| {
                Arc::strong_count(volume) == 1 && volume.poisoned().is_none()
            };
            let oldest = self.open.iter().filter(|(_, open)| idle(open)).min_by_key(|(_, (_, asked))| *asked);
            if let Some(number) = oldest.map(|(number, _)| *number) {
                self.open.remove(&number);
            }
        }
        volume
    }
}
