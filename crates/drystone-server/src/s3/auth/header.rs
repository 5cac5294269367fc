//! The Authorization header of Signature Version 4.
//!
//! `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`: three parts, each once, in any
//! order, separated by a comma and perhaps space.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, DATE};
use http::request::Parts;

use super::canonical::single;
use super::claim::{ALGORITHM, ALGORITHM_V4A, Claim};
use super::date::SigningDate;
use super::error::AuthError;
use super::scope::Mechanism;

/// Reads the claim of a request that has an Authorization header with the value `authorization`.
pub(crate) fn read<'a>(request: &'a Parts, authorization: &'a str) -> Result<Claim<'a>, AuthError> {
    let (scheme, parts) = authorization.split_once(' ').unwrap_or((authorization, ""));
    match scheme {
        ALGORITHM => {}
        ALGORITHM_V4A => return Err(AuthError::SignatureV4a(ALGORITHM_V4A)),
        "AWS" => return Err(AuthError::SignatureV2),
        _ => return Err(AuthError::UnsupportedAuthorization),
    }
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for part in parts.split(',') {
        let (name, value) = part.trim().split_once('=').ok_or_else(|| malformed("a part has no '='."))?;
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(malformed("a part is none of Credential, SignedHeaders and Signature.")),
        };
        if slot.replace(value).is_some() {
            return Err(malformed("a part came twice."));
        }
    }
    Ok(Claim {
        mechanism: Mechanism::Header,
        credential: Cow::Borrowed(credential.ok_or_else(|| malformed("missing Credential."))?),
        signed_headers: Cow::Borrowed(signed_headers.ok_or_else(|| malformed("missing SignedHeaders."))?),
        signature: Cow::Borrowed(signature.ok_or_else(|| malformed("missing Signature."))?),
        date: date(request)?,
        expires_s: None,
        content_sha256: None,
    })
}

/// The value of the Authorization header; `None` where there is none, or an empty one.
pub(crate) fn authorization(request: &Parts) -> Result<Option<&str>, AuthError> {
    Ok(single(&request.headers, AUTHORIZATION.as_str())?.filter(|value| !value.is_empty()))
}

/// `x-amz-date`, or `Date` where that is missing.
fn date(request: &Parts) -> Result<SigningDate, AuthError> {
    let basic = single(&request.headers, "x-amz-date")?;
    let parsed = match basic {
        Some(text) => SigningDate::from_basic(text).or_else(|| SigningDate::from_http(text)),
        None => single(&request.headers, DATE.as_str())?
            .and_then(|text| SigningDate::from_http(text).or_else(|| SigningDate::from_basic(text))),
    };
    parsed.ok_or(AuthError::MissingDate)
}

fn malformed(detail: &str) -> AuthError {
    AuthError::HeaderMalformed(detail.to_owned())
}
