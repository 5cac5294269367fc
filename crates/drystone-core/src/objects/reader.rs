//! A verified stream of an object's bytes.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::checksum::crc64;
use crate::data::door::{Data, ExtentReader};
use crate::error::Error;
use crate::meta::door::{MetaError, View};
use crate::meta::records::{Place, Segment, SmallBodyRecord};
use crate::meta::tables::{self, load};
use crate::planted::{Mistake, planted};
use crate::reclaim::pins::{Finding, Pin as ExtentPin};
use crate::store::Store;

/// Streams exactly the bytes that were located, or ends with an error.
pub struct ObjectReader {
    data: Arc<dyn Data>,
    waiting: VecDeque<Run>,
    open: Option<Pin<Box<dyn ExtentReader>>>,
    /// Keeps the extents from being freed until the stream is dropped.
    _pin: Option<ExtentPin>,
}

enum Run {
    Bytes(Bytes),
    Extent(crate::data::door::Extent, std::ops::Range<u64>),
}

impl ObjectReader {
    /// Opens a stream of `segments`, which were found in `view` under `finding`.
    pub(crate) fn open(
        store: &Store,
        view: &dyn View,
        finding: &Finding<'_>,
        segments: &[Segment],
    ) -> Result<Self, Error> {
        let mut waiting = VecDeque::with_capacity(segments.len());
        let mut extents = Vec::new();
        for segment in segments {
            let skip = if planted(Mistake::RangeCutWrong) { 0 } else { segment.skip };
            let range = skip..skip + segment.len;
            match segment.place {
                Place::Row(id) => waiting.push_back(Run::Bytes(read_small(view, id, range)?)),
                Place::Extent(extent) => {
                    extents.push(extent.id);
                    waiting.push_back(Run::Extent(extent, range));
                }
            }
        }
        let pin = (!extents.is_empty()).then(|| store.pins.pin(finding, extents));
        Ok(Self { data: Arc::clone(&store.data), waiting, open: None, _pin: pin })
    }

    /// The whole stream, when it is one run of bytes that is already in memory.
    pub fn take_single(&mut self) -> Option<Bytes> {
        if self.open.is_some() || self.waiting.len() != 1 {
            return None;
        }
        match self.waiting.pop_front() {
            Some(Run::Bytes(bytes)) => Some(bytes),
            other => {
                self.waiting.extend(other);
                None
            }
        }
    }

    /// The next verified piece; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Data`]: the stream must then be broken off, never ended as if it were whole.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            if let Some(reader) = &mut self.open {
                match ready!(reader.as_mut().poll_next(cx)) {
                    Some(piece) => return Poll::Ready(Some(piece.map_err(Error::from))),
                    None => self.open = None,
                }
            }
            match self.waiting.pop_front() {
                None => return Poll::Ready(None),
                Some(Run::Bytes(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Some(Run::Extent(extent, range)) => {
                    self.open = Some(Box::into_pin(Arc::clone(&self.data).read(extent, range)));
                }
            }
        }
    }

    /// Awaits the next piece.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }
}

/// Bytes `range` of small body `id`, verified.
fn read_small(view: &dyn View, id: u64, range: std::ops::Range<u64>) -> Result<Bytes, Error> {
    let key = tables::small_body(id);
    let corrupt = |why| MetaError::Corrupt { key: key.escape_ascii().to_string(), why };
    let body: SmallBodyRecord =
        load(view, &key)?.ok_or_else(|| corrupt("an object names it, but it has no row"))?;
    if crc64(&body.bytes) != body.crc64 && !planted(Mistake::SmallBodyNotVerified) {
        return Err(corrupt("its bytes do not match their checksum").into());
    }
    let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
    match range {
        Some((start, end)) if start <= end && end <= body.bytes.len() => Ok(body.bytes.slice(start..end)),
        _ => Err(corrupt("it is shorter than a segment that names it").into()),
    }
}
