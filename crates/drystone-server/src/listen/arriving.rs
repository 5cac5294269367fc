//! A request's body while it arrives.
//!
//! The handler owns it and may drop it at any time. What it leaves unread goes back to the listener,
//! which needs it to bring the connection to a clean state.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;

use super::connection::BUFFER_MAX;
use super::places::Seat;

/// The body of a request, raw from the connection.
#[derive(Debug)]
pub struct Arriving {
    source: Source,
    /// Whether the handler has asked for a byte, which makes hyper send `100 Continue`.
    asked: bool,
    give_back: Option<GiveBack>,
    /// Whose client makes us wait when nothing has arrived.
    seat: Option<Arc<Seat>>,
}

#[derive(Debug)]
enum Source {
    Connection(Incoming),
    Memory(Bytes),
    /// Read to its end, broken or given back.
    Over,
}

/// A piece that keeps no more memory than it has bytes, within a third.
///
/// It is a slice of the buffer that was read into, and hyper reads into a new one for as long as the slice lives: from a
/// client that sends byte by byte, each byte would keep 8 KiB at least. Nothing comes after the `last` piece of a body,
/// so it keeps one buffer at most.
fn apart(piece: Bytes, last: bool) -> Bytes {
    if last || piece.len() >= BUFFER_MAX / 4 * 3 { piece } else { Bytes::copy_from_slice(&piece) }
}

/// Where an unread body goes when the handler drops it.
pub(super) type GiveBack = Arc<Mutex<Option<Unread>>>;

/// A body that the handler did not read to its end.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) body: Incoming,
    pub(super) asked: bool,
}

impl Arriving {
    /// Wraps a body that hyper reads; `give_back` gets it when it is dropped unread, and `seat` hears when its
    /// client makes us wait.
    pub(super) fn new(body: Incoming, give_back: Option<GiveBack>, seat: &Arc<Seat>) -> Self {
        let seat = Some(Arc::clone(seat));
        Self { source: Source::Connection(body), asked: false, give_back, seat }
    }
}

/// A body that is in memory, for requests that come from no connection.
impl From<Bytes> for Arriving {
    fn from(bytes: Bytes) -> Self {
        Self { source: Source::Memory(bytes), asked: false, give_back: None, seat: None }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let frame = match &mut this.source {
            Source::Connection(body) => {
                let frame = Pin::new(&mut *body).poll_frame(cx);
                this.asked = true;
                match (&this.seat, &frame) {
                    (Some(seat), Poll::Pending) => seat.waits(),
                    (Some(seat), Poll::Ready(_)) => seat.moves(),
                    (None, _) => {}
                }
                let last = body.is_end_stream();
                ready!(frame).map(|frame| frame.map(|frame| frame.map_data(|piece| apart(piece, last))))
            }
            Source::Memory(bytes) => {
                let bytes = std::mem::take(bytes);
                (!bytes.is_empty()).then(|| Ok(Frame::data(bytes)))
            }
            Source::Over => None,
        };
        if !matches!(frame, Some(Ok(_))) {
            self.source = Source::Over;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Connection(body) => body.is_end_stream(),
            Source::Memory(bytes) => bytes.is_empty(),
            Source::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Connection(body) => body.size_hint(),
            Source::Memory(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Over => SizeHint::with_exact(0),
        }
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if let (Some(slot), Source::Connection(body)) =
            (self.give_back.take(), std::mem::replace(&mut self.source, Source::Over))
            && !body.is_end_stream()
        {
            *slot.lock() = Some(Unread { body, asked: self.asked });
        }
    }
}
