//! The machine: what is on its disk, and starting it.
//!
//! The disk has two layers, as a real one has under an operating system: what a running process sees, and
//! what was synced. A power cut throws the first away. Doors of an earlier start are dead: whatever a
//! future that outlived its process still does through them changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use drystone_core::data::door::{Data, ExtentId};
use drystone_core::meta::door::Meta;
use drystone_core::meta::overlay::Writes;
use parking_lot::Mutex;

use crate::amnesia::data::AmnesiaData;
use crate::amnesia::faults::{Coins, Fault, Faults, Kept, Passage};
use crate::amnesia::meta::AmnesiaMeta;

/// Metadata commands that one request and the work behind it may need: a handful, and never without end.
pub(super) const COMMANDS_MAX: u32 = 200;

/// A machine with a disk.
#[derive(Clone)]
pub struct Machine(Arc<Mutex<State>>);

/// Everything about the machine.
#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) faults: Faults,
    /// Counts starts; doors of another start are dead.
    pub(super) start: u64,
    /// Rows on stable storage.
    pub(super) rows: BTreeMap<Bytes, Bytes>,
    /// A batch whose sync failed or was cut off: it may be on the disk.
    pub(super) unknown: Option<Writes>,
    /// The engine takes no more writes until the next start.
    pub(super) poisoned: bool,
    pub(super) volumes: Volumes,
    /// Metadata commands since the last rest.
    pub(super) commands: u32,
}

/// The disk's side of the extents.
#[derive(Clone)]
pub(super) struct Volumes {
    pub(super) capacity: u64,
    pub(super) next_volume: u64,
    /// Where the next extent goes, while its volume takes some.
    pub(super) active: Option<ExtentId>,
    pub(super) cells: BTreeMap<ExtentId, Cell>,
    /// Volumes whose sync or write failed: nothing more is written to them in this start.
    pub(super) poisoned: BTreeSet<u64>,
    /// Volumes that this start made.
    pub(super) made: BTreeSet<u64>,
    /// Volumes of starts that ended without a clean stop.
    pub(super) suspects: BTreeSet<u64>,
}

impl Default for Volumes {
    fn default() -> Self {
        Self {
            capacity: 1 << 30,
            next_volume: 1,
            active: None,
            cells: BTreeMap::new(),
            poisoned: BTreeSet::new(),
            made: BTreeSet::new(),
            suspects: BTreeSet::new(),
        }
    }
}

