//! Presigned URLs: the signature in `X-Amz-*` query parameters.
//!
//! Source: AWS, "Authenticating Requests: Using Query Parameters".

use std::borrow::Cow;

use super::canonical::SIGNATURE_PARAMETER;
use super::claim::{ALGORITHM, ALGORITHM_V4A, Claim};
use super::date::SigningDate;
use super::error::AuthError;
use super::scope::Mechanism;
use super::uri;

/// The longest life of a presigned URL, in seconds: seven days.
const EXPIRES_S_MAX: u64 = 7 * 24 * 60 * 60;

/// Which signature version the query parameters belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// `AWSAccessKeyId`, `Signature`, `Expires`.
    V2,
    /// `X-Amz-Algorithm` and its company.
    V4,
}

/// Whether the query carries a signature, and of which version.
pub(crate) fn detect(query: Option<&str>) -> Option<Version> {
    let names = || parameters(query.unwrap_or_default()).map(|(name, _)| name);
    if names().any(|name| matches!(name, "X-Amz-Algorithm" | "X-Amz-Credential" | SIGNATURE_PARAMETER)) {
        return Some(Version::V4);
    }
    names().any(|name| matches!(name, "AWSAccessKeyId" | "Signature")).then_some(Version::V2)
}

fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|piece| piece.split_once('=').unwrap_or((piece, "")))
}

/// Reads the claim of a presigned URL.
pub(crate) fn read(query: &str) -> Result<Claim<'_>, AuthError> {
    let algorithm = required(query, "X-Amz-Algorithm")?;
    let credential = required(query, "X-Amz-Credential")?;
    let signature = required(query, SIGNATURE_PARAMETER)?;
    let date = required(query, "X-Amz-Date")?;
    let signed_headers = required(query, "X-Amz-SignedHeaders")?;
    let expires = required(query, "X-Amz-Expires")?;
    match &*algorithm {
        ALGORITHM => {}
        ALGORITHM_V4A => return Err(AuthError::SignatureV4a(ALGORITHM_V4A)),
        _ => return Err(refuse("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"")),
    }
    Ok(Claim {
        mechanism: Mechanism::Query,
        credential,
        signed_headers,
        signature,
        date: SigningDate::from_basic(&date).ok_or_else(|| {
            refuse("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
        })?,
        expires_s: Some(expires_s(&expires)?),
        content_sha256: once(query, "X-Amz-Content-Sha256")?.map(uri::decode).transpose()?,
    })
}

/// A URL that lives for 0 seconds is a number like another, and expired at once.
fn expires_s(text: &str) -> Result<u64, AuthError> {
    if text.strip_prefix('-').is_some_and(|digits| digits.parse::<u64>().is_ok()) {
        return Err(refuse("X-Amz-Expires must be non-negative"));
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refuse("X-Amz-Expires should be a number"));
    }
    text.parse().ok().filter(|expires_s| *expires_s <= EXPIRES_S_MAX).ok_or_else(|| {
        refuse(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be \
             less than 604800 seconds",
        )
    })
}

/// The decoded value of a parameter that must be there once, with a value.
fn required<'a>(query: &'a str, name: &str) -> Result<Cow<'a, str>, AuthError> {
    match once(query, name)? {
        Some(value) if !value.is_empty() => uri::decode(value),
        _ => Err(refuse(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
             X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        )),
    }
}

/// The raw value of a parameter that must not be repeated.
fn once<'a>(query: &'a str, name: &str) -> Result<Option<&'a str>, AuthError> {
    let mut values = parameters(query).filter(|(given, _)| *given == name).map(|(_, value)| value);
    let first = values.next();
    if values.next().is_some() {
        return Err(refuse(&format!("{name} must be given only once.")));
    }
    Ok(first)
}

fn refuse(message: &str) -> AuthError {
    AuthError::QueryParameters(message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
                        &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=ab";

    #[test]
    fn the_parameters_are_found_and_decoded() {
        assert_eq!(detect(Some(GOOD)), Some(Version::V4));
        let claim = read(GOOD).expect("a good query");
        assert_eq!(claim.credential, "A/20130524/us-east-1/s3/aws4_request");
        assert_eq!(claim.expires_s, Some(86_400));
    }

    #[test]
    fn each_parameter_is_required_once() {
        for piece in GOOD.split('&') {
            let without: Vec<&str> = GOOD.split('&').filter(|other| *other != piece).collect();
            let refusal = read(&without.join("&")).expect_err(piece);
            assert!(refusal.to_string().contains("requires"), "{piece}: {refusal}");
            let (name, _) = piece.split_once('=').expect("a value");
            let empty = GOOD.replace(piece, &format!("{name}="));
            assert!(read(&empty).expect_err(piece).to_string().contains("requires"), "{piece}");
            let twice = format!("{GOOD}&{piece}");
            assert!(read(&twice).expect_err(piece).to_string().contains("only once"), "{piece}");
        }
    }

    #[test]
    fn a_life_is_zero_seconds_to_seven_days() {
        for good in ["0", "1", "604800", "0000001"] {
            assert!(expires_s(good).is_ok(), "{good}");
        }
        for (bad, reason) in [
            ("604801", "less than a week"),
            ("18446744073709551616", "less than a week"),
            ("-1", "non-negative"),
            ("+1", "a number"),
            ("1.5", "a number"),
            ("", "a number"),
            ("1 ", "a number"),
            ("0x10", "a number"),
        ] {
            let refusal = expires_s(bad).expect_err(bad);
            assert!(refusal.to_string().contains(reason), "{bad}: {refusal}");
            assert_eq!(refusal.code(), "AuthorizationQueryParametersError");
        }
    }

    #[test]
    fn version_2_is_recognised_to_be_refused() {
        assert_eq!(detect(Some("AWSAccessKeyId=A&Signature=b&Expires=1")), Some(Version::V2));
        assert_eq!(detect(Some("prefix=Signature")), None);
        assert_eq!(detect(None), None);
    }
}
