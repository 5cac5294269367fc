//! Extents in memory, for `--memory` and for tests.
//!
//! Bytes are copied into buffers of their own, because a piece of a network buffer that is kept
//! would keep the whole buffer alive and make the capacity a lie. What is reserved counts against
//! the capacity from the reservation on, so that a full store refuses before the body is read.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};

use crate::checksum::{Digests, crc64, crc64_combine};
use crate::data::door::{
    Data, DataError, Extent, ExtentId, ExtentReader, ExtentWriter, Freed, Pending, Space, WriteOutcome,
    Written,
};
use crate::meta::door::BoxFuture;
use crate::sync::Mutex;

/// Largest buffer of an extent, in bytes: a reader hands out one buffer at a time.
const BUFFER_BYTES_MAX: u64 = 1024 * 1024;

/// A volume takes extents until it has handed out this many bytes, so that tests meet several
/// volumes and the end of one.
const VOLUME_BYTES: u64 = 64 * 1024 * 1024;

/// A store of extents without a disk.
pub struct MemoryData {
    capacity: u64,
    state: Mutex<State>,
}

struct State {
    /// Payload bytes of all extents, reserved ones included.
    used: u64,
    /// Where the next extent begins.
    next: ExtentId,
    extents: BTreeMap<ExtentId, Stored>,
}

struct Stored {
    len: u64,
    token: u64,
    /// `None` while it is being written.
    buffers: Option<Arc<[Bytes]>>,
}

impl MemoryData {
    /// An empty store for at most `capacity` payload bytes.
    pub fn new(capacity: u64) -> Arc<Self> {
        let state = State { used: 0, next: ExtentId { volume: 1, offset: 0 }, extents: BTreeMap::new() };
        Arc::new(Self { capacity, state: Mutex::new(state) })
    }

    fn remove(&self, id: ExtentId) {
        self.state.lock().remove(id);
    }
}

impl State {
    fn remove(&mut self, id: ExtentId) {
        if let Some(stored) = self.extents.remove(&id) {
            self.used -= stored.len;
        }
    }

    /// A place for `len` bytes that was never used before.
    fn place(&mut self, len: u64) -> ExtentId {
        if self.next.offset > 0 && self.next.offset + len > VOLUME_BYTES {
            self.next = ExtentId { volume: self.next.volume + 1, offset: 0 };
        }
        let id = self.next;
        self.next.offset += len;
        id
    }
}

