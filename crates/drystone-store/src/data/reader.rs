//! Reading an extent: verified frames, handed out as slices of the buffer they were read into.
//!
//! What is in the page cache is read at once on the caller's thread (`RWF_NOWAIT`); only what must
//! come from the disk goes to a thread, and from then on the next batch is read while the caller
//! sends this one.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use drystone_core::data::door::{DataError, Extent, ExtentReader};
use drystone_core::planted::{Mistake, planted};
use futures_channel::oneshot;
use rustix::io::{Errno, ReadWriteFlags, preadv2, retry_on_intr};

use crate::data::buffers::Buffers;
use crate::data::extent::{self, CHECK_BYTES, FRAME_BYTES, HEADER_BYTES};
use crate::data::volume::Volume;
use crate::data::volumes::Volumes;

/// Frames that one read takes: 256 KiB. A slow client keeps two such buffers alive, so this also
/// bounds what a thousand of them cost.
const BATCH_FRAMES: u64 = 4;

/// Size of the largest buffer that a read needs.
pub(super) const BATCH_BYTES_MAX: usize =
    (HEADER_BYTES + BATCH_FRAMES * (FRAME_BYTES + CHECK_BYTES)) as usize;

/// A walk over the frames of a range.
pub(super) struct Reader {
    door: Arc<Volumes>,
    source: Source,
    /// Frames that were not asked for yet.
    frames: Range<u64>,
    /// Verified pieces to hand out.
    verified: VecDeque<Bytes>,
    /// A batch that a thread is reading.
    coming: Option<oneshot::Receiver<Batch>>,
}

/// A verified batch; `None` when it would have to wait for the disk.
type Batch = Result<Option<VecDeque<Bytes>>, DataError>;

/// What a read needs to know, on whatever thread it happens.
#[derive(Clone)]
struct Source {
    /// The volume, or why it cannot be read.
    volume: Result<Arc<Volume>, DataError>,
    extent: Extent,
    range: Range<u64>,
    buffers: Arc<Buffers>,
}

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    Cached,
    Disk,
}

impl Reader {
    pub(super) fn new(door: Arc<Volumes>, extent: Extent, range: Range<u64>) -> Self {
        let corrupt = |why| DataError::Corrupt { volume: extent.id.volume, offset: extent.id.offset, why };
        let volume = match door.catalogue.get(extent.id.volume) {
            _ if range.end > extent.len => {
                Err(corrupt("the extent ends before the range that was asked for"))
            }
            Ok(volume) => volume.ok_or_else(|| corrupt("the volume is missing")),
            Err(error) => Err(error),
        };
        let frames =
            if range.is_empty() { 0..0 } else { range.start / FRAME_BYTES..extent::frames(range.end) };
        let source = Source { volume, extent, range, buffers: Arc::clone(&door.buffers) };
        Self { door, source, frames, verified: VecDeque::new(), coming: None }
    }

    /// Takes the next batch off the frames to come.
    fn next_batch(&mut self) -> Range<u64> {
        let start = self.frames.start;
        self.frames.start = self.frames.end.min(start + BATCH_FRAMES);
        start..self.frames.start
    }

    /// Lets a thread read `batch`.
    fn send_for(&mut self, batch: Range<u64>) {
        let source = self.source.clone();
        self.coming = Some(self.door.pool.ask(move || source.read(batch, Patience::Disk)));
    }

    /// Nothing comes after an error.
    fn fail(&mut self, error: DataError) -> Poll<Option<Result<Bytes, DataError>>> {
        self.frames = 0..0;
        Poll::Ready(Some(Err(error)))
    }
}

