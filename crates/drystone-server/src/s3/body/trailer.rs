//! The trailer of an aws-chunked body: a checksum that the client knew only at the end.
//!
//! It is everything that follows the last chunk: lines of `name:value`, ended by LF or CRLF, with
//! blank lines between or after them as clients send them (minio-go writes LF, then CRLF, as AWS's
//! page shows it; the SDKs write CRLF). Only the announced checksum may come, once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drystone_core::body::BodyError;
use drystone_core::checksum::{Algorithm, Checksum};
use http::HeaderMap;

use super::announcement::BodyRefusal;
use crate::s3::auth::{ChunkSigner, Trailer};

/// Bytes that a trailer may have: a name, the longest checksum, a signature and room to spare.
pub(super) const TRAILER_MAX: usize = 1024;

const CHECKSUM_PREFIX: &str = "x-amz-checksum-";

/// The algorithm that `x-amz-trailer` announces.
///
/// # Errors
/// A name that is no supported checksum, or more than one.
pub(super) fn trailer_announced(headers: &HeaderMap) -> Result<Option<Algorithm>, BodyRefusal> {
    let mut values = headers.get_all("x-amz-trailer").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let name = value.to_str().map(|text| text.trim().to_ascii_lowercase()).unwrap_or_default();
    let algorithm = name.strip_prefix(CHECKSUM_PREFIX).and_then(Algorithm::from_name);
    match (algorithm, values.next()) {
        (Some(algorithm), None) => Ok(Some(algorithm)),
        _ => Err(BodyRefusal::UnsupportedTrailer),
    }
}

/// Reads all that followed the last chunk.
///
/// # Errors
/// Anything but the announced trailer, and its signature where chunks are signed.
pub(super) fn read(
    bytes: &[u8],
    place: Trailer,
    announced: Option<Algorithm>,
    signer: Option<&mut ChunkSigner>,
) -> Result<Option<Checksum>, BodyError> {
    let mut lines = bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .map(pair);
    if place == Trailer::Absent {
        return match lines.next() {
            None => Ok(None),
            Some(_) => Err(BodyError::Framing("bytes follow the last chunk")),
        };
    }
    let mut signed = Vec::new();
    let mut checksum = None;
    if let Some(algorithm) = announced {
        if bytes.is_empty() {
            return Err(BodyError::Framing("it ends before the trailer that is announced"));
        }
        let (name, value) = lines.next().ok_or(BodyError::Trailer("it is missing"))??;
        let expected = CHECKSUM_PREFIX.len() + algorithm.name().len();
        let matches = name.len() == expected
            && name.starts_with(CHECKSUM_PREFIX)
            && name
                .get(CHECKSUM_PREFIX.len()..)
                .is_some_and(|rest| rest.eq_ignore_ascii_case(algorithm.name()));
        if !matches {
            return Err(BodyError::Trailer("it is not the one that x-amz-trailer announces"));
        }
        let given = STANDARD.decode(value).ok().and_then(|bytes| Checksum::new(algorithm, &bytes));
        checksum = Some(given.ok_or(BodyError::TrailerValue(algorithm))?);
        signed = [name.as_bytes(), b":", value.as_bytes(), b"\n"].concat();
    }
    if let Some(signer) = signer {
        let (name, value) = match lines.next() {
            Some(line) => line?,
            // Nothing was announced and nothing came: the last chunk's signature covers that.
            None if announced.is_none() => return Ok(None),
            None => return Err(BodyError::Trailer("its signature is missing")),
        };
        if name != "x-amz-trailer-signature" {
            return Err(BodyError::Trailer("something else stands in the place of its signature"));
        }
        let given = value.as_bytes().try_into().map_err(|_| BodyError::Signature)?;
        if !signer.finish_trailer(&signed, given) {
            return Err(BodyError::Signature);
        }
    }
    match lines.next() {
        None => Ok(checksum),
        Some(_) => Err(BodyError::Trailer("something follows it")),
    }
}

