//! The data door of a machine that forgets.
//!
//! Extents are kept by a sync that keeps that extent and no other: less than a real disk keeps, and all that
//! the door promises. As on disk, small ones leave it to the metadata door, large ones make it when they are
//! finished. What is abandoned is given back without a sync, as on disk, so that a power cut may bring it back
//! in a volume that is then suspect. A volume whose write or sync failed takes nothing more.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use drystone_core::checksum::{Digests, crc64};
use drystone_core::data::door::{
    Data, DataError, Extent, ExtentId, ExtentReader, ExtentWriter, Freed, Pending, Space, Unsynced,
    WriteOutcome, Written,
};
use drystone_core::meta::door::BoxFuture;

use crate::amnesia::faults::{Coins, Passage};
use crate::amnesia::machine::{Cell, Machine, State};

/// A volume takes extents until it has handed out this many bytes: a test meets several of them.
const VOLUME_BYTES: u64 = 128 * 1024;
/// What an extent takes is its payload and one such block, rounded up to blocks: more than its payload, as
/// on disk, so that nobody confuses the two.
const BLOCK_BYTES: u64 = 512;
/// A reader hands out so many bytes at once, so that tests meet readers in the middle.
const PIECE_BYTES: u64 = 64 * 1024;
/// Extents up to this size are finished without their sync.
const UNSYNCED_BYTES_MAX: u64 = 64 * 1024;

fn taken(len: u64) -> u64 {
    len.div_ceil(BLOCK_BYTES) * BLOCK_BYTES + BLOCK_BYTES
}

#[derive(Clone)]
pub(super) struct AmnesiaData {
    machine: Machine,
    start: u64,
}

impl AmnesiaData {
    pub(super) fn new(machine: Machine, start: u64) -> Self {
        Self { machine, start }
    }

    fn error(volume: u64, action: &'static str, passage: Passage) -> DataError {
        match passage {
            Passage::Full => DataError::NoSpace { needed: 1, available: 0 },
            _ => DataError::Io { volume, action, why: "the simulated disk failed".into() },
        }
    }

    /// One changing call; a failure poisons `volume`.
    fn change(
        &self,
        volume: u64,
        action: &'static str,
        act: impl FnOnce(&mut State),
    ) -> Result<(), DataError> {
        self.machine.with(|state| {
            if state.volumes.poisoned.contains(&volume) && action != "freeing" {
                return Err(Self::error(volume, action, Passage::Fails));
            }
            match state.change(self.start) {
                Passage::Passes => {
                    act(state);
                    Ok(())
                }
                passage => {
                    if passage == Passage::Fails && matches!(action, "writing" | "syncing") {
                        state.volumes.poisoned.insert(volume);
                    }
                    Err(Self::error(volume, action, passage))
                }
            }
        })
    }

    /// Gives an extent back without a sync.
    fn give_up(&self, id: ExtentId) {
        self.machine.with(|state| {
            if state.start != self.start || state.faults.dark.is_some() {
                return;
            }
            if let Some(cell) = state.volumes.cells.get_mut(&id) {
                cell.seen = None;
                if cell.kept.is_none() {
                    state.volumes.cells.remove(&id);
                }
            }
        });
    }
}

/// Everything in `volume`.
fn whole(volume: u64) -> std::ops::RangeInclusive<ExtentId> {
    ExtentId { volume, offset: 0 }..=ExtentId { volume, offset: u64::MAX }
}

/// A place that was never used before.
fn place(state: &mut State, len: u64) -> ExtentId {
    let volumes = &mut state.volumes;
    let room = |id: &ExtentId| {
        (id.offset == 0 || id.offset + taken(len) <= VOLUME_BYTES) && !volumes.poisoned.contains(&id.volume)
    };
    let id = volumes.active.filter(room).unwrap_or_else(|| {
        volumes.next_volume += 1;
        volumes.made.insert(volumes.next_volume - 1);
        ExtentId { volume: volumes.next_volume - 1, offset: 0 }
    });
    volumes.active = Some(ExtentId { offset: id.offset + taken(len), ..id });
    id
}

