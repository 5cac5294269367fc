//! Checksums on the wire: what a client claims of a body, and what an answer shows.
//!
//! A claim is one header, one trailer, or nothing; anything that could mean two things is refused
//! as S3 refuses it, because a claim that is silently dropped is an integrity check that the client
//! believes in and nobody made.
//!
//! Source: Amazon S3 User Guide, "Checking object integrity in Amazon S3".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use drystone_core::checksum::{Algorithm, Checksum, ChecksumType};
use drystone_core::objects::object::ObjectChecksum;
use drystone_core::objects::put::ChecksumClaim;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::s3::error::S3Error;
use crate::s3::headers::filled;
use crate::s3::xml::reader::parse_number;
use crate::s3::xml::writer::Writer;

const UNSUPPORTED: &str = "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
                           [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]";
const SEVERAL: &str = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
const PREFIX: &str = "x-amz-checksum-";

/// The header that carries a value of `algorithm`.
pub(crate) fn header_name(algorithm: Algorithm) -> HeaderName {
    HeaderName::from_static(match algorithm {
        Algorithm::Crc32 => "x-amz-checksum-crc32",
        Algorithm::Crc32c => "x-amz-checksum-crc32c",
        Algorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        Algorithm::Sha1 => "x-amz-checksum-sha1",
        Algorithm::Sha256 => "x-amz-checksum-sha256",
    })
}

/// The XML element that carries a value of `algorithm`.
pub(crate) fn element_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Crc32 => "ChecksumCRC32",
        Algorithm::Crc32c => "ChecksumCRC32C",
        Algorithm::Crc64Nvme => "ChecksumCRC64NVME",
        Algorithm::Sha1 => "ChecksumSHA1",
        Algorithm::Sha256 => "ChecksumSHA256",
    }
}

/// Reads a value of `algorithm` in base64.
pub(crate) fn decode(algorithm: Algorithm, text: &str) -> Option<Checksum> {
    Checksum::new(algorithm, &BASE64.decode(text.trim()).ok()?)
}

/// The value of a checksum in base64.
pub(crate) fn encode(sum: &Checksum) -> String {
    BASE64.encode(sum.value())
}

/// What the headers of a body's request claim; `trailer` is the algorithm that `x-amz-trailer` announces.
///
/// # Errors
/// `InvalidRequest` for several checksums, unknown algorithms, values that are none, and
/// `x-amz-sdk-checksum-algorithm` without or against the checksum that comes.
pub(crate) fn claim(
    headers: &HeaderMap,
    trailer: Option<Algorithm>,
) -> Result<Option<ChecksumClaim>, S3Error> {
    let announced = named(headers, "x-amz-sdk-checksum-algorithm")?;
    let claim = match (given(headers)?, trailer) {
        (Some(_), Some(_)) => return Err(S3Error::request(SEVERAL)),
        (Some((algorithm, text)), None) => Some(ChecksumClaim::Given(
            decode(algorithm, &text).ok_or_else(|| invalid(&header_name(algorithm)))?,
        )),
        (None, Some(algorithm)) => Some(ChecksumClaim::Trailer(algorithm)),
        (None, None) => None,
    };
    match (announced, &claim) {
        (Some(_), None) => Err(S3Error::request(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers \
             were found.",
        )),
        (Some(algorithm), Some(claim)) if claim.algorithm() != algorithm => {
            Err(invalid(&HeaderName::from_static("x-amz-sdk-checksum-algorithm")))
        }
        _ => Ok(claim),
    }
}

/// The checksum of the whole object that CompleteMultipartUpload's headers give, and the `-N` after it.
///
/// # Errors
/// As [`claim`].
pub(crate) fn of_complete(headers: &HeaderMap) -> Result<Option<(Checksum, Option<u16>)>, S3Error> {
    let Some((algorithm, text)) = given(headers)? else { return Ok(None) };
    let refuse = || invalid(&header_name(algorithm));
    let (value, parts) = match text.split_once('-') {
        Some((value, parts)) => {
            let parts = parse_number(parts).and_then(|parts| u16::try_from(parts).ok());
            (value, Some(parts.ok_or_else(refuse)?))
        }
        None => (&*text, None),
    };
    Ok(Some((decode(algorithm, value).ok_or_else(refuse)?, parts)))
}

