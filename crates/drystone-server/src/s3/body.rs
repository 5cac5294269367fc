//! A request's body, from the connection to bytes that can be trusted.
//!
//! [`RequestBody`] hands out slices of the buffers that the socket filled, without a copy, and
//! promises that a body which ends well has exactly the announced length, well-formed aws-chunked
//! framing, the right signature on each signed chunk, and the announced trailer. It hands bytes out
//! before it can know all that, so whoever stores them must publish nothing before the end.
//!
//! Without it, a cut connection would become a short object, and whoever can change bytes on the
//! way could change an upload whose head is signed.

mod announcement;
mod trailer;
mod aws_chunked;
mod collect;
mod failure;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use drystone_core::body::{Body, BodyError};
use drystone_core::checksum::{Algorithm, Checksum, PayloadSha256};
use http::request::Parts;

pub use self::announcement::BodyRefusal;
use self::announcement::{content_md5, decoded_content_length};
use self::aws_chunked::Decoder;
pub use self::collect::CollectError;
pub use self::failure::{code, elements, message, status};
use self::trailer::trailer_announced;
use super::auth::{Payload, Trailer};
use crate::deadline::{PATIENCE, Pace};
use crate::listen::Arriving;

/// A verified body: [`drystone_core::body::Body`] over what arrives on a connection.
#[derive(Debug)]
pub struct RequestBody<B = Arriving> {
    inner: B,
    framing: Framing,
    announced: u64,
    received: u64,
    sha256: Option<PayloadSha256>,
    md5: Option<[u8; 16]>,
    trailer_announced: Option<Algorithm>,
    pace: Pace,
}

/// How the bytes that arrive become the body.
#[derive(Debug)]
enum Framing {
    /// They are the body.
    Plain,
    /// They are decoded; `input` is what arrived and is not decoded yet.
    AwsChunked { decoder: Box<Decoder>, input: Bytes },
    /// The body has ended, well or badly; nothing more is read.
    Ended(Option<Checksum>),
}

impl<B> RequestBody<B>
where
    B: http_body::Body<Data = Bytes> + Unpin + Send,
    B::Error: Error + Send + Sync + 'static,
{
    /// Prepares to read `body` as the head `request` announces it and its signature proves it.
    ///
    /// # Errors
    /// Announcements that are missing or contradict each other. Nothing of the body was read then.
    pub fn new(request: &Parts, body: B, payload: Payload) -> Result<Self, BodyRefusal> {
        let headers = &request.headers;
        let md5 = content_md5(headers)?;
        let trailer_announced = trailer_announced(headers)?;
        let on_the_wire = body.size_hint().exact();
        let (framing, sha256, announced) = match payload {
            Payload::Chunked { signer, trailer } => {
                let announced = decoded_content_length(headers)?;
                if on_the_wire.is_some_and(|encoded| encoded < announced) {
                    return Err(BodyRefusal::DecodedContentLength);
                }
                if trailer_announced.is_some() && trailer == Trailer::Absent {
                    return Err(BodyRefusal::NoPlaceForTrailer);
                }
                let decoder = Box::new(Decoder::new(signer, trailer, trailer_announced, announced));
                (Framing::AwsChunked { decoder, input: Bytes::new() }, None, announced)
            }
            Payload::Sha256(_) | Payload::Unsigned if trailer_announced.is_some() => {
                return Err(BodyRefusal::NoPlaceForTrailer);
            }
            Payload::Sha256(_) | Payload::Unsigned => {
                let announced = on_the_wire.ok_or(BodyRefusal::MissingContentLength)?;
                let sha256 = if let Payload::Sha256(digest) = payload { Some(digest) } else { None };
                (Framing::Plain, sha256, announced)
            }
        };
        Ok(Self {
            inner: body,
            framing,
            announced,
            received: 0,
            sha256,
            md5,
            trailer_announced,
            pace: Pace::new(PATIENCE),
        })
    }

    /// The next piece of the body; `None` at its verified end.
    ///
    /// # Errors
    /// A body ends at its first error.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            match &mut self.framing {
                Framing::Ended(_) => return Poll::Ready(None),
                Framing::Plain => {}
                Framing::AwsChunked { decoder, input } => match decoder.decode(input) {
                    Ok(None) => {}
                    Ok(Some(bytes)) => {
                        self.received += bytes.len() as u64;
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                    Err(error) => return self.fail(error),
                },
            }
            let frame = match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(self.pace.poll_expired(cx));
                    return self.fail(BodyError::TimedOut);
                }
            };
            match frame {
                None => return self.end(),
                Some(Err(error)) => {
                    let error = self.broken(error);
                    return self.fail(error);
                }
                Some(Ok(frame)) => {
                    // Trailers of HTTP itself mean nothing to S3.
                    let Ok(bytes) = frame.into_data() else { continue };
                    self.pace.progressed(bytes.len());
                    match &mut self.framing {
                        Framing::AwsChunked { input, .. } => *input = bytes,
                        _ if bytes.is_empty() => {}
                        _ => return self.plain(bytes),
                    }
                }
            }
        }
    }

    fn plain(&mut self, bytes: Bytes) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.received += bytes.len() as u64;
        if self.received > self.announced {
            return self.fail(BodyError::TooLong { announced: self.announced });
        }
        Poll::Ready(Some(Ok(bytes)))
    }

    /// Everything has arrived: was it everything?
    fn end(&mut self) -> Poll<Option<Result<Bytes, BodyError>>> {
        let complete = match mem::replace(&mut self.framing, Framing::Ended(None)) {
            Framing::AwsChunked { decoder, .. } => (*decoder).finish(),
            _ if self.received < self.announced => Err(self.incomplete()),
            _ => Ok(None),
        };
        match complete {
            Ok(checksum) => {
                self.framing = Framing::Ended(checksum);
                Poll::Ready(None)
            }
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.framing = Framing::Ended(None);
        Poll::Ready(Some(Err(error)))
    }

    fn incomplete(&self) -> BodyError {
        BodyError::Incomplete { received: self.received, announced: self.announced }
    }

    /// What an error of the connection means for the body.
    fn broken(&self, error: B::Error) -> BodyError {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            match inner.downcast_ref::<io::Error>().map(io::Error::kind) {
                Some(io::ErrorKind::UnexpectedEof) => return self.incomplete(),
                Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
                    return BodyError::Framing("its chunked transfer encoding is malformed");
                }
                _ => cause = inner.source(),
            }
        }
        BodyError::Connection(Box::new(error))
    }
}

impl<B> RequestBody<B> {
    /// Bytes that the body will have, without framing.
    pub fn announced(&self) -> u64 {
        self.announced
    }

    /// Bytes of the body that came out so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The SHA-256 that was signed for the whole body; whoever takes the bytes must compare it.
    pub fn sha256(&self) -> Option<PayloadSha256> {
        self.sha256
    }

    /// `Content-MD5`; whoever takes the bytes must compare it.
    pub fn content_md5(&self) -> Option<[u8; 16]> {
        self.md5
    }

    /// The algorithm of the checksum that a trailer will bring ([`Body::trailer`]).
    pub fn trailer_announced(&self) -> Option<Algorithm> {
        self.trailer_announced
    }
}

impl<B> Body for RequestBody<B>
where
    B: http_body::Body<Data = Bytes> + Unpin + Send,
    B::Error: Error + Send + Sync + 'static,
{
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.poll_piece(cx)
    }

    fn trailer(&self) -> Option<Checksum> {
        match self.framing {
            Framing::Ended(checksum) => checksum,
            _ => None,
        }
    }
}