impl ExtentReader for Reader {
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, DataError>>> {
        loop {
            if let Some(piece) = self.verified.pop_front() {
                return Poll::Ready(Some(Ok(piece)));
            }
            if let Some(coming) = &mut self.coming {
                let batch = ready!(Pin::new(coming).poll(cx));
                self.coming = None;
                match batch {
                    Ok(Ok(pieces)) => self.verified = pieces.unwrap_or_default(),
                    Ok(Err(error)) => return self.fail(error),
                    Err(oneshot::Canceled) => {
                        let volume = self.source.extent.id.volume;
                        let why = "its thread ended".into();
                        return self.fail(DataError::Io { volume, action: "reading", why });
                    }
                }
                if !self.frames.is_empty() {
                    let ahead = self.next_batch();
                    self.send_for(ahead);
                }
                continue;
            }
            if self.frames.is_empty() {
                return Poll::Ready(None);
            }
            let batch = self.next_batch();
            match self.source.read(batch.clone(), Patience::Cached) {
                Ok(Some(pieces)) => self.verified = pieces,
                Ok(None) => self.send_for(batch),
                Err(error) => return self.fail(error),
            }
        }
    }
}

impl Source {
    /// Reads and verifies the frames `batch`, which are not none.
    fn read(&self, batch: Range<u64>, patience: Patience) -> Batch {
        let volume = self.volume.as_ref().map_err(Clone::clone)?;
        let Extent { id, len, token } = self.extent;
        let corrupt = |offset, why| DataError::Corrupt { volume: id.volume, offset: id.offset + offset, why };
        // The header lies before the first frame: reading it along costs nothing.
        let start = if batch.start == 0 { 0 } else { extent::frame_offset(batch.start) };
        let last = batch.end - 1;
        let end = extent::frame_offset(last) + extent::frame_len(len, last) + CHECK_BYTES;
        let mut buffer = self.buffers.take((end - start) as usize);
        match fill(volume, buffer.bytes_mut(), id.offset + start, patience) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(corrupt(start, "the volume ends before the extent"));
            }
            Err(error) => return Err(volume.error("reading", &error)),
        }
        let bytes = buffer.as_ref();
        if batch.start == 0 && bytes.get(..HEADER_BYTES as usize) != Some(&extent::header(self.extent)[..]) {
            return Err(corrupt(0, "the header is not that of the extent"));
        }
        let mut cuts = Vec::with_capacity(BATCH_FRAMES as usize);
        for n in batch {
            let at = (extent::frame_offset(n) - start) as usize;
            let size = extent::frame_len(len, n) as usize;
            let frame = bytes.get(at..at + size + CHECK_BYTES as usize).unwrap_or_default();
            let Some((payload, check)) = frame.split_at_checked(size) else {
                return Err(corrupt(start, "a frame is cut off"));
            };
            if !extent::verify(payload, check, token, n) && !planted(Mistake::FrameNotVerified) {
                return Err(corrupt(extent::frame_offset(n), "a frame does not match its check"));
            }
            // Only what was asked for of the frame.
            let from = self.range.start.saturating_sub(n * FRAME_BYTES) as usize;
            let to = size.min((self.range.end - n * FRAME_BYTES) as usize);
            cuts.push(at + from..at + to);
        }
        let shared = buffer.share();
        Ok(Some(cuts.into_iter().map(|cut| shared.slice(cut)).collect()))
    }
}

/// Fills `bytes` from `offset` on; `false` when that would have to wait for the disk.
fn fill(volume: &Volume, mut bytes: &mut [u8], mut offset: u64, patience: Patience) -> io::Result<bool> {
    let flags = match patience {
        Patience::Cached => ReadWriteFlags::NOWAIT,
        Patience::Disk => ReadWriteFlags::empty(),
    };
    while !bytes.is_empty() {
        match retry_on_intr(|| preadv2(&volume.file, &mut [IoSliceMut::new(bytes)], offset, flags)) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                bytes = bytes.get_mut(count..).unwrap_or_default();
                offset += count as u64;
            }
            // Not in the cache, or a file system that does not know the question.
            Err(Errno::AGAIN | Errno::OPNOTSUPP) if patience == Patience::Cached => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}