/// The algorithm that the header `name` names.
///
/// # Errors
/// `InvalidRequest` when it is none.
pub(crate) fn named(headers: &HeaderMap, name: &str) -> Result<Option<Algorithm>, S3Error> {
    let Some(text) = filled(headers, name) else { return Ok(None) };
    Algorithm::from_name(text.trim()).map(Some).ok_or_else(unsupported)
}

/// The refusal of an algorithm that this server does not know.
pub(crate) fn unsupported() -> S3Error {
    S3Error::request(UNSUPPORTED)
}

/// `x-amz-checksum-type`.
///
/// # Errors
/// `InvalidRequest` when it is none.
pub(crate) fn kind(headers: &HeaderMap) -> Result<Option<ChecksumType>, S3Error> {
    let Some(text) = filled(headers, "x-amz-checksum-type") else { return Ok(None) };
    let kind = [ChecksumType::FullObject, ChecksumType::Composite]
        .into_iter()
        .find(|kind| kind.name().eq_ignore_ascii_case(text.trim()));
    kind.map(Some).ok_or_else(|| invalid(&HeaderName::from_static("x-amz-checksum-type")))
}

/// Checks that `algorithm` and `kind` go together, as CreateMultipartUpload needs.
///
/// # Errors
/// `InvalidRequest`.
pub(crate) fn check_pair(algorithm: Option<Algorithm>, kind: Option<ChecksumType>) -> Result<(), S3Error> {
    match (algorithm, kind) {
        (None, Some(_)) => Err(S3Error::request(
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
        )),
        (Some(algorithm), Some(kind))
            if (kind == ChecksumType::FullObject && !algorithm.combines())
                || (kind == ChecksumType::Composite && algorithm == Algorithm::Crc64Nvme) =>
        {
            Err(S3Error::request(format!(
                "The {} checksum type cannot be used with the {} checksum algorithm.",
                kind.name(),
                algorithm.name().to_ascii_lowercase()
            )))
        }
        _ => Ok(()),
    }
}

/// Shows an object's checksum and its type in an answer's headers.
pub(crate) fn write_headers(headers: &mut HeaderMap, sum: &ObjectChecksum) {
    if let Ok(value) = HeaderValue::from_str(&shown(sum)) {
        headers.insert(header_name(sum.value.algorithm()), value);
    }
    write_type(headers, sum.kind);
}

/// Shows in an answer's headers how an object's checksum came from those of its parts.
pub(crate) fn write_type(headers: &mut HeaderMap, kind: ChecksumType) {
    headers.insert("x-amz-checksum-type", HeaderValue::from_static(kind.name()));
}

/// Shows a part's checksum in an answer's headers.
pub(crate) fn write_part_header(headers: &mut HeaderMap, sum: &Checksum) {
    if let Ok(value) = HeaderValue::from_str(&encode(sum)) {
        headers.insert(header_name(sum.algorithm()), value);
    }
}

/// Shows an object's checksum and its type in an answer's XML.
pub(crate) fn write_elements(xml: &mut Writer, sum: &ObjectChecksum) {
    xml.text(element_name(sum.value.algorithm()), &shown(sum));
    xml.value("ChecksumType", sum.kind.name());
}

/// Shows a part's checksum in an answer's XML.
pub(crate) fn write_part_element(xml: &mut Writer, sum: &Checksum) {
    xml.text(element_name(sum.algorithm()), &encode(sum));
}

fn shown(sum: &ObjectChecksum) -> String {
    match sum.kind {
        ChecksumType::FullObject => encode(&sum.value),
        ChecksumType::Composite => format!("{}-{}", encode(&sum.value), sum.parts),
    }
}

/// The one `x-amz-checksum-ALGORITHM` header, undecoded.
fn given(headers: &HeaderMap) -> Result<Option<(Algorithm, String)>, S3Error> {
    let mut found = None;
    for (name, value) in headers {
        let algorithm = match name.as_str().strip_prefix(PREFIX) {
            None | Some("type" | "algorithm" | "mode") => continue,
            Some(algorithm) => algorithm,
        };
        let algorithm = Algorithm::from_name(algorithm).ok_or_else(|| {
            S3Error::request("The algorithm type you specified in x-amz-checksum- header is invalid.")
        })?;
        if found.is_some() {
            return Err(S3Error::request(SEVERAL));
        }
        found = Some((algorithm, crate::s3::headers::text(value).into_owned()));
    }
    Ok(found)
}

