//! A request's body in buffers as a socket fills them, all of them received already.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// What is read from a socket at once.
const BUFFER: usize = 64 * 1024;

/// A body whose buffers were all received.
#[derive(Clone)]
pub(crate) struct Arriving {
    buffers: VecDeque<Bytes>,
    len: u64,
}

impl Arriving {
    /// `encoded`, which is shared and not copied.
    pub(crate) fn new(encoded: &Bytes) -> Self {
        let starts = (0..encoded.len()).step_by(BUFFER);
        let buffers = starts.map(|at| encoded.slice(at..encoded.len().min(at + BUFFER))).collect();
        Self { buffers, len: encoded.len() as u64 }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.buffers.pop_front().map(|buffer| Ok(Frame::data(buffer))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len)
    }
}
