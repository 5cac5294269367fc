//! When a request was signed.
//!
//! Signature Version 4 writes instants as ISO 8601 basic, `20130524T000000Z`, and puts that exact
//! text into the string to sign; an instant that came as an HTTP date is rewritten to it.

use std::fmt;

use drystone_core::names::Timestamp;
use jiff::civil;
use jiff::tz::Offset;

/// An instant as Signature Version 4 writes it: its 16 characters and its seconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SigningDate {
    text: [u8; 16],
    seconds: i64,
}

/// The calendar day of a scope, `20130524`.
pub(crate) type Day = [u8; 8];

impl SigningDate {
    /// Reads `YYYYMMDDTHHMMSSZ`.
    pub(crate) fn from_basic(text: &str) -> Option<Self> {
        let bytes: [u8; 16] = text.as_bytes().try_into().ok()?;
        let [y1, y2, y3, y4, m1, m2, d1, d2, b'T', h1, h2, n1, n2, s1, s2, b'Z'] = bytes else { return None };
        let two = |tens: u8, ones: u8| {
            (tens.is_ascii_digit() && ones.is_ascii_digit())
                .then(|| i8::try_from((tens - b'0') * 10 + ones - b'0').expect("two digits are below 100"))
        };
        let year = i16::from(two(y1, y2)?) * 100 + i16::from(two(y3, y4)?);
        let day = civil::DateTime::new(
            year,
            two(m1, m2)?,
            two(d1, d2)?,
            two(h1, h2)?,
            two(n1, n2)?,
            two(s1, s2)?,
            0,
        );
        let seconds = Offset::UTC.to_timestamp(day.ok()?).ok()?.as_second();
        Some(Self { text: bytes, seconds })
    }

    /// Reads an HTTP date, `Fri, 24 May 2013 00:00:00 GMT` (RFC 9110, section 5.6.7).
    pub(crate) fn from_http(text: &str) -> Option<Self> {
        let instant = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        Self::from_basic(&instant.strftime("%Y%m%dT%H%M%SZ").to_string())
    }

    /// The text for the string to sign.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).expect("a parsed date is ASCII")
    }

    /// The calendar day.
    pub(crate) fn day(&self) -> Day {
        *self.text.first_chunk().expect("16 characters begin with 8")
    }

    /// Seconds since 1970; negative before.
    pub(crate) fn seconds(&self) -> i64 {
        self.seconds
    }
}

impl fmt::Debug for SigningDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Seconds since 1970 of the server's clock.
pub(crate) fn seconds(now: Timestamp) -> i64 {
    i64::try_from(now.seconds()).unwrap_or(i64::MAX)
}

/// Writes an instant as S3's error bodies do, `2013-05-24T00:00:00Z`.
pub(crate) fn iso(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |instant| instant.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAY_24: i64 = 1_369_353_600;

    #[test]
    fn both_forms_mean_the_same_instant() {
        let basic = SigningDate::from_basic("20130524T000000Z").expect("the documented example");
        assert_eq!(basic.seconds(), MAY_24);
        assert_eq!(&basic.day(), b"20130524");
        assert_eq!(SigningDate::from_http("Fri, 24 May 2013 00:00:00 GMT"), Some(basic));
        assert_eq!(iso(MAY_24), "2013-05-24T00:00:00Z");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "20130524",
            "20130524T000000",
            "20130524T000000z",
            "20130524t000000Z",
            "20131324T000000Z",
            "20130532T000000Z",
            "20130230T000000Z",
            "20130524T240000Z",
            "20130524T006000Z",
            "2013-5-4T000000Z",
            "20130524T0000-1Z",
            "+0130524T000000Z",
            "20130524T00000\u{0661}",
        ] {
            assert_eq!(SigningDate::from_basic(text), None, "{text}");
        }
        assert_eq!(SigningDate::from_http("yesterday"), None);
    }

    #[test]
    fn the_year_1_is_a_date_before_1970() {
        assert!(SigningDate::from_basic("00010101T000000Z").expect("a date").seconds() < 0);
    }
}
