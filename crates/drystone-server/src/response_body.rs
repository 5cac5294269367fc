//! What an answer's body is: nothing, a few bytes, or a stream of announced length.
//!
//! The length is always exact where it is known, so that Content-Length is right; a stream that
//! ends early breaks the connection instead of passing for a short object.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame, SizeHint};

/// Any error that ends a stream.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer.
#[derive(Debug, Default)]
pub enum ResponseBody {
    /// Nothing.
    #[default]
    Empty,
    /// Bytes that are in memory.
    Full(Bytes),
    /// Bytes that come.
    Stream(ResponseStream),
}

/// A stream of bytes, measured against its announced length.
pub struct ResponseStream {
    /// Bytes that are still to come; `None` where nobody knows.
    left: Option<u64>,
    pieces: Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>,
}

/// A stream did not keep its announced length: a bug, or bytes that could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LengthError {
    /// It ended early.
    #[error("the answer's body ended {0} bytes early")]
    Short(u64),
    /// It went on.
    #[error("the answer's body is {0} bytes longer than announced")]
    Long(u64),
}

impl ResponseBody {
    /// A stream of exactly `len` bytes.
    pub fn sized(len: u64, pieces: impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static) -> Self {
        Self::Stream(ResponseStream { left: Some(len), pieces: Box::pin(pieces) })
    }

    /// A stream whose length nobody knows yet; HTTP/1.1 sends it in chunks.
    pub fn unsized_stream(pieces: impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static) -> Self {
        Self::Stream(ResponseStream { left: None, pieces: Box::pin(pieces) })
    }
}

impl ResponseStream {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        let piece = ready!(self.pieces.as_mut().poll_next(cx));
        let Some(left) = &mut self.left else { return Poll::Ready(piece) };
        Poll::Ready(match piece {
            None if *left > 0 => Some(Err(LengthError::Short(mem::take(left)).into())),
            Some(Ok(bytes)) => {
                let len = bytes.len() as u64;
                match left.checked_sub(len) {
                    Some(rest) => {
                        *left = rest;
                        Some(Ok(bytes))
                    }
                    None => Some(Err(LengthError::Long(len - mem::take(left)).into())),
                }
            }
            other => other,
        })
    }
}

impl fmt::Debug for ResponseStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseStream").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let piece = match &mut *self {
            Self::Empty => None,
            Self::Full(bytes) => {
                let bytes = mem::take(bytes);
                *self = Self::Empty;
                (!bytes.is_empty()).then_some(Ok(bytes))
            }
            Self::Stream(stream) => ready!(stream.poll_next(cx)),
        };
        Poll::Ready(piece.map(|result| result.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream(stream) => stream.left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(stream) => stream.left.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

impl<T: Into<Bytes>> From<T> for ResponseBody {
    fn from(bytes: T) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::BodyExt;

    use super::*;

    fn pieces(pieces: &[&'static str]) -> impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static {
        stream::iter(pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect::<Vec<_>>())
    }

    async fn check(body: ResponseBody, len: Option<u64>, expected: Result<&str, LengthError>) {
        assert_eq!(body.size_hint().exact(), len);
        match (body.collect().await, expected) {
            (Ok(all), Ok(text)) => assert_eq!(all.to_bytes(), text.as_bytes()),
            (Err(error), Err(expected)) => assert_eq!(error.downcast_ref(), Some(&expected)),
            (got, expected) => panic!("{got:?} instead of {expected:?}"),
        }
    }

    #[tokio::test]
    async fn every_body_announces_what_it_sends() {
        check(ResponseBody::Empty, Some(0), Ok("")).await;
        check(ResponseBody::from("abc"), Some(3), Ok("abc")).await;
        check(ResponseBody::from(String::new()), Some(0), Ok("")).await;
        check(ResponseBody::sized(4, pieces(&["ab", "", "cd"])), Some(4), Ok("abcd")).await;
        check(ResponseBody::sized(0, pieces(&[])), Some(0), Ok("")).await;
        check(ResponseBody::unsized_stream(pieces(&["ab", "cd"])), None, Ok("abcd")).await;
    }

    #[tokio::test]
    async fn a_stream_that_breaks_its_announcement_ends_with_an_error() {
        check(ResponseBody::sized(5, pieces(&["ab", "cd"])), Some(5), Err(LengthError::Short(1))).await;
        check(ResponseBody::sized(3, pieces(&["ab", "cd"])), Some(3), Err(LengthError::Long(1))).await;
    }
}