/// Spreads `place` over 64 bits (the finaliser of SplitMix64), so that two places rarely share a token.
fn token_of(place: ExtentId) -> u64 {
    let mut mixed = (place.volume << 32 ^ place.offset).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

impl Data for MemoryData {
    fn reserve(self: Arc<Self>, len: u64) -> Result<Box<dyn ExtentWriter>, DataError> {
        assert!(len > 0, "an extent has at least one byte");
        let mut state = self.state.lock();
        let available = self.capacity - state.used;
        if len > available {
            return Err(DataError::NoSpace { needed: len, available });
        }
        let id = state.place(len);
        let extent = Extent { id, len, token: token_of(id) };
        state.used += len;
        state.extents.insert(id, Stored { len, token: extent.token, buffers: None });
        drop(state);
        let writer = Writer { door: Some(self), extent, full: Vec::new(), open: BytesMut::new(), written: 0 };
        Ok(Box::new(writer))
    }

    fn read(self: Arc<Self>, extent: Extent, range: Range<u64>) -> Box<dyn ExtentReader> {
        let corrupt = |why| DataError::Corrupt { volume: extent.id.volume, offset: extent.id.offset, why };
        let state = self.state.lock();
        let buffers = match state.extents.get(&extent.id) {
            Some(Stored { len, token, buffers: Some(buffers) })
                if *len == extent.len && *token == extent.token && range.end <= extent.len =>
            {
                Ok(Arc::clone(buffers))
            }
            Some(Stored { buffers: Some(_), .. }) => Err(corrupt("another extent than expected is here")),
            _ => Err(corrupt("no extent is here")),
        };
        Box::new(Reader { buffers: Some(buffers), range })
    }

    fn free(self: Arc<Self>, extents: Vec<Freed>) -> BoxFuture<'static, Result<(), DataError>> {
        let mut state = self.state.lock();
        for freed in extents {
            state.remove(freed.id);
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn abandon(&self, extent: Extent) {
        self.remove(extent.id);
    }

    fn footprint(&self, id: ExtentId, len: u64) -> Range<u64> {
        id.offset..id.offset + len
    }

    fn suspects(&self) -> Vec<u64> {
        Vec::new()
    }

    fn volumes(&self) -> Vec<u64> {
        let volumes: BTreeSet<u64> = self.state.lock().extents.keys().map(|id| id.volume).collect();
        volumes.into_iter().collect()
    }

    fn allocated(&self, volume: u64) -> Result<Vec<Range<u64>>, DataError> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let state = self.state.lock();
        for (id, stored) in state.extents.range(whole(volume)) {
            match ranges.last_mut() {
                Some(last) if last.end == id.offset => last.end += stored.len,
                _ => ranges.push(id.offset..id.offset + stored.len),
            }
        }
        Ok(ranges)
    }

    fn punch(&self, volume: u64, ranges: &[Range<u64>]) -> Result<(), DataError> {
        let mut state = self.state.lock();
        for range in ranges {
            let inside = |(id, stored): (&ExtentId, &Stored)| {
                (range.start <= id.offset && id.offset + stored.len <= range.end).then_some(*id)
            };
            let gone: Vec<ExtentId> = state.extents.range(whole(volume)).filter_map(inside).collect();
            for id in gone {
                state.remove(id);
            }
        }
        Ok(())
    }

    fn recovered(&self) {}

    fn space(&self) -> Result<Space, DataError> {
        let used = self.state.lock().used;
        Ok(Space { total: self.capacity, available: self.capacity - used })
    }
}

/// Every place in `volume`.
fn whole(volume: u64) -> std::ops::RangeInclusive<ExtentId> {
    ExtentId { volume, offset: 0 }..=ExtentId { volume, offset: u64::MAX }
}

/// An extent that is being filled.
struct Writer {
    /// `None` once it is finished.
    door: Option<Arc<MemoryData>>,
    extent: Extent,
    full: Vec<Bytes>,
    open: BytesMut,
    written: u64,
}

impl Writer {
    fn append(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            if self.open.capacity() == 0 {
                let left = self.extent.len - self.written;
                self.open.reserve(left.min(BUFFER_BYTES_MAX) as usize);
            }
            let room = (self.open.capacity() - self.open.len()).min(piece.len());
            let (now, later) = piece.split_at(room);
            self.open.extend_from_slice(now);
            self.written += now.len() as u64;
            piece = later;
            if self.open.len() == self.open.capacity() {
                self.full.push(std::mem::take(&mut self.open).freeze());
            }
        }
    }
}

impl ExtentWriter for Writer {
    fn write(
        mut self: Box<Self>,
        pieces: Vec<Bytes>,
        mut digests: Digests,
    ) -> BoxFuture<'static, WriteOutcome> {
        let more: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        assert!(self.written + more <= self.extent.len, "no more bytes are written than were reserved");
        for piece in pieces {
            digests.update(&piece);
            self.append(&piece);
        }
        Box::pin(std::future::ready(Ok((self as Box<dyn ExtentWriter>, digests))))
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<Written, DataError>> {
        assert_eq!(self.written, self.extent.len, "all bytes that were reserved are written");
        if !self.open.is_empty() {
            let open = std::mem::take(&mut self.open).freeze();
            self.full.push(open);
        }
        let crc64 =
            self.full.iter().fold(0, |crc, buffer| crc64_combine(crc, crc64(buffer), buffer.len() as u64));
        let door = self.door.take().expect("a writer is finished once: finishing consumes it");
        if let Some(stored) = door.state.lock().extents.get_mut(&self.extent.id) {
            stored.buffers = Some(std::mem::take(&mut self.full).into());
        }
        let pending = Pending::new(self.extent, None, door);
        Box::pin(std::future::ready(Ok(Written { pending, crc64 })))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(door) = &self.door {
            door.remove(self.extent.id);
        }
    }
}

/// A walk over an extent's buffers.
struct Reader {
    /// `None` after an error was handed out.
    buffers: Option<Result<Arc<[Bytes]>, DataError>>,
    range: Range<u64>,
}

impl ExtentReader for Reader {
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, DataError>>> {
        let buffers = match &self.buffers {
            Some(Ok(buffers)) => buffers,
            Some(Err(error)) => {
                let error = error.clone();
                self.buffers = None;
                return Poll::Ready(Some(Err(error)));
            }
            None => return Poll::Ready(None),
        };
        let Range { start, end } = self.range;
        if start >= end {
            return Poll::Ready(None);
        }
        let at = start / BUFFER_BYTES_MAX * BUFFER_BYTES_MAX;
        let buffer =
            buffers.get((start / BUFFER_BYTES_MAX) as usize).expect("ranges lie inside their extent");
        let piece = buffer.slice((start - at) as usize..buffer.len().min((end - at) as usize));
        self.range.start += piece.len() as u64;
        Poll::Ready(Some(Ok(piece)))
    }
}
