//! A body that arrives when the test says so: piece by piece, cut off, or with a trailer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use drystone_core::body::{Body, BodyError};
use drystone_core::checksum::Checksum;
use parking_lot::Mutex;

/// The test's end of a body.
#[derive(Clone, Default)]
pub(crate) struct Feed(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    pieces: VecDeque<Result<Bytes, BodyError>>,
    ended: bool,
    trailer: Option<Checksum>,
    taken: usize,
    waiting: Option<Waker>,
}

impl Feed {
    /// A feed and the body that it feeds.
    pub(crate) fn new() -> (Self, Pin<Box<dyn Body>>) {
        let feed = Self::default();
        (feed.clone(), Box::pin(FedBody(feed)))
    }

    /// A body that is cut into pieces of `size` bytes and needs no more feeding.
    pub(crate) fn in_pieces(bytes: &[u8], size: usize) -> Pin<Box<dyn Body>> {
        let (feed, body) = Self::new();
        bytes.chunks(size).for_each(|piece| feed.send(piece));
        feed.end();
        body
    }

    /// Lets some bytes arrive.
    pub(crate) fn send(&self, piece: &[u8]) {
        self.change(|state| state.pieces.push_back(Ok(Bytes::copy_from_slice(piece))));
    }

    /// Breaks the connection.
    pub(crate) fn fail(&self, error: BodyError) {
        self.change(|state| state.pieces.push_back(Err(error)));
    }

    /// Ends the body.
    pub(crate) fn end(&self) {
        self.change(|state| state.ended = true);
    }

    /// Ends the body with a checksum behind it.
    pub(crate) fn end_with(&self, trailer: Checksum) {
        self.change(|state| {
            state.trailer = Some(trailer);
            state.ended = true;
        });
    }

    /// How many pieces the store has asked for and got.
    pub(crate) fn taken(&self) -> usize {
        self.0.lock().taken
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock();
        change(&mut state);
        if let Some(waker) = state.waiting.take() {
            waker.wake();
        }
    }
}

struct FedBody(Feed);

impl Body for FedBody {
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let mut state = self.0.0.lock();
        if let Some(piece) = state.pieces.pop_front() {
            state.taken += 1;
            return Poll::Ready(Some(piece));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        state.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    fn trailer(&self) -> Option<Checksum> {
        self.0.0.lock().trailer
    }
}
