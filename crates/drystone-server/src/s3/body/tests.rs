//! Bodies as they arrive, in every framing: AWS's published examples, any way of cutting them into
//! buffers, and every way of breaking them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drystone_core::names::Timestamp;
use http::Request;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use proptest::prelude::{Just, ProptestConfig, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::s3::auth::Authenticator;
use crate::s3::auth::signer::{DATE, KEY, NOW_MS, SCOPE, SECRET, Signing, sha256, sign};
use crate::s3::auth::tests::authenticator;

/// A body that arrives in given pieces, as from a socket.
#[derive(Debug)]
struct Pieces {
    pieces: VecDeque<Bytes>,
    length: Option<u64>,
}

impl Pieces {
    fn new(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        let pieces: VecDeque<Bytes> = pieces.into_iter().collect();
        let length = Some(pieces.iter().map(|piece| piece.len() as u64).sum());
        Self { pieces, length }
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Cuts bytes into buffers of at most `size`.
fn cut(bytes: &[u8], size: usize) -> Vec<Bytes> {
    bytes.chunks(size.max(1)).map(Bytes::copy_from_slice).collect()
}

async fn read<B>(body: &mut RequestBody<B>) -> Result<Vec<u8>, BodyError>
where
    B: http_body::Body<Data = Bytes> + Unpin + Send,
    B::Error: Error + Send + Sync + 'static,
{
    let mut all = Vec::new();
    while let Some(piece) = poll_fn(|cx| body.poll_piece(cx)).await {
        let piece = piece?;
        assert!(!piece.is_empty(), "no piece is empty");
        all.extend_from_slice(&piece);
    }
    assert!(poll_fn(|cx| body.poll_piece(cx)).await.is_none(), "the end stays the end");
    Ok(all)
}

fn read_now<B>(body: &mut RequestBody<B>) -> Result<Vec<u8>, BodyError>
where
    B: http_body::Body<Data = Bytes> + Unpin + Send,
    B::Error: Error + Send + Sync + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(read(body))
}

/// A request for a chunked upload whose head is signed by the naive signer.
struct Upload<'a> {
    mode: &'a str,
    decoded: String,
    trailer: Option<&'a str>,
}

impl Upload<'_> {
    fn head(&self) -> Parts {
        let mut headers = vec![("x-amz-decoded-content-length", self.decoded.as_str())];
        headers.extend(self.trailer.map(|name| ("x-amz-trailer", name)));
        Signing { method: "PUT", headers: &headers, payload: self.mode, ..Signing::default() }.header()
    }

    fn body(&self, pieces: Vec<Bytes>) -> Result<RequestBody<Pieces>, BodyRefusal> {
        let head = self.head();
        let caller = authenticator().authenticate(&head, Timestamp(NOW_MS)).expect("signed");
        RequestBody::new(&head, Pieces::new(pieces), caller.payload)
    }
}

/// The seed of a head's chain of signatures: its own.
fn seed(head: &Parts) -> String {
    let authorization = head.headers["authorization"].to_str().expect("ASCII");
    authorization.rsplit_once("Signature=").expect("a signature").1.to_owned()
}

const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const CRC32: &str = "x-amz-checksum-crc32";

