//! Small bodies, whole: the XML of an operation.
//!
//! Nothing is parsed before its length, its signed SHA-256, its Content-MD5 and its trailer are
//! verified, and no more memory is used than the caller allows.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use drystone_core::body::{Body, BodyError};
use drystone_core::checksum::md5::Md5;
use drystone_core::checksum::{Checksum, Hasher, PayloadSha256};
use http::StatusCode;
use sha2::{Digest, Sha256};

use super::{RequestBody, failure};
use crate::s3::auth::hex;

/// Why a small body was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// It is larger than its operation allows.
    #[error("Your request was too big: it has {announced} bytes and at most {limit} are allowed.")]
    TooBig {
        /// Bytes announced.
        announced: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// It broke its promise.
    #[error("{}", failure::message(.0))]
    Body(#[from] BodyError),
    /// It is not what was signed.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    Sha256 {
        /// In the request, hexadecimal.
        client: String,
        /// Of the body, hexadecimal.
        computed: String,
    },
    /// It is not what `Content-MD5` says.
    #[error("The Content-MD5 you specified did not match what we received.")]
    Md5 {
        /// In the request, base64.
        expected: String,
        /// Of the body, base64.
        computed: String,
    },
    /// It is not what its checksum says.
    #[error("The {0} you specified did not match the calculated checksum.")]
    Checksum(&'static str),
}

impl CollectError {
    /// S3's error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooBig { .. } => "MaxMessageLengthExceeded",
            Self::Body(error) => failure::code(error),
            Self::Sha256 { .. } => "XAmzContentSHA256Mismatch",
            Self::Md5 { .. } | Self::Checksum(_) => "BadDigest",
        }
    }

    /// The HTTP status that goes with the code.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Body(error) => failure::status(error),
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The elements that S3 adds to `<Error>`: name and text, not yet escaped.
    pub fn elements(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::TooBig { limit, .. } => vec![("MaxMessageLengthBytes", limit.to_string())],
            Self::Sha256 { client, computed } => vec![
                ("ClientComputedContentSHA256", client.clone()),
                ("S3ComputedContentSHA256", computed.clone()),
            ],
            Self::Md5 { expected, computed } => {
                vec![("ExpectedDigest", expected.clone()), ("CalculatedDigest", computed.clone())]
            }
            Self::Body(_) | Self::Checksum(_) => Vec::new(),
        }
    }
}

impl<B> RequestBody<B>
where
    B: http_body::Body<Data = Bytes> + Unpin + Send,
    B::Error: Error + Send + Sync + 'static,
{
    /// Takes the whole body, `limit` bytes at most, and verifies it.
    ///
    /// `checksum` is the value of an `x-amz-checksum-*` header, for operations that have one.
    ///
    /// # Errors
    /// A body that is too big, broken, or not what its digests say.
    pub async fn collect(mut self, limit: usize, checksum: Option<Checksum>) -> Result<Bytes, CollectError> {
        let (announced, limit) = (self.announced(), limit as u64);
        if announced > limit {
            return Err(CollectError::TooBig { announced, limit });
        }
        let mut whole = Bytes::new();
        let mut joined = BytesMut::new();
        while let Some(piece) = poll_fn(|cx| self.poll_piece(cx)).await {
            let piece = piece?;
            if whole.is_empty() && joined.is_empty() {
                whole = piece;
                continue;
            }
            joined.extend_from_slice(&std::mem::take(&mut whole));
            joined.extend_from_slice(&piece);
        }
        if !joined.is_empty() {
            whole = joined.freeze();
        }
        verify_sha256(self.sha256(), &whole)?;
        verify_md5(self.content_md5(), &whole)?;
        for expected in [checksum, Pin::new(&mut self).trailer()].into_iter().flatten() {
            let mut hasher = Hasher::new(expected.algorithm());
            hasher.update(&whole);
            if hasher.finish() != expected {
                return Err(CollectError::Checksum(expected.algorithm().name()));
            }
        }
        Ok(whole)
    }
}

fn verify_sha256(expected: Option<PayloadSha256>, bytes: &[u8]) -> Result<(), CollectError> {
    let Some(PayloadSha256(expected)) = expected else { return Ok(()) };
    let computed: [u8; 32] = Sha256::digest(bytes).into();
    if computed == expected {
        return Ok(());
    }
    let hex = |digest| hex::text(&hex::encode(digest)).to_owned();
    Err(CollectError::Sha256 { client: hex(&expected), computed: hex(&computed) })
}

fn verify_md5(expected: Option<[u8; 16]>, bytes: &[u8]) -> Result<(), CollectError> {
    let Some(expected) = expected else { return Ok(()) };
    let computed = Md5::of(bytes);
    if computed == expected {
        return Ok(());
    }
    Err(CollectError::Md5 { expected: STANDARD.encode(expected), computed: STANDARD.encode(computed) })
}
