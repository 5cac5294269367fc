//! aws-chunked bodies: any bytes, and bodies that a naive client encoded and something changed.
//!
//! Promises: how a body is cut into buffers makes no difference; a body that ends well has the
//! announced length; one that was encoded well is read back; of a signed one, whose bytes are changed
//! on the way, nothing but the original ever ends well.

use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use drystone_core::body::Body as _;
use drystone_core::checksum::{Algorithm, Checksum, Hasher};
use drystone_core::names::Timestamp;
use http::request::Parts;

use super::input::{Cut, Input, Pieces, changed};
use super::signature::KNOWS;
use crate::s3::auth::signer::{DATE, NOW_MS, SCOPE, SECRET, Signing, sha256, sign};
use crate::s3::body::RequestBody;

/// Chunks that the naive client writes at most: each costs a derived key.
const CHUNKS_MAX: usize = 8;

/// What the head says of the body.
#[derive(Clone, Copy)]
struct Mode {
    name: &'static str,
    signed: Chunks,
    trailer: Option<Algorithm>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunks {
    Signed,
    Unsigned,
}

impl Mode {
    fn read(input: &mut Input<'_>) -> Self {
        let (kind, algorithm) = (input.byte(), input.byte());
        let trailer = Algorithm::ALL.into_iter().nth(usize::from(algorithm % 6));
        match kind % 3 {
            0 => Self { name: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", signed: Chunks::Signed, trailer: None },
            1 => Self { name: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", signed: Chunks::Signed, trailer },
            _ => Self { name: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", signed: Chunks::Unsigned, trailer },
        }
    }

    fn head(&self, announced: usize) -> Parts {
        let length = announced.to_string();
        let trailer = self.trailer.map(|algorithm| format!("x-amz-checksum-{}", name(algorithm)));
        let mut headers = vec![("x-amz-decoded-content-length", length.as_str())];
        headers.extend(trailer.as_deref().map(|name| ("x-amz-trailer", name)));
        Signing { method: "PUT", headers: &headers, payload: self.name, ..Signing::default() }.header()
    }
}

fn name(algorithm: Algorithm) -> String {
    algorithm.name().to_ascii_lowercase()
}

/// Mode, then either a body's raw bytes, or how to encode a body, what to change in it, and its bytes.
///
/// # Panics
/// When a promise of chunked bodies does not hold.
pub fn chunked(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = Mode::read(&mut input);
    let cut = Cut::Every { bytes: usize::from(input.byte()) + 1, first: usize::from(input.byte()) };
    if input.byte().is_multiple_of(2) {
        let announced = usize::from(input.number());
        let wire = Bytes::copy_from_slice(input.rest());
        let head = mode.head(announced);
        check_alike(&head, &wire, cut, announced);
        return;
    }
    let (place, other, size) = (usize::from(input.number()), input.byte(), usize::from(input.byte()) + 1);
    let body = input.rest();
    let head = mode.head(body.len());
    let (wire, checksum) = encode(&head, mode, body, size.max(body.len().div_ceil(CHUNKS_MAX)));
    assert_eq!(read(&head, &wire, cut), Ok((body.to_vec(), checksum)), "a good body is read back");

    let damaged = Bytes::from(changed(&wire, place, other));
    check_alike(&head, &damaged, cut, body.len());
    if let (Chunks::Signed, Ok((bytes, _))) = (mode.signed, read(&head, &damaged, Cut::Whole)) {
        assert_eq!(bytes, body, "a changed body passes for signed");
    }
}

/// The body comes out the same however it is cut, with the announced length.
fn check_alike(head: &Parts, wire: &Bytes, cut: Cut, announced: usize) {
    let whole = read(head, wire, Cut::Whole);
    if let Ok((bytes, _)) = &whole {
        assert_eq!(bytes.len(), announced, "a body that ended well has another length");
    }
    assert_eq!(read(head, wire, cut), whole, "{cut:?} makes a difference");
}

/// Reads a body to its end: its bytes and its trailer, or the refusal.
fn read(head: &Parts, wire: &Bytes, cut: Cut) -> Result<(Vec<u8>, Option<Checksum>), String> {
    let caller = KNOWS.authenticate(head, Timestamp(NOW_MS)).expect("the head is signed");
    let body = RequestBody::new(head, Pieces::new(wire.clone(), cut), caller.payload);
    let mut body = body.map_err(|refusal| refusal.to_string())?;
    let mut context = Context::from_waker(Waker::noop());
    let mut all = Vec::new();
    loop {
        match Pin::new(&mut body).poll_next(&mut context) {
            Poll::Ready(Some(Ok(piece))) => all.extend_from_slice(&piece),
            Poll::Ready(Some(Err(error))) => return Err(error.to_string()),
            Poll::Ready(None) => return Ok((all, body.trailer())),
            Poll::Pending => panic!("a body in memory makes nobody wait"),
        }
    }
}

/// Encodes as AWS's page "Signature Calculations: Transferring Payload in Multiple Chunks" says.
fn encode(head: &Parts, mode: Mode, body: &[u8], size: usize) -> (Bytes, Option<Checksum>) {
    let authorization = head.headers.get("authorization").and_then(|value| value.to_str().ok());
    let seed = authorization.and_then(|text| text.rsplit_once("Signature=")).expect("the head is signed").1;
    let mut previous = seed.to_owned();
    let mut wire = Vec::new();
    for chunk in body.chunks(size).chain([&b""[..]]) {
        let mut line = format!("{:x}", chunk.len());
        if mode.signed == Chunks::Signed {
            previous = sign(
                SECRET,
                &format!(
                    "AWS4-HMAC-SHA256-PAYLOAD\n{DATE}\n{SCOPE}\n{previous}\n{}\n{}",
                    sha256(b""),
                    sha256(chunk)
                ),
            );
            write!(line, ";chunk-signature={previous}").expect("a string takes all");
        }
        wire.extend_from_slice(line.as_bytes());
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(chunk);
        if !chunk.is_empty() {
            wire.extend_from_slice(b"\r\n");
        }
    }
    let checksum = mode.trailer.map(|algorithm| {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(body);
        hasher.finish()
    });
    if let Some(checksum) = &checksum {
        let line =
            format!("x-amz-checksum-{}:{}", name(checksum.algorithm()), STANDARD.encode(checksum.value()));
        wire.extend_from_slice(line.as_bytes());
        wire.extend_from_slice(b"\r\n");
        if mode.signed == Chunks::Signed {
            let digest = sha256(format!("{line}\n").as_bytes());
            let text = format!("AWS4-HMAC-SHA256-TRAILER\n{DATE}\n{SCOPE}\n{previous}\n{digest}");
            wire.extend_from_slice(format!("x-amz-trailer-signature:{}\r\n", sign(SECRET, &text)).as_bytes());
        }
    }
    wire.extend_from_slice(b"\r\n");
    (Bytes::from(wire), checksum)
}
