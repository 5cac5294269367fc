//! What an object keeps of its request's headers, and how it gives them back.
//!
//! Values are kept as the bytes that came, whatever their encoding: each byte is kept as the
//! character with its number (ISO 8859-1), so that a value goes out exactly as it came in and no
//! guess about encodings can damage it. A header that asks for something that is not built is
//! refused and never ignored: a client that asked for encryption must not get a 200 without it.

use std::borrow::Cow;

use drystone_core::objects::object::Attributes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use crate::s3::error::{
    ACL_NOT_SUPPORTED, INVALID_ARGUMENT, INVALID_REDIRECT_LOCATION, INVALID_STORAGE_CLASS,
    METADATA_TOO_LARGE, S3Error,
};

/// What an object without a Content-Type is.
pub(crate) const CONTENT_TYPE_DEFAULT: &str = "binary/octet-stream";
/// The attribute that holds the storage class.
pub(crate) const STORAGE_CLASS: &str = "x-amz-storage-class";
/// The storage class of objects that name none.
pub(crate) const STANDARD: &str = "STANDARD";

/// Attributes that belong to one object and do not go with its copies.
/// Source: Amazon S3 API Reference, "CopyObject".
pub(crate) const NEVER_COPIED: [&str; 2] = [STORAGE_CLASS, REDIRECT];

const USER_PREFIX: &str = "x-amz-meta-";
const REDIRECT: &str = "x-amz-website-redirect-location";
/// System metadata that is kept as it came. Content-Encoding and the storage class are looked at first.
const KEPT: [&str; 6] =
    ["cache-control", "content-disposition", "content-language", "content-type", "expires", REDIRECT];
/// Classes that are kept as labels: their objects can be read at once, as ours can.
const LABELS: [&str; 6] =
    [STANDARD, "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"];
/// Classes whose objects must be restored before they are read; restoring is not built.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];
/// Canned lists that mean what ours always are: the owner may do everything, nobody else anything.
const ACL_OURS: [&str; 2] = ["private", "bucket-owner-full-control"];
const ACL_OTHERS: [&str; 6] = [
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "log-delivery-write",
];
const GRANTS: [&str; 5] = [
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
];

/// The bytes of a header's value as text, one character a byte.
pub(crate) fn text(value: &HeaderValue) -> Cow<'_, str> {
    match value.to_str() {
        Ok(ascii) => Cow::Borrowed(ascii),
        Err(_) => Cow::Owned(value.as_bytes().iter().copied().map(char::from).collect()),
    }
}

/// The value of the header `name`, as [`text`].
pub(crate) fn text_of<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Cow<'h, str>> {
    headers.get(name).map(text)
}

/// The value of the header `name` (lower-case), unless it is absent or empty.
pub(crate) fn filled<'h>(headers: &'h HeaderMap, name: &str) -> Option<Cow<'h, str>> {
    headers.get(name).map(text).filter(|value| !value.trim().is_empty())
}