fn invalid(name: &HeaderName) -> S3Error {
    S3Error::request(format!("Value for {name} header is invalid."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn one_claim_is_read() {
        let sum = Checksum::new(Algorithm::Crc32, &[0xcb, 0xf4, 0x39, 0x26]).unwrap();
        let given = [("x-amz-checksum-crc32", "y/Q5Jg==")];
        assert_eq!(claim(&headers(&given), None).unwrap(), Some(ChecksumClaim::Given(sum)));
        let both = [("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-sdk-checksum-algorithm", "CRC32")];
        assert_eq!(claim(&headers(&both), None).unwrap(), Some(ChecksumClaim::Given(sum)));
        let trailing =
            claim(&headers(&[("x-amz-sdk-checksum-algorithm", "crc64nvme")]), Some(Algorithm::Crc64Nvme));
        assert_eq!(trailing.unwrap(), Some(ChecksumClaim::Trailer(Algorithm::Crc64Nvme)));
        let mode = [("x-amz-checksum-mode", "ENABLED"), ("x-amz-checksum-type", "FULL_OBJECT")];
        assert_eq!(claim(&headers(&mode), None).unwrap(), None);
    }

    #[test]
    fn everything_unclear_is_refused() {
        type Pairs<'p> = &'p [(&'p str, &'p str)];
        let cases: &[(Pairs<'_>, Option<Algorithm>)] = &[
            (&[("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-sha1", "x")], None),
            (&[("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-crc32", "y/Q5Jg==")], None),
            (&[("x-amz-checksum-crc32", "y/Q5Jg==")], Some(Algorithm::Crc32)),
            (&[("x-amz-checksum-crc32", "not base64")], None),
            (&[("x-amz-checksum-crc32", "AAAA")], None),
            (&[("x-amz-checksum-crc32", "")], None),
            (&[("x-amz-checksum-md6", "AAAA")], None),
            (&[("x-amz-sdk-checksum-algorithm", "CRC32")], None),
            (&[("x-amz-sdk-checksum-algorithm", "MD6")], None),
            (&[("x-amz-sdk-checksum-algorithm", "SHA1"), ("x-amz-checksum-crc32", "y/Q5Jg==")], None),
        ];
        for (pairs, trailer) in cases {
            let map: HeaderMap = pairs.iter().fold(HeaderMap::new(), |mut map, (n, v)| {
                map.append(HeaderName::from_bytes(n.as_bytes()).unwrap(), HeaderValue::from_str(v).unwrap());
                map
            });
            assert_eq!(claim(&map, *trailer).unwrap_err().code(), "InvalidRequest", "{pairs:?}");
        }
    }

    #[test]
    fn algorithms_and_types_must_go_together() {
        use Algorithm::{Crc32, Crc64Nvme, Sha256};
        use ChecksumType::{Composite, FullObject};
        for (algorithm, kind, good) in [
            (None, None, true),
            (Some(Sha256), None, true),
            (Some(Sha256), Some(Composite), true),
            (Some(Crc32), Some(FullObject), true),
            (Some(Crc64Nvme), Some(FullObject), true),
            (Some(Sha256), Some(FullObject), false),
            (Some(Crc64Nvme), Some(Composite), false),
            (None, Some(FullObject), false),
        ] {
            assert_eq!(check_pair(algorithm, kind).is_ok(), good, "{algorithm:?} {kind:?}");
        }
    }

    #[test]
    fn a_completed_checksum_may_carry_its_number_of_parts() {
        let of = |value| of_complete(&headers(&[("x-amz-checksum-crc32", value)]));
        let sum = Checksum::new(Algorithm::Crc32, &[0xcb, 0xf4, 0x39, 0x26]).unwrap();
        assert_eq!(of("y/Q5Jg==").unwrap(), Some((sum, None)));
        assert_eq!(of("y/Q5Jg==-3").unwrap(), Some((sum, Some(3))));
        for bad in ["y/Q5Jg==-", "y/Q5Jg==-x", "-3", "y/Q5Jg==-3-3"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
