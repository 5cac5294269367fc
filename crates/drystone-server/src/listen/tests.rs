//! Real sockets, raw bytes: what a client sees when all is well, when it is refused, when it
//! misbehaves and when the server goes.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use http_body::Body as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use super::*;

mod rest;
mod tls;

/// A server on a port of its own, with whatever the test wants to do to requests.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinSet<Drained>,
}

impl Server {
    fn start<H, F>(handler: H) -> Self
    where
        H: Fn(Request<Arriving>, Peer) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<ResponseBody>> + Send + 'static,
    {
        Self::start_with(ListenOptions::new(loopback()), handler)
    }

    fn start_with<H, F>(options: ListenOptions, handler: H) -> Self
    where
        H: Fn(Request<Arriving>, Peer) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<ResponseBody>> + Send + 'static,
    {
        let listener = Listener::bind(options).expect("a free port");
        let address = listener.local_address();
        let (stop, stopped) = oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(listener.serve(handler, async {
            let _ = stopped.await;
        }));
        Self { address, stop, task }
    }

    async fn connect(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address).await.expect("a connection"))
    }

    async fn stop(mut self) -> Drained {
        self.stop.send(()).expect("the server runs");
        self.task.join_next().await.expect("one task").expect("no panic")
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A client that sends what it is told, byte for byte.
struct Client<S> {
    stream: S,
    received: Vec<u8>,
}

impl<S: AsyncReadExt + AsyncWriteExt + Unpin> Client<S> {
    fn new(stream: S) -> Self {
        Self { stream, received: Vec::new() }
    }

    async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.expect("the server reads");
    }

    /// Reads one answer: its head, and as many bytes as it announces.
    async fn answer(&mut self) -> (String, String) {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.more().await > 0, "closed in a head: {:?}", String::from_utf8_lossy(&self.received));
        };
        let head = String::from_utf8(self.received.drain(..end).collect()).expect("an ASCII head");
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned))
            .map_or(0, |length| length.parse().expect("a number"));
        while self.received.len() < length {
            assert!(self.more().await > 0, "closed in a body");
        }
        let body = self.received.drain(..length).collect();
        (head, String::from_utf8(body).expect("a text"))
    }

    async fn more(&mut self) -> usize {
        self.stream.read_buf(&mut self.received).await.expect("the server does not reset")
    }

    /// Everything until the server closes.
    async fn rest(&mut self) -> String {
        while self.more().await > 0 {}
        String::from_utf8_lossy(&std::mem::take(&mut self.received)).into_owned()
    }
}

async fn refuse(_: Request<Arriving>, _: Peer) -> Response<ResponseBody> {
    respond(StatusCode::FORBIDDEN, "no")
}

/// Reads the body and answers with method, target and what the body was.
async fn echo(request: Request<Arriving>, _: Peer) -> Response<ResponseBody> {
    let (head, mut body) = request.into_parts();
    let mut length = 0;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        match frame {
            Ok(frame) => length += frame.data_ref().map_or(0, Bytes::len),
            Err(_) => return respond(StatusCode::BAD_REQUEST, "broken"),
        }
    }
    respond(StatusCode::OK, &format!("{} {} {length}", head.method, head.uri))
}

