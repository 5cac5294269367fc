//! Finding places: the next free bytes of an active volume.
//!
//! Small extents and long streams use different volumes, so that the sync of a small PUT never
//! waits for the dirty pages of a large one. Places are handed out in ascending order and never
//! twice.

use std::io;
use std::sync::Arc;

use crate::data::catalogue::Catalogue;
use crate::data::numbers::Numbers;
use crate::data::volume::Volume;

/// Length of a volume, in bytes. A larger extent gets a volume of its own length.
pub(super) const VOLUME_BYTES: u64 = 1024 * 1024 * 1024;
/// Extents below this share one volume and its sync.
pub(super) const SMALL_BYTES_MAX: u64 = 1024 * 1024;
/// Volumes over which long streams spread, so that a sync meets few other streams' pages.
const LARGE_ACTIVE: usize = 4;

/// The active volumes.
pub(super) struct Allocation {
    small: Option<Active>,
    large: [Option<Active>; LARGE_ACTIVE],
    pub(super) numbers: Numbers,
}

/// A volume that takes extents; it is held.
struct Active {
    volume: Arc<Volume>,
    next: u64,
    len: u64,
}

/// A place for an extent in a volume that is held for it.
pub(super) struct Place {
    pub(super) volume: Arc<Volume>,
    pub(super) offset: u64,
    /// A volume that is active no more and may be empty.
    pub(super) sealed: Option<Arc<Volume>>,
}

impl Allocation {
    pub(super) fn new(numbers: Numbers) -> Self {
        Self { small: None, large: Default::default(), numbers }
    }

    /// A place for `footprint` bytes.
    pub(super) fn place(&mut self, footprint: u64, catalogue: &Catalogue) -> io::Result<Place> {
        let slot = if footprint < SMALL_BYTES_MAX {
            &mut self.small
        } else {
            // An empty slot has nobody in it, so the first streams open all of them.
            let busy = |slot: &&mut Option<Active>| slot.as_ref().map_or(0, |active| active.volume.holds());
            self.large.iter_mut().min_by_key(busy).expect("there are several")
        };
        let mut sealed = None;
        let full =
            |active: &Active| active.next + footprint > active.len || active.volume.poisoned().is_some();
        if slot.as_ref().is_none_or(full) {
            let len = VOLUME_BYTES.max(footprint);
            let volume = catalogue.make(self.numbers.take()?, len)?;
            volume.hold();
            let before = slot.replace(Active { volume, next: 0, len });
            sealed = before.map(Active::seal);
        }
        let active = slot.as_mut().expect("it was filled above");
        active.volume.hold();
        let offset = active.next;
        active.next += footprint;
        Ok(Place { volume: Arc::clone(&active.volume), offset, sealed })
    }

    /// Lets go of all active volumes.
    pub(super) fn seal(&mut self) -> Vec<Arc<Volume>> {
        let slots = std::iter::once(&mut self.small).chain(&mut self.large);
        slots.filter_map(Option::take).map(Active::seal).collect()
    }
}

impl Active {
    fn seal(self) -> Arc<Volume> {
        self.volume.release();
        self.volume
    }
}
