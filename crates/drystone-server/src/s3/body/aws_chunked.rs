//! aws-chunked, decoded without copying.
//!
//! `size[;chunk-signature=…]\r\n`, that many bytes, `\r\n`, until a chunk of size 0; then a trailer,
//! perhaps. The decoder takes buffers of any size and gives slices of them. It trusts nothing: sizes
//! are bounded by what was announced, lines by a constant, and what follows the end is refused.
//! Chunks of any size are taken (AWS wants 8 KiB at least), since some streams are slow.

use bytes::Bytes;
use drystone_core::body::BodyError;
use drystone_core::checksum::{Algorithm, Checksum};

use super::trailer::{self, TRAILER_MAX};
use crate::s3::auth::{ChunkSigner, Trailer};

/// Bytes of a chunk's first line: 16 digits, the signature's name, 64 digits, a line end.
const LINE_MAX: usize = 16 + SIGNATURE_NAME.len() + 64 + 2;
const SIGNATURE_NAME: &str = ";chunk-signature=";

/// Decodes one body.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    /// The line, or the trailer, that has begun in an earlier buffer.
    line: Vec<u8>,
    announced: u64,
    /// Announced bytes that no chunk has claimed yet.
    unclaimed: u64,
    signer: Option<Box<ChunkSigner>>,
    place: Trailer,
    trailer: Option<Algorithm>,
}

#[derive(Debug)]
enum State {
    /// In the line that begins a chunk.
    Line,
    /// In a chunk's bytes.
    Data { left: u64, signature: Option<[u8; 64]> },
    /// In the line end after a chunk's bytes.
    DataEnd(&'static [u8]),
    /// After the line of the last chunk.
    Trailer,
}

impl Decoder {
    /// Decodes a body of `announced` bytes.
    pub(super) fn new(
        signer: Option<Box<ChunkSigner>>,
        place: Trailer,
        trailer: Option<Algorithm>,
        announced: u64,
    ) -> Self {
        let line = Vec::with_capacity(LINE_MAX);
        Self { state: State::Line, line, announced, unclaimed: announced, signer, place, trailer }
    }

    /// Takes the next piece of the body from the front of `input`; `None` when it needs more input.
    pub(super) fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, BodyError> {
        while !input.is_empty() {
            match &mut self.state {
                State::Line => self.take_line(input)?,
                State::Data { left, signature } => {
                    let len = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    let piece = input.split_to(len);
                    *left -= len as u64;
                    let (ended, signature) = (*left == 0, *signature);
                    if let Some(signer) = &mut self.signer {
                        signer.update(&piece);
                    }
                    if ended {
                        self.verify_chunk(signature)?;
                        self.state = State::DataEnd(b"\r\n");
                    }
                    return Ok(Some(piece));
                }
                State::DataEnd([first, rest @ ..]) => {
                    if input.split_to(1) != [*first].as_slice() {
                        return Err(BodyError::Framing("a chunk is longer than its size"));
                    }
                    self.state = if rest.is_empty() { State::Line } else { State::DataEnd(rest) };
                }
                State::DataEnd([]) => self.state = State::Line,
                State::Trailer => {
                    if self.line.len() + input.len() > TRAILER_MAX {
                        return Err(BodyError::Trailer("it is too long"));
                    }
                    self.line.extend_from_slice(&input.split_to(input.len()));
                }
            }
        }
        Ok(None)
    }

    /// All input has come: checks that the body is whole and gives the trailer's checksum.
    pub(super) fn finish(mut self) -> Result<Option<Checksum>, BodyError> {
        match self.state {
            State::Trailer => trailer::read(&self.line, self.place, self.trailer, self.signer.as_deref_mut()),
            State::Data { left, .. } => Err(self.incomplete(left)),
            State::Line | State::DataEnd(_) => Err(self.incomplete(0)),
        }
    }

    /// `left`: bytes of the current chunk that did not come.
    fn incomplete(&self, left: u64) -> BodyError {
        BodyError::Incomplete { received: self.announced - self.unclaimed - left, announced: self.announced }
    }

    fn take_line(&mut self, input: &mut Bytes) -> Result<(), BodyError> {
        let end = input.iter().take(LINE_MAX).position(|byte| *byte == b'\n');
        let taken = input.split_to(end.map_or(input.len().min(LINE_MAX), |end| end + 1));
        if self.line.len() + taken.len() > LINE_MAX {
            return Err(BodyError::Framing("the line of a chunk's size is too long"));
        }
        self.line.extend_from_slice(&taken);
        if end.is_some() {
            let (size, signature) = parse_line(&self.line)?;
            self.line.clear();
            self.begin_chunk(size, signature)?;
        }
        Ok(())
    }

    fn begin_chunk(&mut self, size: u64, signature: Option<[u8; 64]>) -> Result<(), BodyError> {
        if self.signer.is_none() && signature.is_some() {
            return Err(BodyError::Framing("a chunk is signed, but x-amz-content-sha256 says they are not"));
        }
        if size == 0 {
            if self.unclaimed > 0 {
                return Err(self.incomplete(0));
            }
            self.verify_chunk(signature)?;
            self.state = State::Trailer;
            return Ok(());
        }
        let Some(unclaimed) = self.unclaimed.checked_sub(size) else {
            return Err(BodyError::TooLong { announced: self.announced });
        };
        self.unclaimed = unclaimed;
        self.state = State::Data { left: size, signature };
        Ok(())
    }

    fn verify_chunk(&mut self, signature: Option<[u8; 64]>) -> Result<(), BodyError> {
        let Some(signer) = &mut self.signer else { return Ok(()) };
        match signature {
            Some(signature) if signer.finish_chunk(&signature) => Ok(()),
            _ => Err(BodyError::Signature),
        }
    }
}

/// Reads `size[;chunk-signature=…]\r\n`.
fn parse_line(line: &[u8]) -> Result<(u64, Option<[u8; 64]>), BodyError> {
    let text = line.strip_suffix(b"\r\n").and_then(|line| std::str::from_utf8(line).ok());
    let text = text.ok_or(BodyError::Framing("the line of a chunk's size does not end in CRLF"))?;
    let (size, signature) = match text.split_once(SIGNATURE_NAME) {
        None => (text, None),
        Some((size, signature)) => {
            let signature = signature.as_bytes().try_into();
            (size, Some(signature.map_err(|_| BodyError::Framing("a chunk's signature has not 64 digits"))?))
        }
    };
    let digits = (1..=16).contains(&size.len()) && size.bytes().all(|byte| byte.is_ascii_hexdigit());
    let size = Some(size).filter(|_| digits).and_then(|size| u64::from_str_radix(size, 16).ok());
    Ok((size.ok_or(BodyError::Framing("a chunk's size is not a hexadecimal number"))?, signature))
}
