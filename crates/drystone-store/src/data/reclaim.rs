//! Giving bytes back to the file system.
//!
//! Freeing punches a hole, so the room is back at once and without compaction; a volume without a
//! written byte that takes no more extents is removed. Freeing is durable when it returns. What never
//! had an owner is given back in the background and without a sync: should the power fail before it
//! is on stable storage, its volume is a suspect, and recovery finds it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use drystone_core::data::door::{DataError, Extent, Freed};
use drystone_core::planted::{Mistake, planted};

use crate::data::catalogue::Catalogue;
use crate::data::extent;
use crate::data::pool::Pool;
use crate::data::volume::Volume;

/// What giving back needs, on whatever thread it happens.
#[derive(Clone)]
pub(super) struct Reclaim {
    pub(super) catalogue: Arc<Catalogue>,
    /// Bytes that were promised to writers and are not taken from the file system yet.
    pub(super) ledger: Arc<AtomicU64>,
}

impl Reclaim {
    /// Gives back the range of a writer that ends without finishing; it no longer holds `volume`.
    pub(super) fn give_up(&self, pool: &Pool, volume: Arc<Volume>, range: Range<u64>) {
        let catalogue = Arc::clone(&self.catalogue);
        pool.run(move || {
            if !planted(Mistake::GivenUpRangeKept) {
                punch_or_tell(&volume, &range);
            }
            volume.release();
            catalogue.remove_if_empty(&volume);
        });
    }

    /// Gives back an extent that never got an owner.
    pub(super) fn abandon(&self, pool: &Pool, extent: Extent) {
        let catalogue = Arc::clone(&self.catalogue);
        pool.run(move || match catalogue.get(extent.id.volume) {
            Ok(Some(volume)) => {
                punch_or_tell(&volume, &extent::range(extent.id, extent.len));
                catalogue.remove_if_empty(&volume);
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "an abandoned extent keeps its room until the next start"),
        });
    }

    /// Frees `extents`, on stable storage when this returns.
    pub(super) async fn free(
        self,
        pool: Arc<Pool>,
        syncs: Arc<Pool>,
        extents: Vec<Freed>,
    ) -> Result<(), DataError> {
        let gone = |_| DataError::Io { volume: 0, action: "freeing in", why: "its thread ended".into() };
        let ranges = by_volume(extents);
        let reclaim = self.clone();
        let (touched, mut outcome) = pool.ask(move || reclaim.punch_all(ranges)).await.map_err(gone)?;
        // Asked for together, so that the volumes' syncs run side by side.
        let waits: Vec<_> = touched.iter().map(|volume| volume.sync(&syncs)).collect();
        for wait in waits {
            outcome = outcome.and(wait.await);
        }
        // Only after the sync: a power cut may bring a removed file back, but then with the holes.
        let catalogue = self.catalogue;
        pool.run(move || touched.iter().for_each(|volume| catalogue.remove_if_empty(volume)));
        outcome
    }

    /// Punches what it can, and says what it touched and whether that was all.
    fn punch_all(&self, ranges: BTreeMap<u64, Vec<Range<u64>>>) -> (Vec<Arc<Volume>>, Result<(), DataError>) {
        let mut touched = Vec::new();
        let mut outcome = Ok(());
        for (number, ranges) in ranges {
            match self.catalogue.get(number) {
                Ok(Some(volume)) => {
                    for range in &ranges {
                        outcome = outcome.and(volume.punch(range));
                    }
                    touched.push(volume);
                }
                // A volume that is gone took its bytes along.
                Ok(None) => {}
                Err(error) => outcome = Err(error),
            }
        }
        (touched, outcome)
    }
}

fn punch_or_tell(volume: &Volume, range: &Range<u64>) {
    if let Err(error) = volume.punch(range) {
        tracing::warn!(%error, "an abandoned extent keeps its room until the next start");
    }
}

/// The ranges of `extents` by volume, neighbours as one.
fn by_volume(mut extents: Vec<Freed>) -> BTreeMap<u64, Vec<Range<u64>>> {
    extents.sort_unstable();
    let mut volumes: BTreeMap<u64, Vec<Range<u64>>> = BTreeMap::new();
    for freed in extents {
        let range = extent::range(freed.id, freed.len);
        let ranges = volumes.entry(freed.id.volume).or_default();
        match ranges.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => ranges.push(range),
        }
    }
    volumes
}
