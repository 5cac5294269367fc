//! Who a request says it comes from, before anybody believes it.

use std::borrow::Cow;

use drystone_core::names::Timestamp;
use http::request::Parts;

use super::date::{self, SigningDate};
use super::error::AuthError;
use super::scope::Mechanism;
use super::{header, presigned};

/// The only algorithm that this server verifies.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// SigV4A, which signs for several regions with an elliptic curve.
pub(crate) const ALGORITHM_V4A: &str = "AWS4-ECDSA-P256-SHA256";

/// Seconds between the client's and the server's clock that are tolerated. Source: AWS,
/// "RequestTimeTooSkewed", 15 minutes.
pub(crate) const SKEW_S_MAX: i64 = 15 * 60;

/// The parts of a signature, from the header or from the query.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) mechanism: Mechanism,
    pub(crate) credential: Cow<'a, str>,
    pub(crate) signed_headers: Cow<'a, str>,
    pub(crate) signature: Cow<'a, str>,
    pub(crate) date: SigningDate,
    /// How long a presigned URL lives, in seconds.
    pub(crate) expires_s: Option<u64>,
    /// What a presigned URL says of the body, where it says anything.
    pub(crate) content_sha256: Option<Cow<'a, str>>,
}

impl<'a> Claim<'a> {
    /// Finds the one signature of a request.
    ///
    /// # Errors
    /// None, two, or one that cannot be read.
    pub(crate) fn read(request: &'a Parts) -> Result<Self, AuthError> {
        let in_header = header::authorization(request)?;
        let in_query = presigned::detect(request.uri.query());
        match (in_header, in_query) {
            (None, None) => Err(AuthError::Anonymous),
            (Some(_), Some(_)) => Err(AuthError::SeveralMechanisms),
            (Some(authorization), None) => header::read(request, authorization),
            (None, Some(presigned::Version::V2)) => Err(AuthError::SignatureV2),
            (None, Some(presigned::Version::V4)) => presigned::read(request.uri.query().unwrap_or_default()),
        }
    }

    /// Accepts a request that was signed around `now`, or a presigned URL that lives at `now`.
    pub(crate) fn check_time(&self, now: Timestamp) -> Result<(), AuthError> {
        let now_s = date::seconds(now);
        let signed_s = self.date.seconds();
        let Some(expires_s) = self.expires_s else {
            if now_s.abs_diff(signed_s) > SKEW_S_MAX.unsigned_abs() {
                return Err(AuthError::TimeTooSkewed {
                    request_time: self.date.as_str().to_owned(),
                    server_time: date::iso(now_s),
                });
            }
            return Ok(());
        };
        if signed_s > now_s.saturating_add(SKEW_S_MAX) {
            return Err(AuthError::NotYetValid);
        }
        let expired_s = signed_s.saturating_add_unsigned(expires_s);
        if now_s >= expired_s {
            return Err(AuthError::Expired {
                expires_s,
                expired_at: date::iso(expired_s),
                server_time: date::iso(now_s),
            });
        }
        Ok(())
    }
}
