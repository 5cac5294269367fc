//! What a request's head says about its body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};

/// Why a body is refused from the request's head alone, before a byte of it is read.
///
/// `Display` is the text of the `<Message>` element.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BodyRefusal {
    /// Nothing says how long the body is.
    #[error("You must provide the Content-Length HTTP header.")]
    MissingContentLength,
    /// `x-amz-decoded-content-length` is more than the whole encoded body has.
    #[error(
        "You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header; \
         send the length of the data without its framing."
    )]
    DecodedContentLength,
    /// `Content-MD5`, which this is, is not the base64 of 16 bytes.
    #[error("The Content-MD5 you specified was invalid.")]
    InvalidDigest(String),
    /// `x-amz-trailer` names something that cannot follow a body.
    #[error("The value specified in the x-amz-trailer header is not supported")]
    UnsupportedTrailer,
    /// `x-amz-trailer` announces a trailer that the framing has no place for.
    #[error("x-amz-trailer needs an x-amz-content-sha256 that ends in -TRAILER")]
    NoPlaceForTrailer,
}

impl BodyRefusal {
    /// S3's error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingContentLength => "MissingContentLength",
            Self::InvalidDigest(_) => "InvalidDigest",
            Self::DecodedContentLength => "IncompleteBody",
            Self::UnsupportedTrailer | Self::NoPlaceForTrailer => "InvalidRequest",
        }
    }

    /// The elements that S3 adds to `<Error>`: name and text, not yet escaped.
    pub fn elements(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::InvalidDigest(given) => vec![("Content-MD5", given.clone())],
            _ => Vec::new(),
        }
    }

    /// The HTTP status that goes with the code.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MissingContentLength => StatusCode::LENGTH_REQUIRED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Refuses an upload whose head gives no length at all, which HTTP reads as an empty body.
    ///
    /// For PutObject and UploadPart: without it, a client that forgot the header would store an
    /// empty object.
    ///
    /// # Errors
    /// [`Self::MissingContentLength`].
    pub fn check_length_given(request: &Parts) -> Result<(), Self> {
        let given = |name| request.headers.contains_key(name);
        if given(header::CONTENT_LENGTH) || given(header::TRANSFER_ENCODING) {
            Ok(())
        } else {
            Err(Self::MissingContentLength)
        }
    }
}

/// `x-amz-decoded-content-length`: bytes of an aws-chunked body without its framing.
pub(super) fn decoded_content_length(headers: &HeaderMap) -> Result<u64, BodyRefusal> {
    let value = headers.get("x-amz-decoded-content-length").ok_or(BodyRefusal::MissingContentLength)?;
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    // What is no number gives no length; S3 does not tell the two apart.
    digits.and_then(|text| text.parse().ok()).ok_or(BodyRefusal::MissingContentLength)
}

/// `Content-MD5`: the base64 of 16 bytes (RFC 1864).
pub(super) fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, BodyRefusal> {
    let Some(value) = headers.get("content-md5") else { return Ok(None) };
    let digest = STANDARD.decode(value.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    digest
        .map(Some)
        .ok_or_else(|| BodyRefusal::InvalidDigest(String::from_utf8_lossy(value.as_bytes()).into()))
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            header::HeaderName::from_static(name),
            HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
        )])
    }

    #[test]
    fn decoded_lengths_are_plain_numbers() {
        let parse = |text| decoded_content_length(&headers("x-amz-decoded-content-length", text));
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("18446744073709551615"), Ok(u64::MAX));
        for bad in ["", "-1", "+1", "1.0", "0x1", "18446744073709551616", "1 1", "\u{661}"] {
            assert_eq!(parse(bad), Err(BodyRefusal::MissingContentLength), "{bad}");
        }
        assert_eq!(decoded_content_length(&HeaderMap::new()), Err(BodyRefusal::MissingContentLength));
    }

    #[test]
    fn content_md5_is_the_base64_of_16_bytes() {
        let parse = |text| content_md5(&headers("content-md5", text));
        assert!(matches!(parse("1B2M2Y8AsgTpgAmY7PhCfg=="), Ok(Some([0xd4, 0x1d, ..]))));
        for bad in [
            "",
            "1B2M2Y8AsgTpgAmY7PhCfg",
            "1B2M2Y8AsgTpgAmY7PhCf===",
            "d41d8cd98f00b204e9800998ecf8427e",
            "AA==",
        ] {
            assert_eq!(parse(bad), Err(BodyRefusal::InvalidDigest(bad.into())), "{bad}");
        }
        assert_eq!(content_md5(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn an_upload_must_say_its_length() {
        let check = |builder: http::request::Builder| {
            BodyRefusal::check_length_given(&builder.body(()).expect("a request").into_parts().0)
        };
        assert_eq!(check(Request::put("/a")), Err(BodyRefusal::MissingContentLength));
        assert_eq!(check(Request::put("/a").header("content-length", "0")), Ok(()));
        assert_eq!(check(Request::put("/a").header("transfer-encoding", "chunked")), Ok(()));
    }
}