impl Data for AmnesiaData {
    fn reserve(self: Arc<Self>, len: u64) -> Result<Box<dyn ExtentWriter>, DataError> {
        assert!(len > 0, "an extent has at least one byte");
        let available = self.space()?.available;
        if taken(len) > available {
            return Err(DataError::NoSpace { needed: taken(len), available });
        }
        let mut extent = None;
        self.change(0, "reserving room in", |state| {
            let id = place(state, len);
            let token = Coins(id.volume << 32 ^ id.offset).next();
            let cell = Cell { len, token, sum: 0, seen: Some(Bytes::new()), kept: None };
            state.volumes.cells.insert(id, cell);
            extent = Some(Extent { id, len, token });
        })?;
        let extent = extent.expect("a call that passes does its work");
        Ok(Box::new(Writer { door: Some((*self).clone()), extent, written: BytesMut::new() }))
    }

    fn read(self: Arc<Self>, extent: Extent, range: Range<u64>) -> Box<dyn ExtentReader> {
        Box::new(Reader { door: self, extent, range, failed: false, verified: false })
    }

    fn free(self: Arc<Self>, extents: Vec<Freed>) -> BoxFuture<'static, Result<(), DataError>> {
        let outcome = if extents.is_empty() {
            Ok(())
        } else {
            // Punched before the sync: when the sync fails or is cut off, each is back or not.
            let punch = |state: &mut State| {
                for freed in &extents {
                    if let Some(cell) = state.volumes.cells.get_mut(&freed.id) {
                        cell.seen = None;
                    }
                }
            };
            let live = self.machine.with(|state| {
                let live = state.start == self.start && state.faults.dark.is_none();
                if live {
                    punch(state);
                }
                live
            });
            if live {
                self.change(0, "freeing", |state| {
                    for freed in &extents {
                        state.volumes.cells.remove(&freed.id);
                    }
                })
            } else {
                Err(Self::error(0, "freeing", Passage::Dark))
            }
        };
        Box::pin(std::future::ready(outcome))
    }

    fn abandon(&self, extent: Extent) {
        self.give_up(extent.id);
    }

    fn footprint(&self, id: ExtentId, len: u64) -> Range<u64> {
        id.offset..id.offset + taken(len)
    }

    fn suspects(&self) -> Vec<u64> {
        self.machine.with(|state| state.volumes.suspects.iter().copied().collect())
    }

    fn volumes(&self) -> Vec<u64> {
        self.machine.with(|state| {
            let mut volumes: Vec<u64> = state.volumes.cells.keys().map(|id| id.volume).collect();
            volumes.dedup();
            volumes
        })
    }

    fn allocated(&self, volume: u64) -> Result<Vec<Range<u64>>, DataError> {
        self.machine.with(|state| {
            if state.read(self.start) != Passage::Passes {
                return Err(Self::error(volume, "looking at", Passage::Fails));
            }
            let mut ranges: Vec<Range<u64>> = Vec::new();
            for (id, cell) in state.volumes.cells.range(whole(volume)).filter(|(_, cell)| cell.seen.is_some())
            {
                match ranges.last_mut() {
                    Some(last) if last.end == id.offset => last.end += taken(cell.len),
                    _ => ranges.push(id.offset..id.offset + taken(cell.len)),
                }
            }
            Ok(ranges)
        })
    }

    fn punch(&self, volume: u64, ranges: &[Range<u64>]) -> Result<(), DataError> {
        self.change(volume, "freeing", |state| {
            for range in ranges {
                state.volumes.cells.retain(|id, cell| {
                    let end = id.offset + taken(cell.len);
                    let touched = id.volume == volume && id.offset < range.end && range.start < end;
                    let inside = range.start <= id.offset && end <= range.end;
                    if touched && !inside {
                        // A hole in the middle of somebody's bytes.
                        cell.sum = !cell.sum;
                    }
                    !(touched && inside)
                });
            }
        })
    }

    fn recovered(&self) {
        // Should it fail, the next start repeats the recovery.
        let noted = self.change(0, "noting", |state| state.volumes.suspects.clear());
        drop(noted);
    }

    fn space(&self) -> Result<Space, DataError> {
        self.machine.with(|state| {
            let total = state.volumes.capacity;
            let used: u64 = state.volumes.cells.values().map(|cell| taken(cell.len)).sum();
            Ok(Space { total, available: total.saturating_sub(used) })
        })
    }
}

