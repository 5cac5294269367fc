//! A case from bytes: taken from the front, and zeros when they are over.
//!
//! What decides about a case comes first and what it is about last, so that a fuzzer which changes
//! the end of its bytes changes the text and not the kind of the case.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body::{Frame, SizeHint};

/// Headers that a listener lets through.
const HEADERS_MAX: usize = 100;

/// The bytes that are left.
pub(super) struct Input<'d>(&'d [u8]);

impl<'d> Input<'d> {
    pub(super) fn new(bytes: &'d [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(super) fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    pub(super) fn rest(self) -> &'d [u8] {
        self.0
    }
}

/// Reads `METHOD target`, then lines of `name:value`; `None` for what HTTP itself refuses.
pub(super) fn read_head(text: &[u8]) -> Option<Parts> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let (method, target) = split(lines.next()?, b' ')?;
    let method = Method::from_bytes(method).ok()?;
    let mut head = Request::builder().method(method).uri(Uri::try_from(target).ok()?).body(()).ok()?;
    for line in lines.take(HEADERS_MAX) {
        let (name, value) = split(line, b':')?;
        head.headers_mut().append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    Some(head.into_parts().0)
}

/// The bytes before and after the first `mark`.
pub(super) fn split(bytes: &[u8], mark: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == mark)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

/// `bytes` with the one at `place` (counted around) replaced by `other`.
pub(super) fn changed(bytes: &[u8], place: usize, other: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let place = place % bytes.len().max(1);
    if let Some(byte) = bytes.get_mut(place) {
        *byte = other;
    }
    bytes
}

/// A body that arrives in pieces, as from a socket.
pub(super) struct Pieces {
    bytes: Bytes,
    cut: Cut,
}

/// How a body is cut into pieces.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    /// Into one.
    Whole,
    /// Into pieces of this many bytes, the first and the last perhaps shorter.
    Every { bytes: usize, first: usize },
}

impl Pieces {
    pub(super) fn new(bytes: Bytes, cut: Cut) -> Self {
        Self { bytes, cut }
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let left = self.bytes.len();
        if left == 0 {
            return Poll::Ready(None);
        }
        let len = match &mut self.cut {
            Cut::Whole => left,
            Cut::Every { bytes, first } if *first == 0 => (*bytes).clamp(1, left),
            Cut::Every { first, .. } => std::mem::take(first).min(left),
        };
        Poll::Ready(Some(Ok(Frame::data(self.bytes.split_to(len)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