/// Splits `name:value`; names are lower-case on the wire.
fn pair(line: &[u8]) -> Result<(&str, &str), BodyError> {
    let text = std::str::from_utf8(line).map_err(|_| BodyError::Trailer("it is not text"))?;
    let (name, value) = text.split_once(':').ok_or(BodyError::Trailer("a line has no colon"))?;
    Ok((name, value.trim_matches(' ')))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn announce(values: &[&str]) -> Result<Option<Algorithm>, BodyRefusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-amz-trailer", HeaderValue::from_str(value).expect("a value"));
        }
        trailer_announced(&headers)
    }

    #[test]
    fn one_supported_checksum_may_be_announced() {
        assert_eq!(announce(&[]), Ok(None));
        assert_eq!(announce(&["x-amz-checksum-crc32"]), Ok(Some(Algorithm::Crc32)));
        assert_eq!(announce(&["X-Amz-Checksum-Crc64nvme"]), Ok(Some(Algorithm::Crc64Nvme)));
        for bad in [
            "",
            "x-amz-checksum-",
            "x-amz-checksum-crc31",
            "x-amz-meta-a",
            "x-amz-checksum-crc32,x-amz-checksum-sha1",
        ] {
            assert_eq!(announce(&[bad]), Err(BodyRefusal::UnsupportedTrailer), "{bad}");
        }
        let two = ["x-amz-checksum-crc32", "x-amz-checksum-crc32"];
        assert_eq!(announce(&two), Err(BodyRefusal::UnsupportedTrailer));
    }

    fn unsigned(bytes: &str) -> Result<Option<Checksum>, String> {
        read(bytes.as_bytes(), Trailer::Present, Some(Algorithm::Crc32), None)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn all_line_ends_that_clients_use_are_read() {
        let expected = Checksum::new(Algorithm::Crc32, &[0, 0, 0, 1]);
        for good in [
            "x-amz-checksum-crc32:AAAAAQ==\r\n\r\n",
            "x-amz-checksum-crc32:AAAAAQ==\n\r\n\r\n",
            "x-amz-checksum-crc32: AAAAAQ== \r\n",
            "x-amz-checksum-crc32:AAAAAQ==",
            "\r\nx-amz-checksum-crc32:AAAAAQ==\r\n\r\n",
        ] {
            assert_eq!(unsigned(good), Ok(expected), "{good:?}");
        }
    }

    #[test]
    fn everything_but_the_announced_trailer_is_refused() {
        for (bad, reason) in [
            ("", "ends before"),
            ("\r\n\r\n", "missing"),
            ("x-amz-checksum-crc32c:AAAAAQ==\r\n", "announces"),
            ("x-amz-checksum-sha1:AAAAAQ==\r\n", "announces"),
            ("x-amz-checksum-crc3:AAAAAQ==\r\n", "announces"),
            ("x-amz-checksum-crc32 :AAAAAQ==\r\n", "announces"),
            ("x-amz-checksum-crc32\r\n", "colon"),
            ("x-amz-checksum-crc32:\r\n", "no CRC32 checksum"),
            ("x-amz-checksum-crc32:AAAAAQ=\r\n", "no CRC32 checksum"),
            ("x-amz-checksum-crc32:AAAAAAE=\r\n", "no CRC32 checksum"),
            ("x-amz-checksum-crc32:AAAAAQ==\r\nx-amz-checksum-crc32:AAAAAQ==\r\n", "follows"),
            ("x-amz-checksum-crc32:AAAAAQ==\r\nx-amz-trailer-signature:aa\r\n", "follows"),
            ("x-amz-checksum-crc32:AAAAAQ==\r\nmore bytes", "follows"),
        ] {
            let refusal = unsigned(bad).expect_err(bad);
            assert!(refusal.contains(reason), "{bad:?}: {refusal}");
        }
        assert!(read(b"\xff:a", Trailer::Present, Some(Algorithm::Crc32), None).is_err());
        assert!(read(b"x-amz-checksum-crc32:AAAAAQ==", Trailer::Present, None, None).is_err());
        assert!(read(b"a", Trailer::Absent, None, None).is_err());
        assert!(read(b"\r\n", Trailer::Absent, None, None).is_ok());
    }
}
