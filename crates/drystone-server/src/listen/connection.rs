//! One connection: handshake, protocol, bounds, and a close that loses nothing.

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::exchange::exchange;
use super::guarded::Guarded;
use super::places::{Places, Seat};
use super::rest::{REST_AFTER, Signs, Waiting};
use super::{Arriving, Peer, Traffic};
use crate::deadline::{self, Alarm};
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
/// Buffer of one connection while a body streams through it; 64 uploads use 16 MiB.
pub(super) const BUFFER_MAX: usize = 256 * 1024;

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
        return serve_http(stream, arrived, handler, closing).await;
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
        Some(Ok(stream)) => serve_http(stream, arrived, handler, closing).await,
    }
}

async fn serve_http<S, H, F>(stream: S, arrived: Arrived, handler: H, mut closing: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Waiting + Unpin + Send + 'static,
    H: Fn(Request<Arriving>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    let signs = Arc::new(Signs::default());
    let mut stream = Guarded::new(stream, &arrived, Arc::clone(&signs));
    let result = loop {
        let comes = tokio::select! {
            comes = deadline::within(HEAD_TIME_MAX, stream.readable()) => comes.is_some(),
            _ = closing.changed() => false,
        };
        if !comes {
            // All answers have left; but TLS says good-bye.
            break stream.shutdown().await;
        }
        // In a box, because only what moves can be ended without closing the stream.
        let service = service_fn(|request| Box::pin(exchange(handler.clone(), request, &arrived, &signs)));
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME_MAX)
            .max_header_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .max_buf_size(BUFFER_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let mut alarm = Alarm::default();
        let until_rest = poll_fn(|cx| {
            if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(Course::Ended(result));
            }
            if !signs.still() {
                return Poll::Pending;
            }
            let left = REST_AFTER.saturating_sub(arrived.seat.idle());
            if !left.is_zero() {
                alarm.wake_after(left, cx);
                return Poll::Pending;
            }
            // Between two requests it ends at once; otherwise it would go on to its next answer.
            Pin::new(&mut connection).graceful_shutdown();
            connection.poll_without_shutdown(cx).map(|ended| match ended {
                Ok(()) => Course::Rests,
                Err(failure) => Course::Ended(Err(failure)),
            })
        });
        let course = tokio::select! {
            course = until_rest => course,
            _ = closing.changed() => {
                Pin::new(&mut connection).graceful_shutdown();
                Course::Ended((&mut connection).await)
            }
        };
        let http1::Parts { io, read_buf, .. } = connection.into_parts();
        stream = io.into_inner();
        match course {
            Course::Rests => stream.read_again(&read_buf),
            Course::Ended(Ok(())) => {
                // Not while it lingers: nobody counts those that do, and this may be a large body's buffer.
                drop(read_buf);
                return stream.linger().await;
            }
            Course::Ended(Err(failure)) => return report(arrived.peer, Err(failure)),
        }
    };
    report(arrived.peer, result);
}

/// What became of a connection.
enum Course {
    /// It stands still between two requests.
    Rests,
    /// It was closed, or broke.
    Ended(hyper::Result<()>),
}

/// Clients that go away, and what they send that is no HTTP, are their business.
fn report(peer: Peer, result: Result<(), impl Display>) {
    if let Err(failure) = result {
        debug!(peer = %peer.address, %failure, "a connection ended with an error");
    }
}
