//! What is known to be on the reclaim list.
//!
//! The list is the truth, and a start reads it from its first row to its last. But rows that were taken off it stay in the
//! engine for a while, and whoever looks for the next ones walks past them all: under many deletes that was half of what
//! the server did. So each commit says here what it has put on the list, and the worker looks nowhere else. Where that is
//! too much to remember, or something failed, the list is read once more.

use std::ops::Bound;

use bytes::Bytes;

use crate::data::door::Freed;
use crate::meta::door::{MetaError, Order, Row, Tx, View};
use crate::meta::records::{FreedRecord, Record};
use crate::meta::tables::{self, Table};
use crate::sync::Mutex;

/// Extents that are remembered at most: 1.5 MiB.
const KNOWN_MAX: usize = 64 * 1024;

/// What commits have put on the reclaim list since it was looked at.
#[derive(Default)]
pub(crate) struct Known(Mutex<OnList>);

/// What is on the reclaim list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OnList {
    /// These extents, in no order.
    These(Vec<Freed>),
    /// More than is remembered: only the list itself tells.
    Unknown,
}

impl Default for OnList {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

impl OnList {
    fn is_empty(&self) -> bool {
        matches!(self, Self::These(extents) if extents.is_empty())
    }

    fn add(&mut self, freed: Self) {
        match (&mut *self, freed) {
            (Self::These(extents), Self::These(more)) if extents.len() + more.len() <= KNOWN_MAX => {
                extents.extend(more);
            }
            _ => *self = Self::Unknown,
        }
    }
}

impl Known {
    /// Also `freed` is on the list, on stable storage. Says whether there is anything to free.
    pub(crate) fn add(&self, freed: OnList) -> bool {
        let mut known = self.0.lock();
        known.add(freed);
        !known.is_empty()
    }

    /// Hands out what is known; from here on nothing is.
    pub(crate) fn take(&self) -> OnList {
        std::mem::take(&mut *self.0.lock())
    }
}

/// A transaction that notes what it puts on the reclaim list.
pub(crate) struct Noting<'t> {
    tx: &'t mut dyn Tx,
    pub(crate) noted: OnList,
}

impl<'t> Noting<'t> {
    pub(crate) fn new(tx: &'t mut dyn Tx) -> Self {
        Self { tx, noted: OnList::default() }
    }
}

fn is_in(table: Table, key: &[u8]) -> bool {
    key.first() == Some(&(table as u8))
}

fn read(key: &[u8], value: &[u8]) -> Result<Freed, MetaError> {
    let FreedRecord { len } = FreedRecord::decode(key, Bytes::copy_from_slice(value))?;
    Ok(Freed { id: tables::read_extent_key(key)?, len })
}

impl View for Noting<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, MetaError> {
        self.tx.get(key)
    }

    fn get_often(&self, key: &[u8]) -> Result<Option<Bytes>, MetaError> {
        self.tx.get_often(key)
    }

    fn scan<'v>(
        &'v self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
    ) -> Box<dyn Iterator<Item = Row> + 'v> {
        self.tx.scan(range, order)
    }
}

impl Tx for Noting<'_> {
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        if is_in(Table::Reclaim, &key) {
            self.noted.add(read(&key, &value).map_or(OnList::Unknown, |freed| OnList::These(vec![freed])));
        } else if is_in(Table::Condemned, &key) {
            // Whoever goes on with the bucket's deletion puts its uploads on the list.
            self.noted.add(OnList::Unknown);
        }
        self.tx.put(key, value);
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.tx.delete(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::door::ExtentId;

    fn extents(count: u64) -> OnList {
        let at = |number| Freed { id: ExtentId { volume: 1, offset: number * 4096 }, len: 1 };
        OnList::These((0..count).map(at).collect())
    }

    #[test]
    fn what_is_added_is_handed_out_once() {
        let known = Known::default();
        assert!(!known.add(extents(0)), "nothing is on the list");
        assert!(known.add(extents(3)));
        assert!(known.add(extents(0)), "something still is");
        assert_eq!(known.take(), extents(3));
        assert_eq!(known.take(), extents(0));
    }

    #[test]
    fn what_is_too_much_to_remember_is_looked_up() {
        let known = Known::default();
        known.add(extents(KNOWN_MAX as u64));
        assert_eq!(known.take(), extents(KNOWN_MAX as u64));
        known.add(extents(KNOWN_MAX as u64));
        known.add(extents(1));
        assert!(known.add(extents(0)));
        assert_eq!(known.take(), OnList::Unknown);
        known.add(OnList::Unknown);
        known.add(extents(1));
        assert_eq!(known.take(), OnList::Unknown, "what is not known stays so until the list is read");
    }
}