struct Writer {
    /// `None` once it is finished.
    door: Option<AmnesiaData>,
    extent: Extent,
    written: BytesMut,
}

impl ExtentWriter for Writer {
    fn write(
        mut self: Box<Self>,
        pieces: Vec<Bytes>,
        mut digests: Digests,
    ) -> BoxFuture<'static, WriteOutcome> {
        for piece in pieces {
            digests.update(&piece);
            self.written.extend_from_slice(&piece);
        }
        assert!(self.written.len() as u64 <= self.extent.len, "no more bytes are written than were reserved");
        let id = self.extent.id;
        let door = self.door.as_ref().expect("a writer is finished once: finishing consumes it");
        let written = Bytes::copy_from_slice(&self.written);
        let outcome = door.change(id.volume, "writing", |state| {
            if let Some(cell) = state.volumes.cells.get_mut(&id) {
                cell.seen = Some(written);
            }
        });
        let outcome = outcome.map(|()| (self as Box<dyn ExtentWriter>, digests));
        Box::pin(std::future::ready(outcome))
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<Written, DataError>> {
        assert_eq!(self.written.len() as u64, self.extent.len, "all bytes that were reserved are written");
        let sum = crc64(&self.written);
        let id = self.extent.id;
        let door = self.door.as_ref().expect("a writer is finished once: finishing consumes it");
        door.machine.with(|state| {
            if let Some(cell) = state.volumes.cells.get_mut(&id) {
                cell.sum = sum;
            }
        });
        let missing: Arc<dyn Unsynced> = Arc::new(Missing { door: door.clone(), id });
        let outcome = if self.extent.len <= UNSYNCED_BYTES_MAX {
            Ok(Some(missing))
        } else {
            missing.sync().map(|()| None)
        };
        let outcome = outcome.map(|unsynced| {
            let door = self.door.take().expect("it was there a moment ago");
            Written { pending: Pending::new(self.extent, unsynced, Arc::new(door)), crc64: sum }
        });
        Box::pin(std::future::ready(outcome))
    }
}

/// The sync of an extent that is not made yet.
struct Missing {
    door: AmnesiaData,
    id: ExtentId,
}

impl Unsynced for Missing {
    fn volume(&self) -> u64 {
        self.id.volume
    }

    fn sync(&self) -> Result<(), DataError> {
        self.door.change(self.id.volume, "syncing", |state| {
            if let Some(cell) = state.volumes.cells.get_mut(&self.id) {
                cell.kept.clone_from(&cell.seen);
            }
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(door) = &self.door {
            door.give_up(self.extent.id);
        }
    }
}

struct Reader {
    door: Arc<AmnesiaData>,
    extent: Extent,
    range: Range<u64>,
    failed: bool,
    /// Frames are verified when they are read: here all of them with the first piece.
    verified: bool,
}

impl Reader {
    fn piece(&mut self) -> Result<Bytes, DataError> {
        let Extent { id, len, token } = self.extent;
        let corrupt = |why| DataError::Corrupt { volume: id.volume, offset: id.offset, why };
        let (verified, range) = (self.verified, self.range.clone());
        let piece = self.door.machine.with(|state| {
            if state.read(self.door.start) != Passage::Passes {
                return Err(AmnesiaData::error(id.volume, "reading", Passage::Fails));
            }
            let cell = state.volumes.cells.get(&id).ok_or_else(|| corrupt("no extent is here"))?;
            let bytes = cell.seen.as_ref().ok_or_else(|| corrupt("a hole is here"))?;
            if (cell.len, cell.token) != (len, token) || range.end > len {
                return Err(corrupt("another extent than expected is here"));
            }
            if !verified && (bytes.len() as u64 != len || crc64(bytes) != cell.sum) {
                return Err(corrupt("a frame does not match its check"));
            }
            let end = range.end.min(range.start + PIECE_BYTES);
            Ok(bytes.slice(range.start as usize..end as usize))
        })?;
        self.verified = true;
        self.range.start += piece.len() as u64;
        Ok(piece)
    }
}

impl ExtentReader for Reader {
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, DataError>>> {
        if self.failed || self.range.is_empty() {
            return Poll::Ready(None);
        }
        let piece = self.piece();
        self.failed = piece.is_err();
        Poll::Ready(Some(piece))
    }
}
