//! Writing an extent: header and frames as they come, without copying the payload.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use drystone_core::checksum::{Crc64, Digests, crc64_combine};
use drystone_core::data::door::{DataError, Extent, ExtentWriter, Pending, Unsynced, WriteOutcome, Written};
use drystone_core::meta::door::BoxFuture;
use rustix::io::{pwritev, retry_on_intr};

use crate::data::extent::{self, FRAME_BYTES};
use crate::data::volume::Volume;
use crate::data::volumes::Volumes;

/// Writes up to this size happen on the caller's thread: hashing them side by side with others' would save
/// less than two thread switches cost (docs/design/0010).
const INLINE_BYTES_MAX: usize = 32 * 1024;
/// Extents up to this size are synced by the commit lane, which syncs for all that wait; the sync of larger
/// ones takes longer than a commit, and others' commits shall not wait for it.
pub(super) const LANE_BYTES_MAX: u64 = 128 * 1024;
/// A long stream asks for a sync after so many bytes and does not wait for it: so its last one is
/// short, and its dirty pages do not fill the memory.
const SYNC_AHEAD_BYTES: u64 = 32 * 1024 * 1024;
/// Pieces that one system call takes (`IOV_MAX` of Linux).
const PIECES_MAX: usize = 1024;

/// An extent that is being written.
pub(super) struct Writer {
    door: Arc<Volumes>,
    volume: Arc<Volume>,
    extent: Extent,
    /// Bytes that the ledger holds for this extent.
    ledger: u64,
    /// Offset in the volume of the next byte to write.
    at: u64,
    written: u64,
    frame: Frame,
    crc64: u64,
    /// Bytes written since a sync was asked for.
    unsynced: u64,
    finished: bool,
}

/// The frame that is being filled.
#[derive(Default)]
struct Frame {
    number: u64,
    filled: u64,
    crc: Crc64,
}

/// A run of bytes to write: a caller's, or some of the writer's own.
enum Part<'p> {
    Payload(&'p [u8]),
    Own(std::ops::Range<usize>),
}

impl<'p> Part<'p> {
    fn bytes(&self, own: &'p [u8]) -> &'p [u8] {
        match self {
            Self::Payload(bytes) => bytes,
            Self::Own(range) => own.get(range.clone()).unwrap_or_default(),
        }
    }
}

impl Writer {
    /// Begins `extent` in `volume`, which is held for it.
    pub(super) fn new(door: Arc<Volumes>, volume: Arc<Volume>, extent: Extent, ledger: u64) -> Self {
        let at = extent.id.offset;
        let frame = Frame::default();
        Self { door, volume, extent, ledger, at, written: 0, frame, crc64: 0, unsynced: 0, finished: false }
    }

    fn append(&mut self, pieces: &[Bytes]) -> Result<(), DataError> {
        if let Some(error) = self.volume.poisoned() {
            return Err(error);
        }
        let mut own = Vec::new();
        let mut parts = Vec::with_capacity(2 * pieces.len() + 2);
        if self.written == 0 {
            own.extend(extent::header(self.extent));
            parts.push(Part::Own(0..own.len()));
        }
        for piece in pieces {
            let mut rest: &[u8] = piece;
            while !rest.is_empty() {
                let room = (FRAME_BYTES - self.frame.filled) as usize;
                let (now, later) = rest.split_at(room.min(rest.len()));
                self.frame.crc.update(now);
                self.frame.filled += now.len() as u64;
                self.written += now.len() as u64;
                parts.push(Part::Payload(now));
                if self.frame.filled == FRAME_BYTES || self.written == self.extent.len {
                    let start = own.len();
                    own.extend(self.close_frame());
                    parts.push(Part::Own(start..own.len()));
                }
                rest = later;
            }
        }
        for group in parts.chunks(PIECES_MAX) {
            let bytes: Vec<&[u8]> = group.iter().map(|part| part.bytes(&own)).collect();
            self.write_all(&bytes).map_err(|error| self.failed(&error))?;
        }
        if self.unsynced >= SYNC_AHEAD_BYTES {
            self.unsynced = 0;
            // Should it fail, the volume is poisoned, and the next write of this extent hears of it.
            drop(self.volume.sync(&self.door.syncs));
        }
        Ok(())
    }

    /// The check of the frame that is full; begins the next one.
    fn close_frame(&mut self) -> [u8; extent::CHECK_BYTES as usize] {
        let Frame { number, filled, crc } = std::mem::take(&mut self.frame);
        self.frame.number = number + 1;
        let crc = crc.finish();
        self.crc64 = if number == 0 { crc } else { crc64_combine(self.crc64, crc, filled) };
        extent::check(crc, self.extent.token, number)
    }

    fn write_all(&mut self, bytes: &[&[u8]]) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = bytes.iter().map(|bytes| IoSlice::new(bytes)).collect();
        let mut slices = slices.as_mut_slice();
        while !slices.is_empty() {
            let count = retry_on_intr(|| pwritev(&self.volume.file, slices, self.at))?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.at += count as u64;
            self.unsynced += count as u64;
            IoSlice::advance_slices(&mut slices, count);
        }
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> DataError {
        if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return self.door.no_space(extent::footprint(self.extent.len));
        }
        let error = self.volume.error("writing", error);
        self.volume.poison(&error);
        error
    }

    /// All is written: from here on the extent's owner-to-be decides what becomes of it.
    fn end(mut self: Box<Self>, unsynced: Option<Arc<dyn Unsynced>>) -> Written {
        self.finished = true;
        let pending = Pending::new(self.extent, unsynced, Arc::clone(&self.door) as Arc<_>);
        Written { pending, crc64: self.crc64 }
    }

    fn write_hashed(mut self: Box<Self>, pieces: &[Bytes], digests: Digests) -> WriteOutcome {
        self.append(pieces)?;
        Ok((self, digests))
    }
}

impl ExtentWriter for Writer {
    fn write(self: Box<Self>, pieces: Vec<Bytes>, mut digests: Digests) -> BoxFuture<'static, WriteOutcome> {
        let more: usize = pieces.iter().map(Bytes::len).sum();
        assert!(
            self.written + more as u64 <= self.extent.len,
            "no more bytes are written than were reserved"
        );
        if more <= INLINE_BYTES_MAX {
            pieces.iter().for_each(|piece| digests.update(piece));
            return Box::pin(std::future::ready(self.write_hashed(&pieces, digests)));
        }
        let (volume, door) = (self.extent.id.volume, Arc::clone(&self.door));
        Box::pin(async move {
            let gone = |_| DataError::Io { volume, action: "writing", why: "its thread ended".into() };
            let write = move |pieces: &[Bytes], digests| self.write_hashed(pieces, digests);
            door.hashing.ask(pieces, digests, write).await.map_err(gone)?
        })
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<Written, DataError>> {
        assert_eq!(self.written, self.extent.len, "all bytes that were reserved are written");
        if self.extent.len <= LANE_BYTES_MAX {
            self.volume.hold();
            let unsynced = Arc::clone(&self.volume).unsynced();
            return Box::pin(std::future::ready(Ok(self.end(Some(unsynced)))));
        }
        let synced = self.volume.sync(&self.door.syncs);
        Box::pin(async move {
            synced.await?;
            Ok(self.end(None))
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.door.reclaim.ledger.fetch_sub(self.ledger, Ordering::AcqRel);
        if self.finished {
            self.volume.release();
        } else {
            let range = extent::range(self.extent.id, self.extent.len);
            self.door.reclaim.give_up(&self.door.pool, Arc::clone(&self.volume), range);
        }
    }
}
