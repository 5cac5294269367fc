//! Signature Version 4: who sent this request, and is it what they sent?
//!
//! [`Authenticator::authenticate`] either proves that the holder of a known secret signed exactly
//! this request for this server around now, or refuses it with AWS's error. It promises:
//! - nothing that S3 obeys is left unsigned (`host`, every `x-amz-*` header);
//! - an unknown access key and a bad signature get the same answer for the same work;
//! - secrets and derived keys are wiped when dropped, and never printed;
//! - what the body must be is part of what was signed ([`Payload`]), so that a body can be checked
//!   by whoever reads it.
//!
//! Without it, everything behind this door is public.

pub(crate) mod hex;
pub(super) mod uri;
mod date;
mod error;
mod scope;
mod signing_key;
mod credentials;
mod chunk_signature;
mod payload;
mod claim;
mod header;
mod presigned;
mod canonical;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod signer;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use drystone_core::names::Timestamp;
use http::request::Parts;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use self::chunk_signature::ChunkSigner;
pub(crate) use self::claim::SKEW_S_MAX;
use self::claim::{ALGORITHM, Claim};
pub use self::credentials::{
    Account, CREDENTIALS_MAX, Credential, CredentialError, CredentialStore, SECRET_LEN_MIN,
};
pub use self::error::{AuthError, Mismatch};
use self::payload::PayloadMode;
pub use self::payload::{Payload, Trailer};
use self::scope::Mechanism;

/// First size of the buffer that a canonical request is written to: those of SDKs have 300 to 900 bytes.
const CANONICAL_CAPACITY: usize = 1024;

/// Verifies signatures for one server: its key pairs and its region.
#[derive(Debug)]
pub struct Authenticator {
    credentials: CredentialStore,
    region: Box<str>,
}

/// Who sent a request, proven, and how its body is to be read.
#[derive(Debug)]
pub struct Caller {
    /// The access key that signed.
    pub access_key_id: Arc<str>,
    /// The account that it acts for.
    pub account: Arc<Account>,
    /// What was signed about the body. Hand it to [`RequestBody`](super::body::RequestBody).
    pub payload: Payload,
}

impl Authenticator {
    /// Makes an authenticator that accepts signatures of `credentials` for `region` only.
    pub fn new(credentials: CredentialStore, region: &str) -> Self {
        Self { credentials, region: region.into() }
    }

    /// The key pairs that may sign.
    pub fn credentials(&self) -> &CredentialStore {
        &self.credentials
    }

    /// The region that signatures must be made for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Proves who sent the request with the head `request`, at the time `now`.
    ///
    /// The checks that need no secret come first, cheapest first, so that what they answer cannot
    /// depend on whether the access key exists.
    ///
    /// # Errors
    /// [`AuthError::Anonymous`] when the request carries no signature; every other variant when it
    /// carries one that does not hold.
    pub fn authenticate(&self, request: &Parts, now: Timestamp) -> Result<Caller, AuthError> {
        let claim = Claim::read(request)?;
        let credential = scope::Credential::parse(&claim.credential, claim.mechanism)?;
        credential.check(&self.region, &claim.date, claim.mechanism)?;
        claim.check_time(now)?;
        canonical::check_all_signed(request, &claim.signed_headers, claim.mechanism)?;
        let content_sha256 = canonical::single(&request.headers, "x-amz-content-sha256")?;
        let payload = match (content_sha256.or(claim.content_sha256.as_deref()), claim.mechanism) {
            (Some(text), _) => text,
            (None, Mechanism::Query) => payload::UNSIGNED,
            (None, Mechanism::Header) => return Err(AuthError::MissingContentSha256),
        };
        let mode = PayloadMode::parse(payload)?;

        let mut canonical = Vec::with_capacity(CANONICAL_CAPACITY);
        canonical::write(&mut canonical, request, &claim.signed_headers, payload, claim.mechanism)?;
        let digest = hex::encode(&Sha256::digest(&canonical).into());

        let found = self.credentials.find(credential.access_key_id);
        let key = found.credential.signing_key(claim.date.day(), &self.region);
        let string_to_sign =
            [ALGORITHM, "\n", claim.date.as_str(), "\n", credential.scope, "\n", hex::text(&digest)];
        let expected = key.sign(&string_to_sign.map(str::as_bytes));
        let equal = expected.ct_eq(claim.signature.as_bytes());
        if !bool::from(equal & found.known) {
            return Err(AuthError::SignatureDoesNotMatch(Box::new(Mismatch {
                access_key_id: credential.access_key_id.to_owned(),
                string_to_sign: string_to_sign.concat(),
                signature_provided: claim.signature.into_owned(),
                canonical_request: String::from_utf8_lossy(&canonical).into_owned(),
            })));
        }
        if has_session_token(request) {
            return Err(AuthError::InvalidToken);
        }
        Ok(Caller {
            access_key_id: Arc::clone(found.credential.access_key_id()),
            account: Arc::clone(found.credential.account()),
            payload: mode.with_signer(|| ChunkSigner::new(key, claim.date, credential.scope, expected)),
        })
    }
}

/// Keys with sessions do not exist here; AWS refuses a token that does not belong to the key.
fn has_session_token(request: &Parts) -> bool {
    request.headers.contains_key("x-amz-security-token")
        || request
            .uri
            .query()
            .is_some_and(|query| query.split('&').any(|piece| piece.starts_with("X-Amz-Security-Token=")))
}
