//! One keep-alive HTTP/1.1 connection: a request goes out, its answer comes in.
//!
//! A client library would cost more than some of the servers that are measured. This one sends head
//! and small bodies in one write, reads into one buffer that it keeps, and allocates nothing for an
//! answer that is only counted. A connection that the server closed while it was idle is opened again
//! once; everything else that goes wrong is the request's failure.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::answer::{Afterwards, Answer, Framing, Head, Incoming, Sink};
use crate::failure::Failure;
use crate::payload::Payload;

/// Bytes that are read at once.
const INPUT_BYTES: usize = 256 * 1024;

/// Bodies up to this many bytes go out in one write with their head.
const ONE_WRITE_BYTES_MAX: usize = 64 * 1024;

/// The body of a request.
#[derive(Debug)]
pub enum Body<'a> {
    /// These bytes, which may be none.
    Bytes(&'a [u8]),
    /// `len` bytes of the object `id` from `offset` on, made while they are sent.
    Stream {
        /// The buffer that they are made in.
        payload: &'a mut Payload,
        /// Length of the body, in bytes.
        len: u64,
        /// The object.
        id: u64,
        /// Where in the object the body begins.
        offset: u64,
    },
}

/// Whether the request was a HEAD, whose answer announces a body that does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It was not.
    Body,
    /// It was.
    HeadOnly,
}

/// A connection to a server, opened when it is needed.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    input: Input,
    output: Vec<u8>,
}

impl Connection {
    /// A connection that is not open yet.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, input: Input::new(), output: Vec::new() }
    }

    /// Opens the connection unless it is open.
    ///
    /// # Errors
    /// [`Failure::Connection`].
    pub async fn open(&mut self) -> Result<(), Failure> {
        if self.stream.is_none() {
            let failed = |source| Failure::Connection { doing: "connecting", source };
            let stream = TcpStream::connect(self.address).await.map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            self.stream = Some(stream);
            self.input.clear();
        }
        Ok(())
    }

    /// Gives the stream away, open as it is; the next request opens another one.
    pub fn detach(&mut self) -> Option<TcpStream> {
        self.stream.take()
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// [`Failure::Connection`], [`Failure::Malformed`] or [`Failure::TooLong`]; the connection is
    /// closed then.
    pub async fn exchange(
        &mut self,
        head: &str,
        body: &mut Body<'_>,
        sink: Sink,
        asked: Asked,
    ) -> Result<Answer, Failure> {
        let was_open = self.stream.is_some();
        let mut outcome = self.exchange_once(head, body, sink, asked).await;
        if let (true, Body::Bytes(_), Err(failure)) = (was_open, &*body, &outcome)
            && is_idle_close(failure)
        {
            self.stream = None;
            outcome = self.exchange_once(head, body, sink, asked).await;
        }
        if outcome.is_err() {
            self.stream = None;
        }
        outcome
    }

    async fn exchange_once(
        &mut self,
        head: &str,
        body: &mut Body<'_>,
        sink: Sink,
        asked: Asked,
    ) -> Result<Answer, Failure> {
        self.open().await?;
        let Self { stream: slot, input, output, .. } = self;
        let stream = slot.as_mut().expect("the connection was opened just above");
        if let Err(broken) = send(stream, output, head, body).await {
            // A server may refuse before the body's end: its answer says more than the broken pipe.
            let (answer, _) = receive(stream, input, sink, asked).await.map_err(|_| broken)?;
            *slot = None;
            return Ok(answer);
        }
        let (answer, afterwards) = receive(stream, input, sink, asked).await?;
        if afterwards == Afterwards::Close {
            *slot = None;
        }
        Ok(answer)
    }
}

fn is_idle_close(failure: &Failure) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(failure, Failure::Connection { source, .. }
        if matches!(source.kind(), UnexpectedEof | ConnectionReset | BrokenPipe))
}

async fn send(
    stream: &mut TcpStream,
    output: &mut Vec<u8>,
    head: &str,
    body: &mut Body<'_>,
) -> Result<(), Failure> {
    let failed = |source| Failure::Connection { doing: "sending a request", source };
    match body {
        Body::Bytes(bytes) if bytes.len() <= ONE_WRITE_BYTES_MAX => {
            output.clear();
            output.extend_from_slice(head.as_bytes());
            output.extend_from_slice(bytes);
            stream.write_all(output).await.map_err(failed)
        }
        Body::Bytes(bytes) => {
            stream.write_all(head.as_bytes()).await.map_err(failed)?;
            stream.write_all(bytes).await.map_err(failed)
        }
        Body::Stream { payload, len, id, offset } => {
            stream.write_all(head.as_bytes()).await.map_err(failed)?;
            let mut sent = 0;
            while sent < *len && !payload.is_empty() {
                let piece = payload.stamped(*len - sent, *id, *offset + sent);
                stream.write_all(piece).await.map_err(failed)?;
                sent += piece.len() as u64;
            }
            Ok(())
        }
    }
}

