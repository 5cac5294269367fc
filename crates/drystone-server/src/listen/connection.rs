//! One connection: handshake, protocol, bounds, and a close that loses nothing.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::exchange::exchange;
use super::places::{Places, Seat};
use super::tls::ALPN_HTTP2;
use super::{Arriving, Peer, Traffic};
use crate::deadline::{self, PATIENCE, Pace, Patience};
use crate::response_body::ResponseBody;

/// How long a TLS handshake may take.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a request's head may take, counted from the end of the request before it: so this is
/// also how long an idle connection is kept.
const HEAD_TIME_MAX: Duration = Duration::from_secs(75);
/// Bytes of a request's head. Authentication has a lower bound with a better message; this one
/// bounds memory before anything is parsed: a head that does not end takes twice as much, on each of
/// [`CONNECTIONS_MAX`](super::CONNECTIONS_MAX) connections.
const HEAD_BYTES_MAX: usize = 24 * 1024;
/// Headers of a request: user metadata has 2 KiB at most, which is some 80 short ones.
const HEADERS_MAX: usize = 100;
/// Buffer of one HTTP/1 connection while a body streams through it; 64 uploads use 16 MiB.
const BUFFER_MAX: usize = 256 * 1024;
/// Streams of one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;
/// Bytes in flight on one HTTP/2 stream, and on all of a connection.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// How often an HTTP/2 client that says nothing is asked whether it lives.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long a closing connection goes on reading what its client still sends.
const LINGER: Patience = Patience { slack_max: Duration::from_secs(5), rate_min: 1024 * 1024 };
/// Bytes that a closing connection reads at most.
const LINGER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A connection's surroundings.
#[derive(Clone)]
pub(super) struct Arrived {
    pub(super) peer: Peer,
    pub(super) traffic: Traffic,
    pub(super) places: Arc<Places>,
    pub(super) seat: Arc<Seat>,
}

/// Serves one connection to its end.
pub(super) async fn serve_connection<H, F>(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    arrived: Arrived,
    handler: H,
    closing: watch::Receiver<()>,
) where
    H: Fn(Request<Arriving>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    let Some(tls) = tls else {
        return serve_http1(stream, arrived, handler, closing).await;
    };
    // Apart, so that the many connections without it have no room for it.
    Box::pin(serve_tls(stream, tls, arrived, handler, closing)).await;
}

async fn serve_tls<H, F>(
    stream: TcpStream,
    tls: TlsAcceptor,
    arrived: Arrived,
    handler: H,
    closing: watch::Receiver<()>,
) where
    H: Fn(Request<Arriving>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    let peer = arrived.peer;
    match deadline::within(HANDSHAKE_TIME_MAX, tls.accept(stream)).await {
        None => debug!(peer = %peer.address, "a TLS handshake took too long"),
        Some(Err(failure)) => debug!(peer = %peer.address, %failure, "a TLS handshake failed"),
        Some(Ok(stream)) => {
            if stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2) {
                serve_http2(stream, arrived, handler, closing).await;
            } else {
                serve_http1(stream, arrived, handler, closing).await;
            }
        }
    }
}

async fn serve_http1<S, H, F>(stream: S, arrived: Arrived, handler: H, mut closing: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Arriving>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    let (peer, lingers) = (arrived.peer, Arc::new(AtomicBool::new(false)));
    let io = TokioIo::new(Guarded::new(stream, &arrived, Arc::clone(&lingers)));
    let service = service_fn(|request| exchange(handler.clone(), request, &arrived, &lingers));
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME_MAX)
            .max_header_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .max_buf_size(BUFFER_MAX)
            .serve_connection(io, service)
    );
    let result = tokio::select! {
        result = &mut connection => result,
        _ = closing.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    report(peer, result);
}

async fn serve_http2<S, H, F>(stream: S, arrived: Arrived, handler: H, mut closing: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Arriving>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    let (peer, lingers) = (arrived.peer, Arc::new(AtomicBool::new(false)));
    let io = TokioIo::new(Guarded::new(stream, &arrived, Arc::clone(&lingers)));
    let service = service_fn(move |request| {
        let (handler, lingers, arrived) = (handler.clone(), Arc::clone(&lingers), arrived.clone());
        async move { exchange(handler, request, &arrived, &lingers).await }
    });
    let mut connection = pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).expect("24 KiB"))
            .max_send_buf_size(BUFFER_MAX)
            .serve_connection(io, service)
    );
    let result = tokio::select! {
        result = &mut connection => result,
        _ = closing.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    report(peer, result);
}

/// Clients that go away, and what they send that is no HTTP, are their business.
fn report(peer: Peer, result: hyper::Result<()>) {
    if let Err(failure) = result {
        debug!(peer = %peer.address, %failure, "a connection ended with an error");
    }
}

/// A stream whose client must keep reading, that counts bytes, and that closes gently.
struct Guarded<S> {
    stream: S,
    traffic: Traffic,
    seat: Arc<Seat>,
    /// How fast the client takes our answers.
    writes: Pace,
    /// Whether the client may still be sending when we close.
    lingers: Arc<AtomicBool>,
    lingering: Option<Lingering>,
}

/// Reading on after our own side is closed.
struct Lingering {
    pace: Pace,
    left: u64,
}

impl<S> Guarded<S> {
    fn new(stream: S, arrived: &Arrived, lingers: Arc<AtomicBool>) -> Self {
        let (traffic, seat) = (arrived.traffic.clone(), Arc::clone(&arrived.seat));
        Self { stream, traffic, seat, writes: Pace::new(PATIENCE), lingers, lingering: None }
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
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
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
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Closes our side; then, if the client may still be sending, reads that away.
    ///
    /// Closing a socket with unread bytes makes the kernel reset the connection, and the reset
    /// overtakes the answer on its way to the client.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if !this.lingers.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let lingering = this
            .lingering
            .get_or_insert_with(|| Lingering { pace: Pace::new(LINGER), left: LINGER_BYTES_MAX });
        let mut space = [0; 16 * 1024];
        loop {
            let mut buf = ReadBuf::new(&mut space);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buf) {
                Poll::Pending => {
                    ready!(lingering.pace.poll_expired(cx));
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => {
                    let bytes = buf.filled().len();
                    lingering.pace.progressed(bytes);
                    lingering.left = lingering.left.saturating_sub(bytes as u64);
                    if bytes == 0 || lingering.left == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}
