//! Pins: what is being read is not freed.
//!
//! A reader enters, takes its snapshot, finds its extents, pins them and leaves; then it may stream
//! for hours. The reclaimer, after a transaction has taken the last name from an extent, waits until
//! nobody is between entering and leaving: whoever enters later cannot find the extent any more,
//! whoever entered earlier has pinned it. So a stream never reads a hole, and an hour-long stream
//! holds back its own extents only.

use std::collections::HashMap;
use std::sync::Arc;

use crate::data::door::ExtentId;
use crate::planted::{Mistake, planted};
use crate::sync::{Mutex, RwLock, RwLockReadGuard};

/// What is being read.
#[derive(Default)]
pub struct Pins {
    finding: RwLock<()>,
    pinned: Mutex<HashMap<ExtentId, Pinned>>,
    unpinned: Option<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Default)]
struct Pinned {
    readers: u32,
    awaited: bool,
}

/// Proof that the holder found its extents after entering.
pub struct Finding<'a>(#[expect(dead_code, reason = "held, not read")] RwLockReadGuard<'a, ()>);

/// Keeps extents from being freed while it lives.
pub struct Pin {
    pins: Arc<Pins>,
    extents: Vec<ExtentId>,
}

impl Pins {
    /// Makes an empty set; `unpinned` is called when an extent that the reclaimer waits for is free.
    pub fn new(unpinned: impl Fn() + Send + Sync + 'static) -> Self {
        Self { unpinned: Some(Box::new(unpinned)), ..Self::default() }
    }

    /// Enters: take the snapshot after this and leave soon.
    pub fn enter(&self) -> Finding<'_> {
        Finding(self.finding.read())
    }

    /// Pins `extents`, which were found under `_finding`.
    pub fn pin(self: &Arc<Self>, _finding: &Finding<'_>, extents: Vec<ExtentId>) -> Pin {
        let mut pinned = self.pinned.lock();
        for id in &extents {
            pinned.entry(*id).or_default().readers += 1;
        }
        drop(pinned);
        Pin { pins: Arc::clone(self), extents }
    }

    /// Waits until everyone who entered has left. After it, `keep_free` tells the truth about every
    /// extent whose last name went before the call.
    pub fn wait_for_finders(&self) {
        if !planted(Mistake::FindersNotAwaited) {
            drop(self.finding.write());
        }
    }

    /// Keeps of `extents` those that nobody reads; the others are awaited, and handed out.
    pub fn keep_free<T>(&self, extents: &mut Vec<T>, id: impl Fn(&T) -> ExtentId) -> Vec<T> {
        let mut pinned = self.pinned.lock();
        let awaited = |extent: &mut T| match pinned.get_mut(&id(extent)) {
            Some(pin) if !planted(Mistake::PinsNotHonoured) => {
                pin.awaited = true;
                true
            }
            _ => false,
        };
        extents.extract_if(.., awaited).collect()
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut awaited = false;
        let mut pinned = self.pins.pinned.lock();
        for id in &self.extents {
            if let Some(pin) = pinned.get_mut(id) {
                pin.readers -= 1;
                if pin.readers == 0 {
                    awaited |= pin.awaited;
                    pinned.remove(id);
                }
            }
        }
        drop(pinned);
        if let (true, Some(unpinned)) = (awaited, &self.pins.unpinned) {
            unpinned();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const ONE: ExtentId = ExtentId { volume: 1, offset: 0 };
    const TWO: ExtentId = ExtentId { volume: 1, offset: 4096 };

    #[test]
    fn what_is_read_is_kept_and_announced_when_its_last_reader_leaves() {
        let announced = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&announced);
        let pins = Arc::new(Pins::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
        }));
        let (first, second) = (pins.pin(&pins.enter(), vec![ONE, TWO]), pins.pin(&pins.enter(), vec![ONE]));
        let mut list = vec![ONE, TWO, ExtentId { volume: 2, offset: 0 }];
        pins.wait_for_finders();
        assert_eq!(pins.keep_free(&mut list, |id| *id), [ONE, TWO]);
        assert_eq!(list, [ExtentId { volume: 2, offset: 0 }], "pinned extents are not freed");
        drop(first);
        assert_eq!(announced.load(Ordering::SeqCst), 1, "TWO is free");
        drop(second);
        assert_eq!(announced.load(Ordering::SeqCst), 2, "ONE is free");
        let mut list = vec![ONE, TWO];
        assert!(pins.keep_free(&mut list, |id| *id).is_empty());
        assert_eq!(list, [ONE, TWO]);
    }
}
