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
    let (scheme, parts) = authorization.split_once(' ').ok_or(AuthError::NoScheme)?;
    match scheme {
        ALGORITHM => {}
        ALGORITHM_V4A => return Err(AuthError::SignatureV4a(ALGORITHM_V4A)),
        "AWS" => return Err(AuthError::SignatureV2),
        _ => return Err(AuthError::UnsupportedAuthorization(scheme.to_owned())),
    }
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    if parts.split(',').count() != 3 {
        return Err(malformed(
            "the authorization header requires three components: Credential, SignedHeaders, and Signature.",
        ));
    }
    for part in parts.split(',').map(str::trim) {
        let (name, value) = part
            .split_once('=')
            .ok_or_else(|| malformed(&format!("the authorization component \"{part}\" is malformed.")))?;
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            // It stands where another one should, which is missed below.
            _ => continue,
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

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn each_mistake_is_named() {
        let request =
            Request::builder().header("x-amz-date", "20130524T000000Z").body(()).expect("a request");
        let head = request.into_parts().0;
        for (authorization, want) in [
            ("AWS4-HMAC-SHA256", "one and only one ' ' (space) required"),
            ("Bearer token", "Unsupported Authorization Type"),
            ("AWS4-HMAC-SHA256 Credential=a,Signature=b", "requires three components"),
            ("AWS4-HMAC-SHA256 Credential=a,SignedHeaders=b,Signature=c,", "requires three components"),
            (
                "AWS4-HMAC-SHA256 Credential=a,SignedHeaders-b,Signature=c",
                "component \"SignedHeaders-b\" is malformed",
            ),
            ("AWS4-HMAC-SHA256 Creds=a,SignedHeaders=b,Signature=c", "missing Credential."),
            ("AWS4-HMAC-SHA256 Credential=a,Headers=b,Signature=c", "missing SignedHeaders."),
            ("AWS4-HMAC-SHA256 Credential=a,SignedHeaders=b,Sign=c", "missing Signature."),
            ("AWS4-HMAC-SHA256 Credential=a,Credential=b,Signature=c", "came twice"),
        ] {
            let refusal = read(&head, authorization).expect_err(authorization);
            assert!(refusal.to_string().contains(want), "{authorization}: {refusal}");
            assert!(!refusal.elements().iter().any(|(_, text)| text.contains("token")), "{refusal:?}");
        }
        assert!(read(&head, "AWS4-HMAC-SHA256 Signature=c, SignedHeaders=b , Credential=a").is_ok());
    }
}