/// Encodes chunks the way a client does, naively; returns also the trailer's signature.
fn encode(head: &Parts, mode: &str, chunks: &[&[u8]], trailer: Option<(&str, &str)>) -> Vec<u8> {
    let mut previous = seed(head);
    let mut out = Vec::new();
    for chunk in chunks.iter().copied().chain([&b""[..]]) {
        if mode == UNSIGNED_TRAILER {
            out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        } else {
            previous = sign(
                SECRET,
                &format!(
                    "AWS4-HMAC-SHA256-PAYLOAD\n{DATE}\n{SCOPE}\n{previous}\n{}\n{}",
                    sha256(b""),
                    sha256(chunk)
                ),
            );
            out.extend_from_slice(format!("{:x};chunk-signature={previous}\r\n", chunk.len()).as_bytes());
        }
        if !chunk.is_empty() {
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
    }
    if let Some((name, value)) = trailer {
        out.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
        if mode == SIGNED_TRAILER {
            let hash = sha256(format!("{name}:{value}\n").as_bytes());
            let signature =
                sign(SECRET, &format!("AWS4-HMAC-SHA256-TRAILER\n{DATE}\n{SCOPE}\n{previous}\n{hash}"));
            out.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn published(mode: &str, signatures: [&str; 3], tail: &str) -> Vec<u8> {
    assert!(mode.starts_with("STREAMING"));
    let mut out = Vec::new();
    for (size, signature) in [65_536, 1024].into_iter().zip(signatures) {
        out.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
        out.resize(out.len() + size, b'a');
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("0;chunk-signature={}\r\n{tail}", signatures[2]).as_bytes());
    out
}

fn published_head(mode: &str, extra: (&str, &str), signed_headers: &str, signature: &str) -> Parts {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/{SCOPE},SignedHeaders={signed_headers},Signature={signature}"
    );
    Request::put("/examplebucket/chunkObject.txt")
        .header("host", "s3.amazonaws.com")
        .header("x-amz-date", DATE)
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
        .header("x-amz-content-sha256", mode)
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "66560")
        .header(extra.0, extra.1)
        .header("authorization", authorization)
        .body(())
        .expect("a request")
        .into_parts()
        .0
}

fn open(authenticator: &Authenticator, head: &Parts, pieces: Vec<Bytes>) -> RequestBody<Pieces> {
    let caller = authenticator.authenticate(head, Timestamp(NOW_MS)).expect("the published seed");
    RequestBody::new(head, Pieces::new(pieces), caller.payload).expect("a good head")
}

/// AWS, "Transferring Payload in Multiple Chunks": head and body, with their published signatures.
#[test]
fn the_published_chunked_upload_is_read() {
    let head = published_head(
        SIGNED,
        ("content-length", "66824"),
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
         x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    );
    let signatures = [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ];
    let encoded = published(SIGNED, signatures, "\r\n");
    assert_eq!(encoded.len(), 66_824);
    for size in [1000, 16_384, 100_000] {
        let mut body = open(&authenticator(), &head, cut(&encoded, size));
        assert_eq!(body.announced(), 66_560);
        assert_eq!(read_now(&mut body).expect("the published body"), vec![b'a'; 66_560]);
        assert_eq!(body.received(), 66_560);
    }
}

/// AWS, "Including Trailing Headers": as AWS shows it, as SDKs send it, as minio-go sends it.
#[test]
fn the_published_trailer_is_read() {
    let head = published_head(
        SIGNED_TRAILER,
        ("x-amz-trailer", "x-amz-checksum-crc32c"),
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;\
         x-amz-trailer",
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    );
    let signatures = [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ];
    let signature =
        "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
    for tail in [
        format!("x-amz-checksum-crc32c:sOO8/Q==\r\n{signature}\r\n\r\n"),
        format!("x-amz-checksum-crc32c:sOO8/Q==\n\r\n{signature}\r\n\r\n"),
    ] {
        let encoded = published(SIGNED_TRAILER, signatures, &tail);
        let mut body = open(&authenticator(), &head, cut(&encoded, 7000));
        assert_eq!(body.trailer_announced(), Some(Algorithm::Crc32c));
        assert_eq!(read_now(&mut body).expect("the published body").len(), 66_560);
        let value = STANDARD.decode("sOO8/Q==").expect("base64");
        assert_eq!(Pin::new(&mut body).trailer(), Checksum::new(Algorithm::Crc32c, &value));
    }
    let other = "x-amz-checksum-crc32c:sOO8/A==\r\n";
    let encoded = published(SIGNED_TRAILER, signatures, &format!("{other}{signature}\r\n\r\n"));
    let mut body = open(&authenticator(), &head, cut(&encoded, 7000));
    assert!(matches!(read_now(&mut body), Err(BodyError::Signature)));
}

/// A body of a few chunks in each mode, encoded.
fn modes() -> Vec<(Upload<'static>, Vec<u8>, Vec<u8>)> {
    let chunks: [&[u8]; 3] = [b"hello, ", b"chunked\r\n0\r\n\r\n", b"world"];
    let data = chunks.concat();
    [(SIGNED, None), (SIGNED_TRAILER, Some(CRC32)), (UNSIGNED_TRAILER, Some(CRC32)), (UNSIGNED_TRAILER, None)]
        .map(|(mode, trailer)| {
            let upload = Upload { mode, decoded: data.len().to_string(), trailer };
            let mut hasher = drystone_core::checksum::Hasher::new(Algorithm::Crc32);
            hasher.update(&data);
            let value = STANDARD.encode(hasher.finish().value());
            let trailer = trailer.map(|name| (name, value.as_str()));
            let encoded = encode(&upload.head(), mode, &chunks, trailer);
            (upload, encoded, data.clone())
        })
        .into()
}

#[test]
fn any_way_of_cutting_gives_the_same_body() {
    for (upload, encoded, data) in modes() {
        for size in 1..=encoded.len() {
            let mut body = upload.body(cut(&encoded, size)).expect("a good head");
            assert_eq!(read_now(&mut body).expect(upload.mode), data, "{} cut by {size}", upload.mode);
            assert_eq!(Pin::new(&mut body).trailer().is_some(), upload.trailer.is_some());
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    for (upload, encoded, data) in modes() {
        // Blank lines at the very end may be missing: Content-Length says that nothing was lost.
        let blank = encoded.iter().rev().take_while(|byte| b"\r\n".contains(byte)).count();
        for length in 0..encoded.len() - blank {
            let outcome = upload
                .body(vec![Bytes::copy_from_slice(&encoded[..length])])
                .map(|mut body| read_now(&mut body));
            match outcome {
                Err(BodyRefusal::DecodedContentLength) => assert!(length < data.len()),
                Ok(Err(BodyError::Incomplete { received, announced })) => {
                    assert_eq!(announced, data.len() as u64);
                    assert!(received <= announced, "{received}");
                }
                Ok(Err(BodyError::Trailer(_) | BodyError::TrailerValue(_) | BodyError::Signature)) => {}
                // Right behind the last chunk.
                Ok(Err(BodyError::Framing(_))) => assert!(upload.trailer.is_some()),
                other => panic!("{} cut at {length}: {other:?}", upload.mode),
            }
        }
    }
}

#[test]
fn every_changed_byte_of_a_signed_body_is_an_error() {
    for (upload, encoded, _) in modes() {
        if upload.mode == UNSIGNED_TRAILER {
            continue;
        }
        let last = encoded.windows(3).rposition(|bytes| bytes == b"\n0;").expect("a last chunk");
        let trailer = last + 2 + SIGNATURE_LINE;
        let text_end = encoded.iter().rposition(|byte| !b"\r\n".contains(byte)).expect("text") + 1;
        for at in 0..text_end {
            for with in [encoded[at] ^ 1, encoded[at] ^ 0x80, b'\n', b'0', b' '] {
                let mut changed = encoded.clone();
                if changed[at] == with {
                    continue;
                }
                changed[at] = with;
                let mut body = upload.body(cut(&changed, 50)).expect("a good head");
                // A trailer's lines may end in LF, and have blanks at their ends.
                let same = at > trailer && encoded[at] == b'\r' && matches!(with, b' ' | b'\n');
                let outcome = read_now(&mut body);
                assert_eq!(
                    outcome.is_ok(),
                    same,
                    "{} changed at {at}: {:?}",
                    upload.mode,
                    String::from_utf8_lossy(&changed)
                );
            }
        }
    }
}

#[test]
fn chunks_cannot_be_swapped_dropped_or_repeated() {
    let chunks: [&[u8]; 2] = [b"aaaa", b"bbbb"];
    let upload = Upload { mode: SIGNED, decoded: "8".into(), trailer: None };
    let encoded = encode(&upload.head(), SIGNED, &chunks, None);
    let chunk = 1 + SIGNATURE_LINE + 4 + 2;
    let (first, rest) = encoded.split_at(chunk);
    let (second, last) = rest.split_at(chunk);
    for order in [[second, first, last], [first, first, last], [second, second, last]] {
        let mut body = upload.body(vec![order.concat().into()]).expect("a good head");
        assert!(matches!(read_now(&mut body), Err(BodyError::Signature)));
    }
    for short in [[first, last], [second, last]] {
        let mut body = upload.body(vec![short.concat().into()]).expect("a good head");
        assert!(matches!(read_now(&mut body), Err(BodyError::Incomplete { .. } | BodyError::Signature)));
    }
}

const SIGNATURE_LINE: usize = ";chunk-signature=".len() + 64 + 2;

#[test]
fn empty_bodies_work_in_every_framing() {
    for (mode, trailer) in [
        (SIGNED, None),
        (SIGNED_TRAILER, Some((CRC32, "AAAAAA=="))),
        (UNSIGNED_TRAILER, Some((CRC32, "AAAAAA=="))),
    ] {
        let upload = Upload { mode, decoded: "0".into(), trailer: trailer.map(|(name, _)| name) };
        let encoded = encode(&upload.head(), mode, &[], trailer);
        let mut body = upload.body(cut(&encoded, 13)).expect("a good head");
        assert_eq!(read_now(&mut body).expect(mode), b"");
        assert_eq!(Pin::new(&mut body).trailer().is_some(), trailer.is_some());
    }
    let head = Signing::default().header();
    let mut body = RequestBody::new(&head, Pieces::new([]), Payload::Unsigned).expect("a good head");
    assert_eq!(read_now(&mut body).expect("nothing"), b"");
}

/// minio-go ends an unsigned trailer with one line end more than AWS shows.
#[test]
fn blank_lines_after_the_trailer_are_harmless() {
    let upload = Upload { mode: UNSIGNED_TRAILER, decoded: "1".into(), trailer: Some(CRC32) };
    let mut body =
        upload.body(cut(b"1\r\na\r\n0\r\nx-amz-checksum-crc32:6Le+Qw==\n\r\n\r\n", 9)).expect("a good head");
    assert_eq!(read_now(&mut body).expect("as minio-go sends it"), b"a");
}

#[test]
fn malformed_framing_is_refused() {
    let zeros = "0".repeat(200);
    let trailing = "a".repeat(2000);
    for (encoded, decoded, expected) in [
        ("", "0", "ended after 0 of 0"),
        ("1", "1", "ended after 0 of 1"),
        ("1\r\na", "1", "ended after 1 of 1"),
        ("1\r\na\r\n", "1", "ended after 1 of 1"),
        ("2\r\na", "2", "ended after 1 of 2"),
        ("1\r\na\r\n0\r\n\r\n", "2", "ended after 1 of 2"),
        ("0\r\n\r\n", "1", "ended after 0 of 1"),
        ("2\r\nab\r\n0\r\n\r\n", "1", "longer than the 1 announced"),
        ("1\r\na\r\n1\r\nb\r\n0\r\n\r\n", "1", "longer than the 1 announced"),
        ("ffffffffffffffff\r\na", "1", "longer than the 1 announced"),
        ("10000000000000000\r\na", "1", "not a hexadecimal"),
        ("-1\r\na\r\n0\r\n\r\n", "1", "not a hexadecimal"),
        ("+1\r\na\r\n0\r\n\r\n", "1", "not a hexadecimal"),
        (" 1\r\na\r\n0\r\n\r\n", "1", "not a hexadecimal"),
        ("0x1\r\na\r\n0\r\n\r\n", "1", "not a hexadecimal"),
        ("1;x=y\r\na\r\n0\r\n\r\n", "1", "not a hexadecimal"),
        ("\r\na\r\n0\r\n\r\n", "1", "not a hexadecimal"),
        ("1\na\n0\n\n", "1", "does not end in CRLF"),
        ("\u{661}\r\na", "1", "not a hexadecimal"),
        ("1\r\nab\r\n0\r\n\r\n", "1", "longer than its size"),
        ("1\r\na\n0\r\n\r\n", "1", "longer than its size"),
        (zeros.as_str(), "1", "too long"),
        ("0\r\n\r\nGET / HTTP/1.1\r\n\r\n", "0", "follows"),
        ("0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "0", "follows"),
        (&format!("0\r\n{trailing}"), "0", "too long"),
    ] {
        let upload = Upload { mode: UNSIGNED_TRAILER, decoded: decoded.into(), trailer: None };
        for size in [1, 3, 4096] {
            let head = upload.head();
            let caller = authenticator().authenticate(&head, Timestamp(NOW_MS)).expect("signed");
            let mut pieces = Pieces::new(cut(encoded.as_bytes(), size));
            pieces.length = None;
            let mut body = RequestBody::new(&head, pieces, caller.payload).expect("a good head");
            let error = read_now(&mut body).expect_err(encoded);
            assert!(error.to_string().contains(expected), "{encoded:?} cut by {size}: {error}");
        }
    }
    let upload = Upload { mode: UNSIGNED_TRAILER, decoded: "1".into(), trailer: None };
    let signed = format!("1;chunk-signature={}\r\na\r\n", "0".repeat(64));
    let mut body = upload.body(vec![signed.clone().into()]).expect("a good head");
    assert!(matches!(read_now(&mut body), Err(BodyError::Framing(_))));
    let upload = Upload { mode: SIGNED, decoded: "1".into(), trailer: None };
    for line in ["1\r\na\r\n", &signed, &signed.replace("=00", "=0")] {
        let mut body = upload.body(vec![line.to_owned().into()]).expect("a good head");
        assert!(matches!(read_now(&mut body), Err(BodyError::Signature | BodyError::Framing(_))), "{line}");
    }
}

#[test]
fn heads_that_contradict_their_body_are_refused_before_it_is_read() {
    let check =
        |mode, decoded: Option<&str>, trailer: Option<&str>, length: Option<u64>, expected: BodyRefusal| {
            let mut headers = Vec::new();
            headers.extend(decoded.map(|value| ("x-amz-decoded-content-length", value)));
            headers.extend(trailer.map(|value| ("x-amz-trailer", value)));
            let head =
                Signing { method: "PUT", headers: &headers, payload: mode, ..Signing::default() }.header();
            let caller = authenticator().authenticate(&head, Timestamp(NOW_MS)).expect("signed");
            let body = Pieces { pieces: VecDeque::new(), length };
            assert_eq!(RequestBody::new(&head, body, caller.payload).expect_err("a refusal"), expected);
        };
    let plain = "UNSIGNED-PAYLOAD";
    check(SIGNED, None, None, Some(10), BodyRefusal::MissingContentLength);
    check(SIGNED, Some("ten"), None, Some(10), BodyRefusal::MissingContentLength);
    check(SIGNED, Some("11"), None, Some(10), BodyRefusal::DecodedContentLength);
    check(SIGNED, Some("1"), Some(CRC32), Some(100), BodyRefusal::NoPlaceForTrailer);
    check(plain, None, Some(CRC32), Some(100), BodyRefusal::NoPlaceForTrailer);
    check(plain, None, None, None, BodyRefusal::MissingContentLength);
    check(UNSIGNED_TRAILER, Some("1"), Some("x-amz-meta-a"), Some(100), BodyRefusal::UnsupportedTrailer);
}

#[test]
fn plain_bodies_have_exactly_their_length() {
    let head = Signing::default().header();
    let open = |pieces: &[&'static [u8]], length| {
        let pieces = pieces.iter().map(|piece| Bytes::from_static(piece)).collect();
        RequestBody::new(&head, Pieces { pieces, length: Some(length) }, Payload::Unsigned)
            .expect("a good head")
    };
    assert_eq!(read_now(&mut open(&[b"ab", b"", b"c"], 3)).expect("whole"), b"abc");
    let short = read_now(&mut open(&[b"ab"], 3)).expect_err("short");
    assert!(matches!(short, BodyError::Incomplete { received: 2, announced: 3 }), "{short}");
    let long = read_now(&mut open(&[b"ab", b"cd"], 3)).expect_err("long");
    assert!(matches!(long, BodyError::TooLong { announced: 3 }), "{long}");
}

#[test]
fn pieces_are_slices_of_the_buffers_that_arrived() {
    let upload = Upload { mode: UNSIGNED_TRAILER, decoded: "6".into(), trailer: None };
    let buffer = Bytes::from_static(b"6\r\nabcdef\r\n0\r\n\r\n");
    let range = buffer.as_ptr_range();
    let mut body = upload.body(vec![buffer]).expect("a good head");
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let Poll::Ready(Some(Ok(piece))) = body.poll_piece(&mut cx) else { panic!("no piece") };
    assert_eq!(&piece[..], b"abcdef");
    assert!(range.contains(&piece.as_ptr()), "the piece was copied");
}

/// A body whose client stops.
#[derive(Debug)]
struct Silent;

impl http_body::Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(1)
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_is_given_up() {
    let head = Signing::default().header();
    let mut body = RequestBody::new(&head, Silent, Payload::Unsigned).expect("a good head");
    assert!(matches!(read(&mut body).await, Err(BodyError::TimedOut)));
}

/// An error of the connection, with its cause inside as hyper has it.
#[derive(Debug, thiserror::Error)]
#[error("the connection failed")]
struct Broken(#[source] io::Error);

#[tokio::test]
async fn errors_of_the_connection_keep_their_meaning() {
    for (kind, meaning) in [
        (io::ErrorKind::UnexpectedEof, "ended after 2 of 10"),
        (io::ErrorKind::InvalidData, "framing"),
        (io::ErrorKind::ConnectionReset, "connection failed"),
    ] {
        let head = Signing::default().header();
        let frames = [Ok(Frame::data(Bytes::from_static(b"ab"))), Err(Broken(kind.into()))];
        let stream = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
        let body = Sized(stream.boxed(), 10);
        let mut body = RequestBody::new(&head, body, Payload::Unsigned).expect("a good head");
        let error = read(&mut body).await.expect_err("a broken connection");
        assert!(error.to_string().contains(meaning), "{kind}: {error}");
    }
}

/// Gives a body a length.
#[derive(Debug)]
struct Sized<B>(B, u64);

impl<B: http_body::Body + Unpin> http_body::Body for Sized<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.1)
    }
}

mod collecting {
    use super::*;

    fn head(headers: &[(&str, &str)], payload: &str) -> (Parts, Payload) {
        let head = Signing { method: "POST", headers, payload, ..Signing::default() }.header();
        let caller = authenticator().authenticate(&head, Timestamp(NOW_MS)).expect("signed");
        (head, caller.payload)
    }

    async fn collect(
        headers: &[(&str, &str)],
        payload: &str,
        bytes: &str,
        limit: usize,
    ) -> Result<Bytes, CollectError> {
        let (head, payload) = head(headers, payload);
        let pieces = Pieces::new(cut(bytes.as_bytes(), 3));
        RequestBody::new(&head, pieces, payload).expect("a good head").collect(limit, None).await
    }

    #[tokio::test]
    async fn a_body_that_holds_its_promises_is_given_whole() {
        let md5 = ("content-md5", "kAFQmDzST7DWlj99KOF/cg==");
        let hash = sha256(b"abc");
        let whole = collect(&[md5], &hash, "abc", 3).await.expect("a good body");
        assert_eq!(whole, "abc");
        assert_eq!(collect(&[], "UNSIGNED-PAYLOAD", "abcdefgh", 100).await.expect("in pieces"), "abcdefgh");
        assert_eq!(collect(&[], &sha256(b""), "", 0).await.expect("empty"), "");
    }

    #[tokio::test]
    async fn each_broken_promise_has_its_code() {
        let md5 = ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
        let code = |error: &CollectError| (error.code(), error.status().as_u16());
        let error = collect(&[], "UNSIGNED-PAYLOAD", "abcd", 3).await.expect_err("too big");
        assert_eq!(code(&error), ("MaxMessageLengthExceeded", 400));
        let error = collect(&[], &sha256(b"abd"), "abc", 9).await.expect_err("another hash");
        assert_eq!(code(&error), ("XAmzContentSHA256Mismatch", 400));
        assert_eq!(error.elements()[1], ("S3ComputedContentSHA256", sha256(b"abc")));
        let error = collect(&[md5], "UNSIGNED-PAYLOAD", "abc", 9).await.expect_err("another MD5");
        assert_eq!(code(&error), ("BadDigest", 400));
        assert_eq!(error.elements()[1], ("CalculatedDigest", "kAFQmDzST7DWlj99KOF/cg==".to_owned()));
    }

    #[tokio::test]
    async fn checksums_in_header_and_trailer_are_verified() {
        let checksum = |bytes: &[u8]| {
            let mut hasher = drystone_core::checksum::Hasher::new(Algorithm::Crc32);
            hasher.update(bytes);
            hasher.finish()
        };
        for (bytes, good) in [(&b"abc"[..], true), (b"abd", false)] {
            let (head, payload) = head(&[], "UNSIGNED-PAYLOAD");
            let body = RequestBody::new(&head, Pieces::new(cut(b"abc", 2)), payload).expect("a good head");
            assert_eq!(body.collect(9, Some(checksum(bytes))).await.is_ok(), good);

            let value = STANDARD.encode(checksum(bytes).value());
            let upload = Upload { mode: UNSIGNED_TRAILER, decoded: "3".into(), trailer: Some(CRC32) };
            let encoded = encode(&upload.head(), UNSIGNED_TRAILER, &[b"abc"], Some((CRC32, &value)));
            let body = upload.body(vec![encoded.into()]).expect("a good head");
            let outcome = body.collect(9, None).await;
            assert_eq!(outcome.is_ok(), good);
            assert!(outcome.is_ok() || outcome.expect_err("checked").code() == "BadDigest");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the chunks and the buffers, what comes out is what went in.
    #[test]
    fn chunks_of_any_size_in_buffers_of_any_size(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..6),
        size in 1_usize..400,
        mode in prop_oneof![Just(SIGNED), Just(SIGNED_TRAILER), Just(UNSIGNED_TRAILER)],
    ) {
        let data = chunks.concat();
        let trailer = (mode != SIGNED).then_some((CRC32, "AAAAAA=="));
        let upload = Upload { mode, decoded: data.len().to_string(), trailer: trailer.map(|(name, _)| name) };
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let encoded = encode(&upload.head(), mode, &chunks, trailer);
        let mut body = upload.body(cut(&encoded, size)).expect("a good head");
        prop_assert_eq!(read_now(&mut body).expect("a good body"), data);
    }

    /// No input makes the decoder panic, or give more than was announced.
    #[test]
    fn arbitrary_input_is_survived(
        input in proptest::collection::vec(prop_oneof![
            Just(b"1\r\n".to_vec()), Just(b"5\r\n".to_vec()), Just(b"0\r\n".to_vec()), Just(b"\r\n".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..8),
        ], 0..20),
        announced in 0_u64..40,
    ) {
        let decoder = Decoder::new(None, Trailer::Present, None, announced);
        let mut decoder = decoder;
        let mut given = 0;
        for piece in input {
            let mut piece = Bytes::from(piece);
            loop {
                match decoder.decode(&mut piece) {
                    Ok(Some(bytes)) => given += bytes.len() as u64,
                    Ok(None) => break,
                    Err(_) => return Ok(()),
                }
            }
        }
        prop_assert!(given <= announced);
        if decoder.finish().is_ok() {
            prop_assert_eq!(given, announced);
        }
    }
}
