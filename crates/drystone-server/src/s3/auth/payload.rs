//! What `x-amz-content-sha256` says about the body.
//!
//! The header's value is signed, so it decides, safely, how the body is checked: against a hash,
//! chunk by chunk against signatures, or not at all.

use drystone_core::checksum::PayloadSha256;

use super::chunk_signature::ChunkSigner;
use super::error::AuthError;
use super::hex;

/// The value that stands for a body that nobody signed.
pub(crate) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// How a body is framed and what proves it. Made by authentication, used by `RequestBody`.
#[derive(Debug)]
pub enum Payload {
    /// The plain body must have this SHA-256.
    Sha256(PayloadSha256),
    /// The plain body is not signed.
    Unsigned,
    /// The body is aws-chunked.
    Chunked {
        /// What each chunk's signature is checked with; `None` where chunks are not signed.
        signer: Option<Box<ChunkSigner>>,
        /// Whether checksums follow the last chunk.
        trailer: Trailer,
    },
}

/// Whether a trailer follows the last chunk of an aws-chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trailer {
    /// None may come.
    Absent,
    /// One follows, even if it is empty.
    Present,
}

/// The modes, before the signature that starts a chain of chunk signatures is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadMode {
    Sha256(PayloadSha256),
    Unsigned,
    SignedChunks(Trailer),
    UnsignedChunks,
}

impl PayloadMode {
    /// Reads the header's value.
    ///
    /// # Errors
    /// A value that S3 does not know, or SigV4A, which is not implemented.
    pub(crate) fn parse(text: &str) -> Result<Self, AuthError> {
        match text {
            UNSIGNED => Ok(Self::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Self::SignedChunks(Trailer::Absent)),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Self::SignedChunks(Trailer::Present)),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Self::UnsignedChunks),
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
            | "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER" => {
                Err(AuthError::SignatureV4a("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"))
            }
            _ => hex::decode(text.as_bytes())
                .map(|digest| Self::Sha256(PayloadSha256(digest)))
                .ok_or_else(|| AuthError::InvalidContentSha256(text.to_owned())),
        }
    }

    /// Completes the mode once the request's own signature is verified.
    pub(crate) fn with_signer(self, signer: impl FnOnce() -> ChunkSigner) -> Payload {
        match self {
            Self::Sha256(digest) => Payload::Sha256(digest),
            Self::Unsigned => Payload::Unsigned,
            Self::SignedChunks(trailer) => Payload::Chunked { signer: Some(Box::new(signer())), trailer },
            Self::UnsignedChunks => Payload::Chunked { signer: None, trailer: Trailer::Present },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_value_is_known_and_nothing_else() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(matches!(PayloadMode::parse(empty), Ok(PayloadMode::Sha256(_))));
        for (text, mode) in [
            ("UNSIGNED-PAYLOAD", PayloadMode::Unsigned),
            ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", PayloadMode::SignedChunks(Trailer::Absent)),
            ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", PayloadMode::SignedChunks(Trailer::Present)),
            ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", PayloadMode::UnsignedChunks),
        ] {
            assert_eq!(PayloadMode::parse(text), Ok(mode));
        }
        for text in
            ["", "unsigned-payload", "STREAMING-UNSIGNED-PAYLOAD", &empty[1..], "STREAMING-AWS4-HMAC-SHA256"]
        {
            assert_eq!(PayloadMode::parse(text), Err(AuthError::InvalidContentSha256(text.into())));
        }
        let refusal = PayloadMode::parse("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD").expect_err("SigV4A");
        assert_eq!((refusal.code(), refusal.status().as_u16()), ("NotImplemented", 501));
    }
}
