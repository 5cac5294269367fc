//! A body on its way in: a stream of buffers whose length was announced.
//!
//! The wire rooms decode and verify framing (lengths, chunk signatures); a body that breaks its
//! promise ends with a [`BodyError`], and whatever was written of it is given back.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::checksum::{Algorithm, Checksum};

/// A request body, decoded.
pub trait Body: Send {
    /// The next piece; `None` at the verified end.
    ///
    /// # Errors
    /// A body ends at its first error.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>>;

    /// The checksum that came in a trailer. Meaningful after the end only.
    fn trailer(&self) -> Option<Checksum> {
        None
    }
}

/// How a body can break its promise.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client went away or sent fewer bytes than it announced.
    #[error("the body ended after {received} of {announced} announced bytes")]
    Incomplete {
        /// Bytes that arrived.
        received: u64,
        /// Bytes that were announced.
        announced: u64,
    },
    /// More bytes came than were announced.
    #[error("the body is longer than the {announced} announced bytes")]
    TooLong {
        /// Bytes that were announced.
        announced: u64,
    },
    /// A chunk's or a trailer's signature does not match.
    #[error("the signature of a chunk or trailer of the body does not match")]
    Signature,
    /// The framing (aws-chunked, trailer) is broken.
    #[error("the body's framing is broken: {0}")]
    Framing(&'static str),
    /// The announced trailer is missing, unknown or malformed.
    #[error("the body's trailer is broken: {0}")]
    Trailer(&'static str),
    /// The announced trailer came with a value that is no checksum of its algorithm.
    #[error("the body's trailer holds no {} checksum", .0.name())]
    TrailerValue(Algorithm),
    /// No byte came for too long.
    #[error("no byte of the body arrived for too long")]
    TimedOut,
    /// The connection failed.
    #[error("the connection failed while the body was read")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A body that is already in memory.
#[derive(Debug)]
pub struct FullBody(Option<Bytes>);

impl FullBody {
    /// Wraps `bytes`.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(Some(bytes.into()).filter(|bytes: &Bytes| !bytes.is_empty()))
    }
}

impl Body for FullBody {
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

/// Awaits the next piece of `body`.
pub(crate) async fn next(body: &mut Pin<Box<dyn Body>>) -> Option<Result<Bytes, BodyError>> {
    std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await
}
