//! Sockets: from a bound port to one call of a handler for each request, and back.
//!
//! The S3 port and the admin port are two [`Listener`]s with different handlers. It promises:
//! - everything is bounded: connections, headers, how slow a client may be, how long shutdown waits;
//! - a refusal reaches its client: a body that the handler left unread is read away up to a bound
//!   and the connection lives on, or the connection is closed without losing the answer;
//! - shutdown stops accepting first, then lets requests in flight finish;
//! - paths reach the handler as they came, never normalised.
//!
//! Without it, one slow client could hold everything, and a refused upload would look like a broken
//! connection, which clients retry.

mod arriving;
mod connection;
mod exchange;
mod guarded;
mod places;
mod rest;
mod tls;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use metrics::{Counter, Gauge};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

pub use self::arriving::Arriving;
use self::connection::{Arrived, serve_connection};
use self::places::Places;
pub use self::tls::TlsError;
use crate::deadline;
use crate::response_body::ResponseBody;
use crate::work::{Drained, Tasks};

/// Connections that the kernel holds for us before we accept them.
const BACKLOG: i32 = 1024;
/// Connections that one listener serves at once unless told otherwise; beyond them the idle ones make
/// room. Each takes some 7 KiB when it rests: all of them 28 MiB.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Connections over TLS at most, each of which takes some 20 KiB when it is idle. One whose handshake or
/// head does not end may take 110 KiB: rustls waits for 64 KiB of a greeting, and for the end of a record;
/// and it holds up to 64 KiB of an answer that its client does not take.
const TLS_CONNECTIONS_MAX: usize = 1_536;
/// Requests that one listener answers at once unless told otherwise; further ones wait for their turn,
/// and nothing of their bodies is read. A body that arrives takes two batches of 512 KiB and a buffer of
/// 256 KiB, or 2 MiB if its client takes pains to cut it badly; an answer that leaves a batch of 256 KiB
/// and such a buffer: 96 of them take 192 MiB at most.
pub const REQUESTS_MAX: usize = 96;
/// How long shutdown waits for requests in flight unless told otherwise.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);
/// Wait after an accept that failed for lack of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a listener listens on, and its bounds.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Certificate and key, for TLS.
    pub tls: Option<TlsFiles>,
    /// Connections served at once, or 1,536 over TLS if that is less; for a further one the one that is idle
    /// longest makes room.
    pub connections_max: usize,
    /// Requests answered at once; for a further one a client that stands still makes room.
    pub requests_max: usize,
    /// How long shutdown waits for requests in flight.
    pub shutdown_grace: Duration,
    /// Where connections and bytes are counted.
    pub traffic: Traffic,
}

impl ListenOptions {
    /// Plain HTTP on `address` with the default bounds.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            tls: None,
            connections_max: CONNECTIONS_MAX,
            requests_max: REQUESTS_MAX,
            shutdown_grace: SHUTDOWN_GRACE,
            traffic: Traffic::default(),
        }
    }
}

/// PEM files for TLS.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Reads both files, so that a mistake in them is found before anything else is begun.
    ///
    /// # Errors
    /// As [`Listener::bind`] would say it.
    pub fn check(&self) -> Result<(), TlsError> {
        tls::acceptor(self).map(drop)
    }
}

/// Counters of one listener. The default counts nothing.
#[derive(Clone)]
pub struct Traffic {
    /// Connections that are open.
    pub connections: Gauge,
    /// Bytes read from clients, with heads and framing, without TLS.
    pub received: Counter,
    /// Bytes written to clients, with heads and framing, without TLS.
    pub sent: Counter,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { connections: Gauge::noop(), received: Counter::noop(), sent: Counter::noop() }
    }
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traffic").finish_non_exhaustive()
    }
}

/// Who sent a request, as the socket sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The other end of the connection: a client or its proxy.
    pub address: SocketAddr,
    /// Whether others could read along.
    pub transport: Transport,
}

/// What a connection is carried by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP alone.
    Plain,
    /// TLS over TCP.
    Tls,
}

/// Why a listener cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be bound.
    #[error("cannot listen on {address}; is another process using it?")]
    Bind {
        /// The address as configured.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The TLS files cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A bound port.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    options: ListenOptions,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Listener {
    /// Binds the port; clients can connect from now on, and wait until [`Self::serve`] runs.
    ///
    /// Call it inside the runtime.
    ///
    /// # Errors
    /// The address is taken or not ours, or the TLS files cannot be used.
    pub fn bind(options: ListenOptions) -> Result<Self, ListenError> {
        let tls = options.tls.as_ref().map(tls::acceptor).transpose()?;
        let failed = |source| ListenError::Bind { address: options.address, source };
        let socket = bind(options.address).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address, tls, options })
    }

    /// The address that clients connect to, with the port that the system chose.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Serves requests with `handler` until `shutdown` completes, then lets those in flight finish.
    pub async fn serve<H, F>(self, handler: H, shutdown: impl Future<Output = ()>) -> Drained
    where
        H: Fn(Request<Arriving>, Peer) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<ResponseBody>> + Send + 'static,
    {
        let Self { socket, tls, options, .. } = self;
        let kind_max = if tls.is_some() { TLS_CONNECTIONS_MAX } else { usize::MAX };
        let places = Places::new(options.connections_max.min(kind_max), options.requests_max);
        let (closing, _) = watch::channel(());
        let mut tasks = Tasks::default();
        let mut shutdown = pin!(shutdown);
        // At most one that has no place yet: what else we cannot serve stays in the kernel's queue.
        let mut waiting = None;
        loop {
            let accepted = async {
                if waiting.is_none() {
                    waiting = Some(accept(&socket, &places).await);
                }
                places.take().await
            };
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = tasks.reap() => {}
                place = accepted => {
                    let (stream, address) = waiting.take().expect("a place is asked for when somebody waits");
                    let transport = if tls.is_some() { Transport::Tls } else { Transport::Plain };
                    let peer = Peer { address, transport };
                    let (tls, handler) = (tls.clone(), handler.clone());
                    let (traffic, closing) = (options.traffic.clone(), closing.subscribe());
                    let places = Arc::clone(&places);
                    tasks.spawn(async move {
                        traffic.connections.increment(1);
                        let open = traffic.connections.clone();
                        let arrived = Arrived { peer, traffic, places, seat: Arc::clone(&place.seat) };
                        tokio::select! {
                            () = serve_connection(stream, tls, arrived, handler, closing) => {}
                            () = place.seat.leave() => {}
                        }
                        open.decrement(1);
                        drop(place);
                    });
                }
            }
        }
        drop(socket);
        drop(closing);
        tasks.drain(options.shutdown_grace).await
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the connections of the process before it.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The next connection, however long that takes.
async fn accept(socket: &TcpListener, places: &Places) -> (TcpStream, SocketAddr) {
    loop {
        match socket.accept().await {
            Ok((stream, address)) => {
                // Answers are written whole; waiting to join them with others only adds latency.
                if let Err(failure) = stream.set_nodelay(true) {
                    debug!(%failure, %address, "a connection was gone before it was served");
                    continue;
                }
                return (stream, address);
            }
            Err(failure) if is_about_one_connection(&failure) => {
                debug!(%failure, "a connection was gone before it was accepted");
            }
            Err(failure) => {
                warn!(%failure, "cannot accept connections; the idle ones make room");
                places.clear_idle();
                deadline::pause(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_about_one_connection(failure: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(failure.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
