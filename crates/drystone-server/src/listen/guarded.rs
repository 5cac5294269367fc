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
                return self.poll_given_up(cx).map(Err);
            }
        }
        result
    }

    /// What TLS holds leaves, or is given up on. Nobody else waits for that: it is 64 KiB at most, and no turn's.
    fn left(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        match result {
            Poll::Ready(Ok(())) => self.writes.progressed(0),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => return self.poll_given_up(cx).map(Err),
        }
        result
    }

    fn poll_given_up(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        ready!(self.writes.poll_expired(cx));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the client takes no bytes"))
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
        self.signs.handed_on();
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        ready!(self.left(cx, result))?;
        self.signs.sent();
        Poll::Ready(Ok(()))
    }

    /// Closes our side; [`Guarded::linger`] comes then.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.left(cx, result)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::super::places::Places;
    use super::super::rest::Answered;
    use super::super::{Peer, Transport};
    use super::*;

    /// Takes everything, as TLS does, and lets none of it go.
    struct Keeps;

    impl AsyncWrite for Keeps {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncRead for Keeps {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_tls_holds_keeps_no_turn_and_is_given_up_on_in_the_end() {
        let places = Places::new(2, 1);
        let (place, other) = (places.take().await, places.take().await);
        let peer =
            Peer { address: std::net::SocketAddr::from(([127, 0, 0, 1], 1)), transport: Transport::Tls };
        let (traffic, seat) = (Traffic::default(), Arc::clone(&place.seat));
        let arrived = Arrived { peer, traffic, places: Arc::clone(&places), seat };
        let signs = Arc::new(Signs::default());
        let mut stream = Guarded::new(Keeps, &arrived, Arc::clone(&signs));
        let mut answered = Answered::when_dropped(&signs);
        answered.turn = place.seat.turn(&places).await;
        drop(answered);
        stream.write_all(b"the last of an answer").await.expect("it takes everything");
        let began = tokio::time::Instant::now();
        let flushed = async {
            let failure = stream.flush().await.expect_err("nothing leaves");
            assert_eq!(failure.kind(), io::ErrorKind::TimedOut);
            assert_eq!(began.elapsed().as_secs(), PATIENCE.slack_max.as_secs());
        };
        let next = async {
            assert!(other.seat.turn(&places).await.is_some(), "the turn is kept");
            assert!(began.elapsed().is_zero(), "the turn was waited for");
        };
        tokio::join!(flushed, next);
        signs.nothing_came();
        assert!(!signs.still(), "a part of the answer has not left");
        assert_eq!(stream.shutdown().await.expect_err("nothing leaves").kind(), io::ErrorKind::TimedOut);
    }
}