fn respond(status: StatusCode, text: &str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(text.to_owned()));
    *response.status_mut() = status;
    response
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = Server::start(echo);
    let mut client = server.connect().await;
    for (request, expected) in [
        ("GET /a HTTP/1.1\r\nhost: x\r\n\r\n", "GET /a 0"),
        ("PUT /b HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello", "PUT /b 5"),
        ("PUT /c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "PUT /c 3"),
    ] {
        client.send(request).await;
        let (head, body) = client.answer().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(body, expected);
    }
    // Two at once, answered in order.
    client.send("GET /1 HTTP/1.1\r\nhost: x\r\n\r\nGET /2 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(client.answer().await.1, "GET /1 0");
    assert_eq!(client.answer().await.1, "GET /2 0");
}

#[tokio::test]
async fn paths_reach_the_handler_as_they_came() {
    let server = Server::start(echo);
    let mut client = server.connect().await;
    for target in ["/b//a/./../c/", "//", "/b/%2e%2e/%2F?x=%2f&&y", "/b/a%00%ff", "/../../etc/passwd"] {
        client.send(&format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        assert_eq!(client.answer().await.1, format!("GET {target} 0"));
    }
}

#[tokio::test]
async fn a_refused_body_is_read_away_and_the_connection_lives_on() {
    let server = Server::start(refuse);
    let mut client = server.connect().await;
    for size in [1, 100_000, 8 * 1024 * 1024] {
        client.send(&format!("PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n")).await;
        client.send(&"a".repeat(size)).await;
        let (head, body) = client.answer().await;
        assert!(head.starts_with("HTTP/1.1 403"), "{head}");
        assert!(!head.contains("connection: close"), "{head}");
        assert_eq!(body, "no");
    }
    let chunk = "a".repeat(10_000);
    client
        .send(&format!(
            "PUT /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2710\r\n{chunk}\r\n0\r\n\r\n"
        ))
        .await;
    assert!(client.answer().await.0.starts_with("HTTP/1.1 403"));
    client.send("GET /a HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(client.answer().await.0.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn a_half_read_body_is_read_away_too() {
    async fn peek(request: Request<Arriving>, _: Peer) -> Response<ResponseBody> {
        let mut body = request.into_body();
        let _ = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        respond(StatusCode::CONFLICT, "seen enough")
    }
    let server = Server::start(peek);
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send("PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n").await;
        client.send(&"a".repeat(1_000_000)).await;
        assert!(client.answer().await.0.starts_with("HTTP/1.1 409"));
    }
}

#[tokio::test]
async fn who_expects_100_continue_is_refused_without_sending_a_body() {
    let server = Server::start(refuse);
    let mut client = server.connect().await;
    client.send("PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n\r\n").await;
    let (head, body) = client.answer().await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    assert!(
        head.contains("connection: close"),
        "the client cannot know where the next request begins: {head}"
    );
    assert_eq!(body, "no");
    drop(client.stream.shutdown().await);
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn who_expects_100_continue_gets_it_when_the_body_is_wanted() {
    let server = Server::start(echo);
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.send("PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n").await;
        assert_eq!(client.answer().await.0, "HTTP/1.1 100 Continue\r\n\r\n");
        client.send("hello").await;
        assert_eq!(client.answer().await.1, "PUT /a 5");
    }
}

/// The client sends everything before it reads: the answer must not be lost to a reset.
#[tokio::test]
async fn who_expects_100_continue_of_nothing_gets_a_connection_of_its_own() {
    // botocore hangs on the next request of a connection that once left the 100 out.
    let server = Server::start(echo);
    let mut client = server.connect().await;
    client.send("PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nexpect: 100-continue\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("connection: close\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_large_refused_body_does_not_lose_the_answer() {
    let server = Server::start(refuse);
    let mut client = server.connect().await;
    let size = 64 * 1024 * 1024;
    client.send(&format!("PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n")).await;
    let piece = vec![b'a'; 1024 * 1024];
    for _ in 0..64 {
        client.stream.write_all(&piece).await.expect("the server goes on reading");
    }
    let (head, body) = client.answer().await;
    assert!(head.starts_with("HTTP/1.1 403") && head.contains("connection: close"), "{head}");
    assert_eq!(body, "no");
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_body_that_is_cut_off_reaches_the_handler_as_an_error() {
    let (sender, outcome) = oneshot::channel();
    let sender = Arc::new(Mutex::new(Some(sender)));
    let server = Server::start(move |request: Request<Arriving>, peer| {
        let sender = Arc::clone(&sender);
        async move {
            let response = echo(request, peer).await;
            let sender = sender.lock().expect("no panic").take().expect("one request");
            sender.send(response.status()).expect("the test waits");
            response
        }
    });
    let mut client = server.connect().await;
    client.send("PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nonly this").await;
    drop(client);
    assert_eq!(outcome.await.expect("the handler ends"), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn ambiguous_and_malformed_requests_never_become_two() {
    let count = Arc::new(Mutex::new(0));
    let server = Server::start({
        let count = Arc::clone(&count);
        move |request, peer| {
            *count.lock().expect("no panic") += 1;
            echo(request, peer)
        }
    });
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    for (what, request) in [
        (
            "two lengths",
            format!(
                "PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\ncontent-length: 38\r\n\r\n{smuggled}"
            ),
        ),
        (
            "a list of lengths",
            format!("PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: 0, 38\r\n\r\n{smuggled}"),
        ),
        ("a signed length", "PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: +1\r\n\r\na".to_owned()),
        ("a negative length", "PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\na".to_owned()),
        (
            "a huge length",
            "PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\na".to_owned(),
        ),
        (
            "a folded header",
            format!("PUT /a HTTP/1.1\r\nhost: x\r\na: b\r\n content-length: 3\r\n\r\n{smuggled}"),
        ),
        (
            "space before a colon",
            format!("PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length : 38\r\n\r\n{smuggled}"),
        ),
        ("NUL in a header", "GET /a HTTP/1.1\r\nhost: x\r\na: b\0c\r\n\r\n".to_owned()),
        ("a bare CR", "GET /a HTTP/1.1\r\nhost: x\r\na: b\rc: d\r\n\r\n".to_owned()),
        ("no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n".to_owned()),
        (
            "another coding last",
            format!("PUT /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, gzip\r\n\r\n{smuggled}"),
        ),
        (
            "an unknown coding",
            format!("PUT /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n{smuggled}"),
        ),
    ] {
        *count.lock().expect("no panic") = 0;
        let mut client = server.connect().await;
        client.send(&request).await;
        let answer = client.rest().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{what}: {answer}");
        assert!(!answer.contains("smuggled"), "{what}: {answer}");
        assert_eq!(*count.lock().expect("no panic"), 0, "{what}");
    }
    // Chunked wins over a length (RFC 9112, section 6.3), so that nothing is left to be smuggled.
    let mut client = server.connect().await;
    client
        .send(
            "PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer().await.1, "PUT /a 0");
    for chunk in ["fffffffffffffffff\r\n", "-1\r\n", "1 \0\r\na\r\n", "zz\r\n"] {
        let mut client = server.connect().await;
        client
            .send(&format!("PUT /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunk}"))
            .await;
        let (head, body) = client.answer().await;
        assert!(head.starts_with("HTTP/1.1 400") && body == "broken", "{chunk:?}: {head}");
    }
}

#[tokio::test]
async fn heads_are_bounded_in_size_and_count() {
    let server = Server::start(echo);
    for extra in [format!("a: {}\r\n", "b".repeat(70_000)), "a: b\r\n".repeat(101)] {
        let mut client = server.connect().await;
        client.send(&format!("GET /a HTTP/1.1\r\nhost: x\r\n{extra}\r\n")).await;
        assert!(client.answer().await.0.starts_with("HTTP/1.1 431"));
    }
    let mut client = server.connect().await;
    client.send(&format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(70_000))).await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let server = Server::start(echo);
    for beginning in ["", "GET /a HTTP/1.1\r\nho"] {
        let mut client = server.connect().await;
        client.send(beginning).await;
        client.rest().await;
        // After an answer no longer than before the first.
        let mut client = server.connect().await;
        client.send(&format!("GET /b HTTP/1.1\r\nhost: x\r\n\r\n{beginning}")).await;
        assert_eq!(client.answer().await.1, "GET /b 0");
        client.rest().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_bytes_is_given_up() {
    let gone = Arc::new(Notify::new());
    let server = Server::start({
        let gone = Arc::clone(&gone);
        move |_: Request<Arriving>, _| {
            let noticed = Noticed(Arc::clone(&gone));
            async move {
                let endless = stream::repeat_with(move || {
                    let _ = &noticed;
                    Ok(Bytes::from(vec![0; 65_536]))
                });
                Response::new(ResponseBody::sized(u64::MAX, endless))
            }
        }
    });
    let mut client = server.connect().await;
    client.send("GET /a HTTP/1.1\r\nhost: x\r\n\r\n").await;
    gone.notified().await;
    drop(client);
}

/// Tells when it is dropped.
struct Noticed(Arc<Notify>);

impl Drop for Noticed {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn an_answer_that_ends_early_is_not_taken_for_a_whole_one() {
    async fn short(_: Request<Arriving>, _: Peer) -> Response<ResponseBody> {
        let pieces = stream::iter([Ok(Bytes::from_static(b"abc"))]);
        Response::new(ResponseBody::sized(10, pieces))
    }
    let server = Server::start(short);
    let mut client = server.connect().await;
    client.send("GET /a HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answer = client.rest().await;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    assert!(body.len() < 10, "the client must see a closed connection before the announced end: {answer}");
}

#[tokio::test]
async fn head_announces_a_length_without_sending_it() {
    async fn head(_: Request<Arriving>, _: Peer) -> Response<ResponseBody> {
        let mut response = respond(StatusCode::OK, "");
        response.headers_mut().insert("content-length", 1_000_000.into());
        response
    }
    let server = Server::start(head);
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.send("HEAD /a HTTP/1.1\r\nhost: x\r\n\r\n").await;
        while !client.received.ends_with(b"\r\n\r\n") {
            assert!(client.more().await > 0);
        }
        let answer = String::from_utf8(std::mem::take(&mut client.received)).expect("ASCII");
        assert!(answer.contains("content-length: 1000000\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_handler_that_panics_takes_only_its_own_connection() {
    let server = Server::start(|request: Request<Arriving>, peer| async move {
        assert!(request.uri().path() != "/panic", "a bug");
        echo(request, peer).await
    });
    let mut other = server.connect().await;
    let mut client = server.connect().await;
    client.send("GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(client.rest().await, "");
    other.send("GET /a HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(other.answer().await.1, "GET /a 0");
    assert_eq!(server.stop().await.aborted, 0);
}

#[tokio::test]
async fn a_connection_beyond_the_bound_waits_until_another_is_idle() {
    let mut options = ListenOptions::new(loopback());
    options.connections_max = 1;
    let begun = Arc::new(Notify::new());
    let server = Server::start_with(options, {
        let begun = Arc::clone(&begun);
        move |request, peer| {
            begun.notify_one();
            echo(request, peer)
        }
    });
    let mut first = server.connect().await;
    // A request whose body has not come yet.
    first.send("PUT /1 HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n").await;
    begun.notified().await;
    let mut second = server.connect().await;
    second.send("GET /2 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    first.send("abc").await;
    assert_eq!(first.answer().await.1, "PUT /1 3", "the first is served as long as it is busy");
    assert!(second.received.is_empty());
    assert_eq!(second.answer().await.1, "GET /2 0", "and makes room when it is not");
}

#[tokio::test]
async fn a_request_whose_client_stands_still_makes_room_for_another() {
    let mut options = ListenOptions::new(loopback());
    options.requests_max = 1;
    let server = Server::start_with(options, echo);
    let mut still = server.connect().await;
    still.send("PUT /1 HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n").await;
    // Its turn has come when a first byte of the body is taken.
    still.send("a").await;
    let mut other = server.connect().await;
    other.send("GET /2 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(other.answer().await.1, "GET /2 0");
}

#[tokio::test]
async fn a_turn_lasts_until_the_answer_has_left() {
    // In one piece, which is more than two kernels take.
    const LARGE: usize = 64 * 1024 * 1024;
    let mut options = ListenOptions::new(loopback());
    options.requests_max = 1;
    let server = Server::start_with(options, |request: Request<Arriving>, _| async move {
        let size = if request.uri().path() == "/large" { LARGE } else { 1 };
        Response::new(ResponseBody::from(Bytes::from(vec![b'a'; size])))
    });
    let mut still = server.connect().await;
    still.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    still.more().await;
    // It takes no more, and so has to make room.
    let mut other = server.connect().await;
    other.send("GET /small HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(other.answer().await.1, "a");
    while still.stream.read_buf(&mut still.received).await.is_ok_and(|bytes| bytes > 0) {}
    assert!(still.received.len() < LARGE, "it was not asked to leave");
    // Who takes all of an answer is served again.
    for _ in 0..2 {
        other.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(other.answer().await.1.len(), LARGE);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_told_to_come_again_is_not_read_from() {
    let mut options = ListenOptions::new(loopback());
    options.requests_max = 1;
    let begun = Arc::new(Notify::new());
    let server = Server::start_with(options, {
        let begun = Arc::clone(&begun);
        move |_, _| {
            begun.notify_one();
            pending()
        }
    });
    let mut busy = server.connect().await;
    busy.send("GET /1 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    begun.notified().await;
    let mut other = server.connect().await;
    // So little would be read away after any other refusal, and the connection would live on.
    other.send("PUT /2 HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc").await;
    let (head, _) = other.answer().await;
    assert!(head.starts_with("HTTP/1.1 503") && head.contains("connection: close"), "{head}");
    assert_eq!(other.rest().await, "");
}

#[tokio::test]
async fn shutdown_finishes_requests_in_flight_and_takes_no_more() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let server = Server::start({
        let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
        move |request, peer| {
            let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
            async move {
                begun.notify_one();
                go_on.notified().await;
                echo(request, peer).await
            }
        }
    });
    let mut idle = server.connect().await;
    let mut busy = server.connect().await;
    busy.send("GET /busy HTTP/1.1\r\nhost: x\r\n\r\n").await;
    begun.notified().await;
    let address = server.address;
    let mut stopping = JoinSet::new();
    stopping.spawn(server.stop());
    assert_eq!(idle.rest().await, "", "idle connections are closed");
    assert!(TcpStream::connect(address).await.is_err(), "the port is closed");
    go_on.notify_one();
    let (head, body) = busy.answer().await;
    assert_eq!(body, "GET /busy 0");
    assert!(head.contains("connection: close"), "{head}");
    let drained = stopping.join_next().await.expect("one task").expect("no panic");
    assert_eq!(drained.aborted, 0);
}

#[tokio::test(start_paused = true)]
async fn shutdown_does_not_wait_for_ever() {
    let begun = Arc::new(Notify::new());
    let server = Server::start({
        let begun = Arc::clone(&begun);
        move |_, _| {
            begun.notify_one();
            pending()
        }
    });
    let mut client = server.connect().await;
    client.send("GET /stuck HTTP/1.1\r\nhost: x\r\n\r\n").await;
    begun.notified().await;
    assert_eq!(server.stop().await, Drained { finished: 0, aborted: 1 });
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn an_address_in_use_is_said_clearly() {
    let server = Server::start(echo);
    let error = Listener::bind(ListenOptions::new(server.address)).expect_err("taken");
    assert!(error.to_string().contains(&server.address.to_string()), "{error}");
}

#[tokio::test]
async fn traffic_is_counted() {
    let metrics = crate::metrics::Metrics::new();
    let mut options = ListenOptions::new(loopback());
    options.traffic = metrics.traffic("s3");
    let server = Server::start_with(options, echo);
    let mut client = server.connect().await;
    let request = "PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello";
    client.send(request).await;
    let (head, body) = client.answer().await;
    assert!(metrics.render().contains(r#"drystone_http_connections{listener="s3"} 1"#));
    drop(client);
    server.stop().await;
    for line in [
        r#"drystone_http_connections{listener="s3"} 0"#.to_owned(),
        format!(r#"drystone_http_received_bytes_total{{listener="s3"}} {}"#, request.len()),
        format!(r#"drystone_http_sent_bytes_total{{listener="s3"}} {}"#, head.len() + body.len()),
    ] {
        assert!(metrics.render().contains(&line), "{line} is not in\n{}", metrics.render());
    }
}

#[tokio::test]
async fn the_admin_port_is_a_listener_too() {
    let admin = Arc::new(crate::admin::Admin::new(Arc::default(), || crate::admin::Readiness::Ready));
    let server = Server::start(admin.handler());
    let mut client = server.connect().await;
    client.send("GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let (head, body) = client.answer().await;
    assert!(head.starts_with("HTTP/1.1 200") && body.contains("ready"), "{head}{body}");
    client.send("PUT /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc").await;
    assert!(client.answer().await.0.starts_with("HTTP/1.1 405"));
    client.send("HEAD /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await;
    while !client.received.ends_with(b"\r\n\r\n") {
        assert!(client.more().await > 0);
    }
}