async fn receive(
    stream: &mut TcpStream,
    input: &mut Input,
    sink: Sink,
    asked: Asked,
) -> Result<(Answer, Afterwards), Failure> {
    let head = loop {
        let head = input.until(stream, b"\r\n\r\n", Head::parse).await?;
        // 100 Continue and its like come before the answer.
        if head.status >= 200 {
            break head;
        }
    };
    let without_body = asked == Asked::HeadOnly || matches!(head.status, 204 | 304);
    let framing = if without_body { Framing::Length(0) } else { head.framing };
    let mut afterwards = head.afterwards;
    let mut incoming = Incoming::new(head, sink);
    match framing {
        Framing::Length(len) => input.pass(stream, len, &mut incoming).await?,
        Framing::Chunked => chunks(stream, input, &mut incoming).await?,
        Framing::UntilClose => {
            afterwards = Afterwards::Close;
            loop {
                input.pass_filled(u64::MAX, &mut incoming)?;
                match input.fill(stream).await {
                    Ok(()) => {}
                    Err(Failure::Connection { source, .. }) if source.kind() == ErrorKind::UnexpectedEof => {
                        break;
                    }
                    Err(failure) => return Err(failure),
                }
            }
        }
    }
    Ok((incoming.finish(), afterwards))
}

/// Reads a body in chunks (RFC 9112, section 7.1) with its trailers.
async fn chunks(stream: &mut TcpStream, input: &mut Input, incoming: &mut Incoming) -> Result<(), Failure> {
    let malformed = Failure::Malformed;
    loop {
        let len = input
            .until(stream, b"\r\n", |line| {
                let text =
                    std::str::from_utf8(line).map_err(|_| malformed("a chunk's length is not text"))?;
                let digits = text.split(';').next().unwrap_or_default().trim();
                u64::from_str_radix(digits, 16).map_err(|_| malformed("a chunk's length is no number"))
            })
            .await?;
        if len == 0 {
            while input.until(stream, b"\r\n", |line| Ok(line.len())).await? > 2 {}
            return Ok(());
        }
        input.pass(stream, len, incoming).await?;
        input
            .until(stream, b"\r\n", |line| {
                if line.len() == 2 { Ok(()) } else { Err(malformed("a chunk is longer than announced")) }
            })
            .await?;
    }
}

/// What was received and not used yet.
#[derive(Debug)]
struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    fn new() -> Self {
        Self { buffer: vec![0; INPUT_BYTES], start: 0, end: 0 }
    }

    fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    fn filled(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Receives at least one byte.
    async fn fill(&mut self, stream: &mut TcpStream) -> Result<(), Failure> {
        if self.start == self.end {
            self.clear();
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        if room.is_empty() {
            return Err(Failure::Malformed("its head has no end"));
        }
        let failed = |source| Failure::Connection { doing: "reading an answer", source };
        match stream.read(room).await.map_err(failed)? {
            0 => Err(failed(ErrorKind::UnexpectedEof.into())),
            len => {
                self.end += len;
                Ok(())
            }
        }
    }

    /// Reads up to and including `mark`, and uses what `read` makes of it.
    ///
    /// The mark's length is known when this is compiled, so that each place costs one comparison of
    /// numbers rather than a call: this search was a tenth of what the client does for itself.
    async fn until<T, const N: usize>(
        &mut self,
        stream: &mut TcpStream,
        mark: &[u8; N],
        read: impl FnOnce(&[u8]) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        loop {
            let mut places = self.filled().windows(N);
            if let Some(at) = places.position(|window| window.first_chunk::<N>() == Some(mark)) {
                let len = at + N;
                let value = self.filled().get(..len).map(read).expect("the mark was found in it")?;
                self.start += len;
                return Ok(value);
            }
            self.fill(stream).await?;
        }
    }

    /// Passes the next `len` bytes on.
    async fn pass(&mut self, stream: &mut TcpStream, len: u64, to: &mut Incoming) -> Result<(), Failure> {
        let mut left = len;
        loop {
            left -= self.pass_filled(left, to)?;
            if left == 0 {
                return Ok(());
            }
            self.fill(stream).await?;
        }
    }

    /// Passes on what is there, at most `len` bytes; how many they were.
    fn pass_filled(&mut self, len: u64, to: &mut Incoming) -> Result<u64, Failure> {
        let filled = self.filled();
        let len = filled.len().min(usize::try_from(len).unwrap_or(usize::MAX));
        to.update(filled.get(..len).unwrap_or_default())?;
        self.start += len;
        Ok(len as u64)
    }
}

#[cfg(test)]
mod tests;
