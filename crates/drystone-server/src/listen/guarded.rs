//! The stream of a connection: counted, guarded against clients that take nothing, and closed gently.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Traffic;
use super::connection::Arrived;
use super::places::Seat;
use super::rest::{Signs, Waiting};
use crate::deadline::{PATIENCE, Pace, Patience};

/// How long a closing connection goes on reading what its client still sends.
const LINGER: Patience = Patience { slack_max: Duration::from_secs(5), rate_min: 1024 * 1024 };
/// Bytes that a closing connection reads at most.
const LINGER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A stream whose client must keep reading, and that counts bytes.
pub(super) struct Guarded<S> {
    stream: S,
    /// Bytes that were read before and are read once more, first.
    again: Bytes,
    traffic: Traffic,
    seat: Arc<Seat>,
    signs: Arc<Signs>,
    /// How fast the client takes our answers.
    writes: Pace,
}

impl<S> Guarded<S> {
    pub(super) fn new(stream: S, arrived: &Arrived, signs: Arc<Signs>) -> Self {
        let (traffic, seat) = (arrived.traffic.clone(), Arc::clone(&arrived.seat));
        let writes = Pace::new(PATIENCE);
        Self { stream, again: Bytes::new(), traffic, seat, signs, writes }
    }

    /// Has `bytes` read once more, before all others.
    pub(super) fn read_again(&mut self, bytes: &[u8]) {
        assert!(self.again.is_empty(), "who hands them back has read everything");
        // A copy, also of nothing: theirs would keep the whole buffer that they are a part of.
        self.again = Bytes::copy_from_slice(bytes);
    }

    /// Waits until reading would not wait.
    pub(super) async fn readable(&mut self)
    where
        S: Waiting,
    {
        if self.again.is_empty() {
            poll_fn(|cx| self.stream.poll_readable(cx)).await;
        }
    }

    /// After our own side is closed, reads away what the client may still be sending.
    ///
    /// Closing a socket with unread bytes makes the kernel reset the connection, and the reset
    /// overtakes the answer on its way to the client.
    pub(super) async fn linger(mut self)
    where
        S: AsyncRead + Unpin,
    {
        if !self.signs.lingers() {
            return;
        }
        let (mut pace, mut left) = (Pace::new(LINGER), LINGER_BYTES_MAX);
        poll_fn(|cx| {
            let mut space = [0; 16 * 1024];
            loop {
                let mut buf = ReadBuf::new(&mut space);
                match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                    Poll::Pending => return pace.poll_expired(cx),
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Ready(Ok(())) => {
                        let bytes = buf.filled().len();
                        pace.progressed(bytes);
                        left = left.saturating_sub(bytes as u64);
                        if bytes == 0 || left == 0 {
                            return Poll::Ready(());
                        }
                    }
                }
            }
        })
        .await;
    }

    /// Accounts for a write, or gives up on a client that takes nothing.
    fn wrote(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(bytes)) => {
                self.writes.progressed(bytes);
                self.seat.moves();
                self.traffic.sent.increment(bytes as u64);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.seat.waits();
                ready!(self.writes.poll_expired(cx));
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the client takes no bytes",
                )));
            }
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.again.is_empty() {
            self.signs.asked();
            let count = self.again.len().min(buf.remaining());
            buf.put_slice(&self.again.split_to(count));
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Pending => {
                self.signs.nothing_came();
                return Poll::Pending;
            }
            Poll::Ready(read) => read?,
        }
        self.signs.asked();
        self.traffic.received.increment((buf.filled().len() - before) as u64);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.signs.sent();
        Poll::Ready(Ok(()))
    }

    /// Closes our side; [`Guarded::linger`] comes then.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
