//! The canonical request: the one text of a request that both sides sign.
//!
//! Written into one buffer, in the order of AWS's page "Signature Calculations for the Authorization
//! Header": method, path, query sorted by name and value, the signed headers, their list, and the
//! payload's hash or the word that stands for it. What this module leaves out, a signature does not
//! protect; so every header that changes what S3 does must be in the list ([`check_all_signed`]).

use std::ops::Range;

use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;

use super::error::AuthError;
use super::scope::Mechanism;
use super::uri::{self, Place};

/// Bytes of path, query, header names and values that a request may have: twice what AWS allows
/// (8 KiB), for the long presigned URLs and proxy headers that people have.
const HEADER_SECTION_MAX: usize = 16 * 1024;

/// The query parameter that carries a presigned URL's signature and so cannot be signed itself.
pub(crate) const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// Appends the canonical request to `out`.
///
/// # Errors
/// A path or query with a broken escape, or a list of signed headers with an impossible name.
pub(crate) fn write(
    out: &mut Vec<u8>,
    request: &Parts,
    signed_headers: &str,
    payload: &str,
    mechanism: Mechanism,
) -> Result<(), AuthError> {
    out.extend_from_slice(request.method.as_str().as_bytes());
    out.push(b'\n');
    uri::push_canonical(out, request.uri.path().as_bytes(), Place::Path)?;
    out.push(b'\n');
    push_query(out, request.uri.query().unwrap_or_default(), mechanism)?;
    out.push(b'\n');
    for name in signed_headers.split(';') {
        push_header(out, request, name, mechanism)?;
    }
    out.push(b'\n');
    out.extend_from_slice(signed_headers.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload.as_bytes());
    Ok(())
}

/// One parameter in the scratch buffer: its encoded name, and its encoded value.
struct Parameter {
    name: Range<usize>,
    value: Range<usize>,
}

fn push_query(out: &mut Vec<u8>, raw: &str, mechanism: Mechanism) -> Result<(), AuthError> {
    if raw.is_empty() {
        return Ok(());
    }
    let mut encoded = Vec::with_capacity(raw.len() + 16);
    let mut parameters = Vec::with_capacity(8);
    for piece in raw.split('&').filter(|piece| !piece.is_empty()) {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        if mechanism == Mechanism::Query && name == SIGNATURE_PARAMETER {
            continue;
        }
        let start = encoded.len();
        uri::push_canonical(&mut encoded, name.as_bytes(), Place::Query)?;
        let middle = encoded.len();
        uri::push_canonical(&mut encoded, value.as_bytes(), Place::Query)?;
        parameters.push(Parameter { name: start..middle, value: middle..encoded.len() });
    }
    let text = |range: &Range<usize>| encoded.get(range.clone()).expect("the range was written above");
    parameters.sort_unstable_by(|a, b| (text(&a.name), text(&a.value)).cmp(&(text(&b.name), text(&b.value))));
    for (index, parameter) in parameters.iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(text(&parameter.name));
        out.push(b'=');
        out.extend_from_slice(text(&parameter.value));
    }
    Ok(())
}

fn push_header(
    out: &mut Vec<u8>,
    request: &Parts,
    name: &str,
    mechanism: Mechanism,
) -> Result<(), AuthError> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()) {
        return Err(match mechanism {
            Mechanism::Header => AuthError::HeaderMalformed(
                "the SignedHeaders are mal-formed; expecting lower-case names separated by semicolons."
                    .into(),
            ),
            Mechanism::Query => AuthError::QueryParameters(
                "X-Amz-SignedHeaders is mal-formed; expecting lower-case names separated by semicolons."
                    .into(),
            ),
        });
    }
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    let mut first = true;
    for value in request.headers.get_all(name) {
        if !first {
            out.push(b',');
        }
        first = false;
        push_trimmed(out, value.as_bytes());
    }
    if first && name == HOST.as_str() {
        // A target in absolute form names the host (RFC 9112, section 3.2.2).
        let authority = request.uri.authority().map_or("", http::uri::Authority::as_str);
        out.extend_from_slice(authority.as_bytes());
    }
    out.push(b'\n');
    Ok(())
}

/// Appends a header value without space around it and with one space for each run of them.
fn push_trimmed(out: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// Refuses a request whose signature leaves out a header that S3 obeys.
///
/// `host` and every `x-amz-*` header must be signed; for a presigned URL also `content-md5`, and
/// `if-range` where `range` is signed, as AWS demands. The exception is `x-amz-content-sha256` on a
/// presigned URL: its value is a line of the canonical request, so that it is covered anyway.
/// Without this, whoever holds a presigned PUT could add `x-amz-copy-source` and read any object of
/// its signer (CVE-2026-97731 in MinIO).
///
/// # Errors
/// The names of the headers that are not signed, or a header section that is too large.
pub(crate) fn check_all_signed(
    request: &Parts,
    signed_headers: &str,
    mechanism: Mechanism,
) -> Result<(), AuthError> {
    let signed = |name: &str| signed_headers.split(';').any(|signed| signed == name);
    let mut size = request.uri.path().len() + request.uri.query().map_or(0, str::len);
    let mut missing: Vec<&str> = Vec::new();
    if !signed(HOST.as_str()) {
        missing.push(HOST.as_str());
    }
    for (name, value) in &request.headers {
        let name = name.as_str();
        size += name.len() + value.len();
        if must_be_signed(name, mechanism, signed_headers) && !signed(name) && !missing.contains(&name) {
            missing.push(name);
        }
    }
    if size > HEADER_SECTION_MAX {
        return Err(AuthError::HeaderSectionTooLarge);
    }
    if missing.is_empty() { Ok(()) } else { Err(AuthError::HeadersNotSigned(missing.join(", "))) }
}

fn must_be_signed(name: &str, mechanism: Mechanism, signed_headers: &str) -> bool {
    match mechanism {
        Mechanism::Header => name.starts_with("x-amz-"),
        Mechanism::Query => match name {
            "x-amz-content-sha256" => false,
            "content-md5" => true,
            "if-range" => signed_headers.split(';').any(|signed| signed == "range"),
            _ => name.starts_with("x-amz-"),
        },
    }
}

/// The value of a header that must come once at most; one that is not ASCII counts as broken.
///
/// # Errors
/// The header came more than once or is not ASCII: two readers might not see the same value.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, AuthError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(AuthError::RepeatedHeader(name));
    }
    first.map(|value| value.to_str().map(str::trim).map_err(|_| AuthError::RepeatedHeader(name))).transpose()
}