/// The place of one extent.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    /// Payload length, in bytes.
    pub(super) len: u64,
    pub(super) token: u64,
    /// CRC64NVME of what was written, which lies beside it on a real disk.
    pub(super) sum: u64,
    /// What a running process sees: `None` once it was given back.
    pub(super) seen: Option<Bytes>,
    /// What is on stable storage.
    pub(super) kept: Option<Bytes>,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// A machine with an empty disk.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// Another machine with the same disk, as if this one stood still for ever.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().clone())))
    }

    /// Starts it: the doors of the new process.
    pub fn start(&self) -> (Arc<dyn Meta>, Arc<dyn Data>) {
        let (start, rows) = {
            let mut state = self.0.lock();
            state.start += 1;
            state.poisoned = false;
            state.faults.fired = false;
            (state.start, state.rows.clone())
        };
        (
            Arc::new(AmnesiaMeta::new(self.clone(), start, rows)),
            Arc::new(AmnesiaData::new(self.clone(), start)),
        )
    }

    /// Chooses the next fault, or none, and counts calls from 0.
    pub fn arm(&self, fault: Option<Fault>) {
        self.0.lock().faults.arm(fault);
    }

    /// A new request begins: whatever went on before it has come to rest.
    pub fn rest(&self) {
        self.0.lock().commands = 0;
    }

    /// Changing calls since the last arming.
    pub fn changes(&self) -> u64 {
        self.0.lock().faults.changes()
    }

    /// Reading calls since the last arming.
    pub fn reads(&self) -> u64 {
        self.0.lock().faults.reads()
    }

    /// Whether something went wrong since the last start.
    pub fn has_failed(&self) -> bool {
        self.0.lock().faults.fired
    }

    /// Whether the power is out.
    pub fn is_dark(&self) -> bool {
        self.0.lock().faults.dark.is_some()
    }

    /// Whether metadata takes no more writes until the next start.
    pub fn is_poisoned(&self) -> bool {
        self.0.lock().poisoned
    }

    /// Ends the process in order: everything is on stable storage, and nobody is suspect who was not.
    ///
    /// # Panics
    /// When the power is out or the engine is poisoned: such a process cannot end in order.
    pub fn stop(&self) {
        let mut state = self.0.lock();
        assert!(state.faults.dark.is_none() && !state.poisoned, "only a sound process ends in order");
        for cell in state.volumes.cells.values_mut() {
            cell.kept.clone_from(&cell.seen);
        }
        state.volumes.end();
        state.volumes.made.clear();
        state.faults.arm(None);
        state.start += 1;
    }

    /// Cuts the power, or completes a cut that an armed fault has begun. What is left of unsynced writes
    /// is what the fault says, else `kept`.
    pub fn cut(&self, kept: Kept) {
        let mut state = self.0.lock();
        let kept = state.faults.dark.take().unwrap_or(kept);
        let mut coins = Coins(if let Kept::Torn(seed) = kept { seed } else { 0 });
        if let Some(writes) = state.unknown.take() {
            // The engine cuts a torn batch off: it is there whole or not at all.
            let there = match kept {
                Kept::Nothing => false,
                Kept::Everything => true,
                Kept::Torn(_) => coins.next().is_multiple_of(2),
            };
            if there {
                state.keep(writes);
            }
        }
        for cell in state.volumes.cells.values_mut() {
            cell.lose(kept, &mut coins);
        }
        state.volumes.end();
        let made = std::mem::take(&mut state.volumes.made);
        state.volumes.suspects.extend(made);
        state.faults.arm(None);
        state.start += 1;
    }

    /// Damages a row on the disk: the byte `at` behind the place where a row holds `bytes`. Says whether one
    /// does. The next start sees it.
    pub fn rot_row(&self, bytes: &[u8], at: usize) -> bool {
        let mut state = self.0.lock();
        for value in state.rows.values_mut() {
            if let Some(start) = value.windows(bytes.len()).position(|window| window == bytes) {
                let mut damaged = value.to_vec();
                if let Some(byte) = damaged.get_mut(start + at) {
                    *byte ^= 1;
                }
                *value = damaged.into();
                return true;
            }
        }
        false
    }

    /// Damages the bytes on the disk: the byte `at` of the payload of the `nth` extent, of those there
    /// are. Says whether there is one.
    pub fn rot(&self, nth: usize, at: usize) -> bool {
        let mut state = self.0.lock();
        let cells = &mut state.volumes.cells;
        let count =
            cells.values().filter(|cell| cell.seen.as_ref().is_some_and(|bytes| !bytes.is_empty())).count();
        let mut cells =
            cells.values_mut().filter(|cell| cell.seen.as_ref().is_some_and(|bytes| !bytes.is_empty()));
        let Some(cell) = (count > 0).then(|| cells.nth(nth % count)).flatten() else { return false };
        let mut bytes = cell.seen.take().unwrap_or_default().to_vec();
        let at = at % bytes.len();
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1;
        }
        cell.seen = Some(bytes.into());
        cell.kept.clone_from(&cell.seen);
        true
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock())
    }
}

impl State {
    /// A changing call through a door of `start`.
    pub(super) fn change(&mut self, start: u64) -> Passage {
        if start == self.start { self.faults.change() } else { Passage::Dark }
    }

    /// A reading call through a door of `start`.
    pub(super) fn read(&mut self, start: u64) -> Passage {
        if start == self.start { self.faults.read() } else { Passage::Dark }
    }

    /// Puts rows on stable storage.
    pub(super) fn keep(&mut self, writes: Writes) {
        for (key, value) in writes {
            match value {
                Some(value) => drop(self.rows.insert(key, value)),
                None => drop(self.rows.remove(&key)),
            }
        }
    }
}

impl Volumes {
    /// What ends with a process: places are never given out in an old volume again.
    fn end(&mut self) {
        self.active = None;
        self.poisoned.clear();
        self.cells.retain(|_, cell| cell.kept.is_some());
    }
}

impl Cell {
    /// Loses what was not synced.
    fn lose(&mut self, kept: Kept, coins: &mut Coins) {
        let unsynced = self.seen != self.kept;
        let there = match kept {
            _ if !unsynced => return,
            Kept::Nothing => self.kept.take(),
            Kept::Everything => self.seen.take(),
            Kept::Torn(_) => match coins.next() % 3 {
                0 => self.kept.take(),
                1 => self.seen.take(),
                _ => self.torn(),
            },
        };
        // What was reserved and only partly written takes its whole room, zeros included.
        self.kept =
            there.map(|bytes| if bytes.len() as u64 == self.len { bytes } else { padded(&bytes, self.len) });
        self.seen.clone_from(&self.kept);
    }

    /// The first half of what was written, or all of what was being given back.
    fn torn(&mut self) -> Option<Bytes> {
        match (&self.kept, &self.seen) {
            (None, Some(seen)) => Some(padded(&seen.slice(..seen.len() / 2), self.len)),
            _ => self.kept.take(),
        }
    }
}

fn padded(bytes: &[u8], len: u64) -> Bytes {
    let mut padded = bytes.to_vec();
    padded.resize(len as usize, 0);
    padded.into()
}