/// A header value with the bytes that [`text`] read; `None` for what no header can carry.
pub(crate) fn value_of(text: &str) -> Option<HeaderValue> {
    if text.is_ascii() {
        return HeaderValue::from_str(text).ok();
    }
    let bytes: Option<Vec<u8>> = text.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

/// What the object of this request keeps.
///
/// # Errors
/// `MetadataTooLarge`, `InvalidStorageClass`, `InvalidRedirectLocation`, and the refusals of
/// [`refuse_unbuilt`].
pub(crate) fn attributes(headers: &HeaderMap) -> Result<Attributes, S3Error> {
    refuse_unbuilt(headers)?;
    let mut kept: Vec<(Box<str>, Box<str>)> = Vec::new();
    let mut user_bytes = 0;
    for (name, value) in headers {
        let name = name.as_str();
        if let Some(user_name) = name.strip_prefix(USER_PREFIX).filter(|name| !name.is_empty()) {
            user_bytes += keep_user(&mut kept, name, user_name, value);
        } else if name == "content-encoding" {
            let encoding = without_aws_chunked(&text(value));
            keep(&mut kept, name, &encoding);
        } else if KEPT.contains(&name) {
            keep(&mut kept, name, &text(value));
        }
    }
    if user_bytes > Attributes::USER_BYTES_MAX {
        return Err(S3Error::new(&METADATA_TOO_LARGE)
            .with("Size", user_bytes.to_string())
            .with("MaxSizeAllowed", Attributes::USER_BYTES_MAX.to_string()));
    }
    check_redirect(headers)?;
    if let Some(class) = storage_class(headers)?.filter(|class| &**class != STANDARD) {
        keep(&mut kept, STORAGE_CLASS, &class);
    }
    Ok(Attributes(kept))
}

/// What the request of a copy says of [`NEVER_COPIED`]; `None` when it says nothing.
///
/// # Errors
/// `InvalidStorageClass`, `InvalidRedirectLocation`, and `NotImplemented` for archives.
pub(crate) fn never_copied(headers: &HeaderMap) -> Result<Option<Attributes>, S3Error> {
    check_redirect(headers)?;
    let (class, redirect) = (storage_class(headers)?, filled(headers, REDIRECT));
    if class.is_none() && redirect.is_none() {
        return Ok(None);
    }
    let mut kept = Vec::new();
    if let Some(class) = class.filter(|class| &**class != STANDARD) {
        keep(&mut kept, STORAGE_CLASS, &class);
    }
    if let Some(to) = redirect {
        keep(&mut kept, REDIRECT, &to);
    }
    Ok(Some(Attributes(kept)))
}

fn keep(kept: &mut Vec<(Box<str>, Box<str>)>, name: &str, value: &str) {
    if !value.trim().is_empty() && !kept.iter().any(|(n, _)| &**n == name) {
        kept.push((name.into(), value.into()));
    }
}

/// Keeps user metadata; a repeated name is joined with a comma, as S3 does. Returns the bytes it adds.
fn keep_user(
    kept: &mut Vec<(Box<str>, Box<str>)>,
    name: &str,
    user_name: &str,
    value: &HeaderValue,
) -> usize {
    if let Some((_, before)) = kept.iter_mut().find(|(n, _)| &**n == name) {
        *before = [before, ",", &text(value)].concat().into();
        return value.len() + 1;
    }
    kept.push((name.into(), text(value).into()));
    user_name.len() + value.len()
}

/// `aws-chunked` is how the body travelled, not what it is.
fn without_aws_chunked(encoding: &str) -> String {
    let rest = encoding.split(',').map(str::trim);
    rest.filter(|part| !part.is_empty() && !part.eq_ignore_ascii_case("aws-chunked"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn check_redirect(headers: &HeaderMap) -> Result<(), S3Error> {
    match filled(headers, REDIRECT) {
        Some(to) if !["/", "http://", "https://"].iter().any(|start| to.starts_with(start)) => {
            Err(S3Error::new(&INVALID_REDIRECT_LOCATION))
        }
        _ => Ok(()),
    }
}

/// The storage class that the request asks for.
///
/// # Errors
/// `InvalidStorageClass` for an unknown one, `NotImplemented` for archives.
pub(crate) fn storage_class(headers: &HeaderMap) -> Result<Option<Box<str>>, S3Error> {
    let Some(class) = filled(headers, STORAGE_CLASS) else { return Ok(None) };
    if LABELS.contains(&&*class) {
        return Ok(Some(class.into()));
    }
    if ARCHIVES.contains(&&*class) {
        return Err(S3Error::header_not_built(STORAGE_CLASS).saying(format!(
            "the storage class {class} is not implemented: its objects could not be restored"
        )));
    }
    Err(S3Error::new(&INVALID_STORAGE_CLASS).with("StorageClassRequested", class))
}

/// Refuses headers of an object write that ask for what is not built.
///
/// # Errors
/// `NotImplemented` for tags and encryption, `InvalidRequest` for locks, and the refusals of
/// [`check_acl`].
pub(crate) fn refuse_unbuilt(headers: &HeaderMap) -> Result<(), S3Error> {
    for (name, value) in headers {
        let name = name.as_str();
        let Some(rest) = name.strip_prefix("x-amz-") else { continue };
        if rest.starts_with("server-side-encryption")
            || rest.starts_with("copy-source-server-side-encryption")
            || (rest == "tagging" && !value.is_empty())
            || rest == "write-offset-bytes"
        {
            return Err(S3Error::header_not_built(name));
        }
    }
    refuse_lock(headers)?;
    check_acl(headers)
}

/// Refuses a lock on an object: no bucket has object lock.
fn refuse_lock(headers: &HeaderMap) -> Result<(), S3Error> {
    const MODE: &str = "x-amz-object-lock-mode";
    const UNTIL: &str = "x-amz-object-lock-retain-until-date";
    let missing = match (headers.contains_key(MODE), headers.contains_key(UNTIL)) {
        (true, false) => UNTIL,
        (false, true) => MODE,
        (false, false) if !headers.contains_key("x-amz-object-lock-legal-hold") => return Ok(()),
        _ => return Err(S3Error::request("Bucket is missing ObjectLockConfiguration")),
    };
    let why = format!("{UNTIL} and {MODE} must both be supplied");
    Err(S3Error::new(&INVALID_ARGUMENT).saying(why).with("ArgumentName", missing))
}

/// Lets through the access control lists that change nothing, and refuses all others.
///
/// # Errors
/// `AccessControlListNotSupported`, as S3 answers for buckets with lists disabled;
/// `InvalidArgument` for a list that S3 does not know.
pub(crate) fn check_acl(headers: &HeaderMap) -> Result<(), S3Error> {
    let grants = GRANTS.iter().any(|name| headers.contains_key(*name));
    match filled(headers, "x-amz-acl") {
        Some(_) if grants => {
            Err(S3Error::request("Specifying both Canned ACLs and Header Grants is not allowed"))
        }
        Some(acl) if ACL_OTHERS.contains(&&*acl) => Err(S3Error::new(&ACL_NOT_SUPPORTED)),
        Some(acl) if !ACL_OURS.contains(&&*acl) => {
            Err(S3Error::argument("x-amz-acl", &acl, "Invalid canned ACL"))
        }
        None if grants => Err(S3Error::new(&ACL_NOT_SUPPORTED)),
        _ => Ok(()),
    }
}

/// Gives an object's attributes back.
pub(crate) fn write_attributes(headers: &mut HeaderMap, attributes: &Attributes) {
    for (name, value) in &attributes.0 {
        if let (Ok(name), Some(value)) = (HeaderName::from_bytes(name.as_bytes()), value_of(value)) {
            headers.insert(name, value);
        }
    }
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(CONTENT_TYPE_DEFAULT));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &[u8])]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value).unwrap(),
            );
        }
        map
    }

    fn kept(pairs: &[(&str, &[u8])]) -> Result<HeaderMap, &'static str> {
        let attributes = attributes(&headers(pairs)).map_err(|refusal| refusal.code())?;
        let mut back = HeaderMap::new();
        write_attributes(&mut back, &attributes);
        Ok(back)
    }

    #[test]
    fn what_came_in_goes_out_byte_for_byte() {
        let all: &[(&str, &[u8])] = &[
            ("content-type", b"text/plain; charset=utf-8"),
            ("cache-control", b"no-store"),
            ("content-disposition", b"attachment; filename=\"\xc3\xa9\""),
            ("content-language", b"de"),
            ("expires", b"never"),
            ("x-amz-website-redirect-location", b"/there"),
            ("x-amz-storage-class", b"STANDARD_IA"),
            ("x-amz-meta-latin", b"Hello World\xe9"),
            ("x-amz-meta-empty", b""),
        ];
        assert_eq!(kept(all).unwrap(), headers(all));
        let others: &[(&str, &[u8])] =
            &[("host", b"x"), ("x-amz-date", b"x"), ("x-amz-storage-class", b"STANDARD")];
        assert_eq!(kept(others).unwrap(), headers(&[("content-type", b"binary/octet-stream")]));
        assert_eq!(
            kept(&[("content-type", b"")]).unwrap(),
            headers(&[("content-type", b"binary/octet-stream")])
        );
    }

    #[test]
    fn repeated_metadata_is_joined() {
        let back = kept(&[("x-amz-meta-a", b"1"), ("x-amz-meta-a", b"2")]).unwrap();
        assert_eq!(back.get("x-amz-meta-a").unwrap(), "1,2");
    }

    #[test]
    fn aws_chunked_is_not_kept() {
        let cases: [(&[u8], Option<&str>); 6] = [
            (b"gzip", Some("gzip")),
            (b"deflate, gzip", Some("deflate, gzip")),
            (b"gzip, aws-chunked", Some("gzip")),
            (b"aws-chunked,gzip", Some("gzip")),
            (b"aws-chunked", None),
            (b"aws-chunked, aws-chunked", None),
        ];
        for (given, want) in cases {
            let back = kept(&[("content-encoding", given)]).unwrap();
            assert_eq!(back.get("content-encoding").map(|v| v.to_str().unwrap()), want);
        }
    }

    #[test]
    fn metadata_has_a_limit() {
        let at = |bytes: usize| kept(&[("x-amz-meta-a", &vec![b'x'; bytes])]).map(|_| ());
        assert_eq!(at(2047), Ok(()));
        assert_eq!(at(2048), Err("MetadataTooLarge"));
    }

    #[test]
    fn what_is_not_built_is_refused() {
        let cases: &[(&str, &[u8], &str)] = &[
            ("x-amz-tagging", b"a=b", "NotImplemented"),
            ("x-amz-server-side-encryption", b"AES256", "NotImplemented"),
            ("x-amz-server-side-encryption-customer-key", b"k", "NotImplemented"),
            ("x-amz-object-lock-mode", b"GOVERNANCE", "InvalidArgument"),
            ("x-amz-object-lock-retain-until-date", b"2040-01-01T00:00:00Z", "InvalidArgument"),
            ("x-amz-object-lock-legal-hold", b"ON", "InvalidRequest"),
            ("x-amz-acl", b"public-read", "AccessControlListNotSupported"),
            ("x-amz-acl", b"everybody", "InvalidArgument"),
            ("x-amz-grant-read", b"id=x", "AccessControlListNotSupported"),
            ("x-amz-storage-class", b"GLACIER", "NotImplemented"),
            ("x-amz-storage-class", b"FAST", "InvalidStorageClass"),
            ("x-amz-website-redirect-location", b"there", "InvalidRedirectLocation"),
        ];
        for (name, value, want) in cases {
            assert_eq!(kept(&[(name, value)]), Err(*want), "{name}");
        }
        for (name, value) in [
            ("x-amz-tagging", &b""[..]),
            ("x-amz-acl", b"private"),
            ("x-amz-acl", b"bucket-owner-full-control"),
        ] {
            assert!(kept(&[(name, value)]).is_ok(), "{name}");
        }
    }
}
