//! The chain of signatures of an aws-chunked body.
//!
//! Each chunk's signature covers its bytes and the signature before it, the first one the request's
//! own; so chunks can be neither changed, dropped, repeated nor put in another order.
//! Source: AWS, "Transferring Payload in Multiple Chunks" and "Including Trailing Headers".

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::date::SigningDate;
use super::hex::{self, Hex};
use super::signing_key::SigningKey;

/// SHA-256 of nothing, which stands in a chunk's string to sign for the headers it does not have.
const EMPTY_SHA256: &[u8; 64] = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Verifies the signatures of one body, in order.
pub struct ChunkSigner {
    key: SigningKey,
    date: SigningDate,
    scope: Box<str>,
    previous: Hex,
    hash: Sha256,
}

impl ChunkSigner {
    /// Starts the chain after the request's own signature, `seed`.
    pub(crate) fn new(key: SigningKey, date: SigningDate, scope: &str, seed: Hex) -> Self {
        Self { key, date, scope: scope.into(), previous: seed, hash: Sha256::new() }
    }

    /// Takes bytes of the current chunk.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    /// Ends the current chunk; whether `given` is its signature.
    #[must_use]
    pub(crate) fn finish_chunk(&mut self, given: &Hex) -> bool {
        let digest = hex::encode(&self.hash.finalize_reset().into());
        self.advance(given, "AWS4-HMAC-SHA256-PAYLOAD\n", &[EMPTY_SHA256, b"\n", &digest])
    }

    /// Ends the body; whether `given` is the signature of the trailer, written `name:value\n` each.
    #[must_use]
    pub(crate) fn finish_trailer(&mut self, trailer: &[u8], given: &Hex) -> bool {
        let digest = hex::encode(&Sha256::digest(trailer).into());
        self.advance(given, "AWS4-HMAC-SHA256-TRAILER\n", &[&digest])
    }

    fn advance(&mut self, given: &Hex, algorithm: &str, last: &[&[u8]]) -> bool {
        let date = self.date.as_str().as_bytes();
        let mut parts: Vec<&[u8]> =
            vec![algorithm.as_bytes(), date, b"\n", self.scope.as_bytes(), b"\n", &self.previous, b"\n"];
        parts.extend_from_slice(last);
        let expected = self.key.sign(&parts);
        self.previous = expected;
        expected.ct_eq(given).into()
    }
}

impl fmt::Debug for ChunkSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkSigner")
            .field("date", &self.date)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
