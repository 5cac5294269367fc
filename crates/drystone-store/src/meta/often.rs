//! Rows that nearly every request reads, kept in front of the engine.
//!
//! A row deep in the engine's levels costs some microseconds, also when its blocks are cached. The few that every
//! request needs, its bucket's, are kept here by the first who reads them. A snapshot is never handed anything else than
//! the engine would hand it: batches are counted, a kept row says since which batch it has been so, a batch that
//! writes it removes it first, and who takes or keeps anything while a batch is written does without this.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use bytes::Bytes;
use drystone_core::meta::door::MetaError;
use drystone_core::meta::overlay::Writes;
use drystone_core::planted::{Mistake, planted};
use parking_lot::RwLock;

/// Rows that are kept at most; then it begins anew. A bucket's takes some 200 bytes.
const ROWS_MAX: usize = 1024;

/// Rows that are at hand.
#[derive(Default)]
pub(super) struct Often {
    /// Twice the number of batches, and one more while one is written.
    batches: AtomicU64,
    rows: RwLock<HashMap<Bytes, Kept>>,
}

/// A row, and the moment since which it has been so.
struct Kept {
    value: Bytes,
    since: u64,
}

/// Between which batches a snapshot was taken; `None` when one was written meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(Option<u64>);

impl Often {
    /// Takes a snapshot, and notes when.
    pub(super) fn moment<S>(&self, take: impl FnOnce() -> S) -> (S, Moment) {
        let before = self.batches.load(Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let snapshot = take();
        fence(Ordering::SeqCst);
        let is_still = before.is_multiple_of(2) && self.batches.load(Ordering::SeqCst) == before;
        (snapshot, Moment(is_still.then_some(before)))
    }

    /// The row `key` of a snapshot that was taken at `moment`, from here or as `read` reads it there.
    pub(super) fn get(
        &self,
        key: &[u8],
        moment: Moment,
        read: impl FnOnce() -> Result<Option<Bytes>, MetaError>,
    ) -> Result<Option<Bytes>, MetaError> {
        let Moment(Some(moment)) = moment else { return read() };
        if let Some(kept) = self.rows.read().get(key)
            && kept.since <= moment
        {
            return Ok(Some(kept.value.clone()));
        }
        let value = read()?;
        if let Some(value) = &value {
            let mut rows = self.rows.write();
            // A batch counts itself before it removes what it writes: this one is removed if it is written next.
            if self.batches.load(Ordering::SeqCst) == moment {
                if rows.len() >= ROWS_MAX {
                    rows.clear();
                }
                // On their own: as a part of a block, they would keep all of it.
                let kept = Kept { value: Bytes::copy_from_slice(value), since: moment };
                rows.insert(Bytes::copy_from_slice(key), kept);
            }
        }
        Ok(value)
    }

    /// Writes a batch; only one is written at a time.
    pub(super) fn write<T>(&self, writes: &Writes, write: impl FnOnce() -> T) -> T {
        self.batches.fetch_add(1, Ordering::SeqCst);
        // Nothing is kept from here on until it is written.
        let changed: Vec<_> = {
            let rows = self.rows.read();
            writes.keys().filter(|key| rows.contains_key(*key)).collect()
        };
        if !changed.is_empty() && !planted(Mistake::ChangedRowKept) {
            let mut rows = self.rows.write();
            for key in changed {
                rows.remove(key);
            }
        }
        let written = write();
        self.batches.fetch_add(1, Ordering::SeqCst);
        written
    }
}

#[cfg(test)]
mod tests;
