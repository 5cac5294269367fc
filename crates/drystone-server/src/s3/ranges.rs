//! The `Range` header of a read, and the `bytes=first-last` of UploadPartCopy.
//!
//! A read's range that is several ranges, or no range, is ignored and the whole object answers, as
//! S3 does and RFC 9110, section 14.2 allows; a range that lies outside the object is decided
//! where its size is known. A copy's range is strict: a copy that ignored it would store other
//! bytes than the client believes.

use std::ops::RangeInclusive;

use drystone_core::objects::get::ByteRange;

use crate::s3::error::S3Error;

/// Reads a `Range` header; `None` when it is to be ignored.
pub(crate) fn parse(text: &str) -> Option<ByteRange> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    match (first.is_empty(), last.is_empty()) {
        (true, _) => Some(ByteRange::Last { count: number(last)? }),
        (false, true) => Some(ByteRange::From { first: number(first)? }),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::FromTo { first, last })
        }
    }
}

/// Digits only; what is larger than any object stays so.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Reads `x-amz-copy-source-range`.
///
/// # Errors
/// `InvalidArgument` for anything but `bytes=first-last`.
pub(crate) fn parse_copy(text: &str) -> Result<RangeInclusive<u64>, S3Error> {
    match parse(text) {
        Some(ByteRange::FromTo { first, last }) => Ok(first..=last),
        _ => Err(S3Error::argument(
            "x-amz-copy-source-range",
            text,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
             zero-based offsets of the first and last bytes to copy",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_read_and_everything_else_ignored() {
        use ByteRange::{From, FromTo, Last};
        let cases = [
            ("bytes=0-0", Some(FromTo { first: 0, last: 0 })),
            ("bytes=00-01", Some(FromTo { first: 0, last: 1 })),
            ("bytes=5-999999", Some(FromTo { first: 5, last: 999_999 })),
            ("bytes=50-", Some(From { first: 50 })),
            ("bytes=-0", Some(Last { count: 0 })),
            ("bytes=-10", Some(Last { count: 10 })),
            ("bytes=18446744073709551615-", Some(From { first: u64::MAX })),
            ("bytes=0-99999999999999999999", Some(FromTo { first: 0, last: u64::MAX })),
            ("bytes=", None),
            ("bytes=-", None),
            ("bytes=,", None),
            ("bytes= -1", None),
            ("bytes=--1", None),
            ("bytes=0 -1", None),
            ("bytes=0--1", None),
            ("bytes=10-5", None),
            ("bytes=abc", None),
            ("bytes=100-x", None),
            ("bytes=0-0,1-2", None),
            ("bytes=0-,0-", None),
            ("foo=0-1", None),
            ("0-1", None),
            ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(parse(text), want, "{text}");
        }
    }

    #[test]
    fn a_copy_needs_both_ends() {
        assert_eq!(parse_copy("bytes=3-9").unwrap(), 3..=9);
        for bad in ["bytes=3-", "bytes=-3", "bytes=9-3", "3-9", "bytes=0-1,2-3", "", "bytes=a-b"] {
            assert_eq!(parse_copy(bad).unwrap_err().code(), "InvalidArgument", "{bad}");
        }
    }
}
