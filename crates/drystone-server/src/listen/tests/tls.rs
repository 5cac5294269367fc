//! The same over TLS, and files that cannot be used for it.

use std::task::{Context, Poll, ready};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;

use super::super::tls::acceptor;
use super::rest::wait_for_rest;
use super::*;

fn testdata(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/listen/testdata").join(name)
}

fn tls_server() -> Server {
    let mut options = ListenOptions::new(loopback());
    options.tls = Some(TlsFiles { cert: testdata("localhost.crt"), key: testdata("localhost.key") });
    Server::start_with(options, |request, peer: Peer| {
        assert_eq!(peer.transport, Transport::Tls);
        echo(request, peer)
    })
}

async fn tls_connect(server: &Server, protocols: &[&[u8]]) -> tokio_rustls::client::TlsStream<TcpStream> {
    let stream = TcpStream::connect(server.address).await.expect("a connection");
    shake_hands(stream, protocols).await
}

async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    protocols: &[&[u8]],
) -> tokio_rustls::client::TlsStream<S> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(testdata("localhost.crt")).expect("a certificate"))
        .expect("a root");
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake")
}

#[tokio::test]
async fn tls_carries_http1() {
    let server = tls_server();
    for protocols in [&[][..], &[&b"http/1.1"[..]]] {
        let mut client = Client::new(tls_connect(&server, protocols).await);
        for _ in 0..2 {
            client.send("PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello").await;
            assert_eq!(client.answer().await.1, "PUT /a 5");
            wait_for_rest().await;
        }
    }
    assert_eq!(server.stop().await.aborted, 0);
}

/// A client's stream that sends everything after the server's first word in one piece, when it is told to.
struct HoldsBack {
    stream: TcpStream,
    heard: bool,
    held: Vec<u8>,
}

impl AsyncRead for HoldsBack {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.heard = true;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HoldsBack {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.heard {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        }
        self.held.extend(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_request_that_comes_with_the_end_of_the_handshake_is_answered() {
    let server = tls_server();
    let stream = TcpStream::connect(server.address).await.expect("a connection");
    let mut tls = shake_hands(HoldsBack { stream, heard: false, held: Vec::new() }, &[]).await;
    tls.write_all(b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("it is held back");
    let HoldsBack { stream, held, .. } = tls.get_mut().0;
    stream.write_all(held).await.expect("the server reads");
    assert_eq!(Client::new(tls).answer().await.1, "GET /a 0");
}

#[tokio::test]
async fn who_would_rather_speak_http2_is_answered_over_http1() {
    let server = tls_server();
    let stream = tls_connect(&server, &[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut client = Client::new(stream);
    client.send("GET /a HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(client.answer().await.1, "GET /a 0");
}

#[tokio::test]
async fn a_client_without_tls_on_a_tls_port_is_let_go() {
    let server = tls_server();
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(!client.rest().await.contains("200"));
    let mut good = Client::new(tls_connect(&server, &[]).await);
    good.send("GET /a HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(good.answer().await.1, "GET /a 0");
}

#[test]
fn unusable_tls_files_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let other_key = include_str!("../testdata/localhost.key").replace("PRIVATE KEY", "SOMETHING");
    for (cert, key, named) in [
        (folder.path().join("missing.crt"), testdata("localhost.key"), "missing.crt"),
        (testdata("localhost.crt"), folder.path().join("missing.key"), "missing.key"),
        (file("empty.crt", ""), testdata("localhost.key"), "empty.crt"),
        (testdata("localhost.crt"), file("no.key", &other_key), "no.key"),
        (testdata("localhost.crt"), file("not.pem", "hello"), "not.pem"),
    ] {
        let error = acceptor(&TlsFiles { cert, key }).err().expect(named);
        assert!(error.to_string().contains(named), "{error}");
    }
}
