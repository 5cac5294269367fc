//! Percent-encoding as signatures need it.
//!
//! A client may escape more or less than another; what it signed is the one form that escapes every
//! byte but the unreserved ones (RFC 3986, section 2.3). So what came is decoded and encoded anew,
//! once, in one pass, and never normalised: `//`, `.` and `..` stay as they are.

use std::borrow::Cow;

use super::error::AuthError;
use super::hex;

/// How `/` and `+` are read, which differs between a path and a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `/` separates and stays; `+` is a plus sign.
    Path,
    /// `/` is escaped; `+` is a space, as in HTML forms, and as S3 reads it.
    Query,
}

impl Place {
    /// Whether `byte` stands for itself in the canonical form.
    fn keeps(self, byte: u8) -> bool {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
            || (byte == b'/' && self == Self::Path)
    }
}

/// Appends the canonical form of `raw` to `out`.
///
/// # Errors
/// A `%` that no two hexadecimal digits follow.
pub(crate) fn push_canonical(out: &mut Vec<u8>, raw: &[u8], place: Place) -> Result<(), AuthError> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut rest = raw;
    loop {
        let kept = rest.iter().take_while(|byte| place.keeps(**byte)).count();
        let (run, after) = rest.split_at(kept);
        out.extend_from_slice(run);
        let byte = match after {
            [] => return Ok(()),
            [b'%', high, low, after @ ..] => {
                rest = after;
                escaped(*high, *low)?
            }
            [b'%', ..] => return Err(AuthError::InvalidUri),
            [b'+', after @ ..] if place == Place::Query => {
                rest = after;
                b' '
            }
            [byte, after @ ..] => {
                rest = after;
                *byte
            }
        };
        if place.keeps(byte) {
            out.push(byte);
        } else {
            let digit = |nibble: u8| *DIGITS.get(usize::from(nibble)).expect("a nibble is below 16");
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

/// Decodes one query value.
///
/// # Errors
/// A broken escape, or bytes that are not UTF-8.
pub(crate) fn decode(raw: &str) -> Result<Cow<'_, str>, AuthError> {
    if !raw.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, after @ ..] => {
                decoded.push(escaped(*high, *low)?);
                after
            }
            [b'%', ..] => return Err(AuthError::InvalidUri),
            [byte, after @ ..] => {
                decoded.push(if *byte == b'+' { b' ' } else { *byte });
                after
            }
        };
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| AuthError::InvalidUri)
}

fn escaped(high: u8, low: u8) -> Result<u8, AuthError> {
    match (hex::value(high), hex::value(low)) {
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err(AuthError::InvalidUri),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(place: Place, raw: &[u8], canonical: &str) {
        let mut out = Vec::new();
        push_canonical(&mut out, raw, place).expect("well-formed");
        assert_eq!(out, canonical.as_bytes(), "{place:?} {raw:?}");
    }

    #[test]
    fn paths_are_escaped_once_and_never_normalised() {
        for (raw, canonical) in [
            ("/", "/"),
            ("/a//b/./c/../d/", "/a//b/./c/../d/"),
            ("/a b", "/a%20b"),
            ("/a%20b", "/a%20b"),
            ("/a+b", "/a%2Bb"),
            ("/%7e%41", "/~A"),
            ("/%2f", "//"),
            ("/%252F", "/%252F"),
            ("/%c3%a4", "/%C3%A4"),
            ("/a(b)*!'$&=@:,;", "/a%28b%29%2A%21%27%24%26%3D%40%3A%2C%3B"),
            ("/%00", "/%00"),
        ] {
            check(Place::Path, raw.as_bytes(), canonical);
        }
        check(Place::Path, b"/\xc3\xa4\xff", "/%C3%A4%FF");
    }

    #[test]
    fn queries_escape_the_slash_and_read_plus_as_space() {
        for (raw, canonical) in
            [("a/b", "a%2Fb"), ("a%2fb", "a%2Fb"), ("a+b", "a%20b"), ("a%2Bb", "a%2Bb"), ("b=c", "b%3Dc")]
        {
            check(Place::Query, raw.as_bytes(), canonical);
        }
    }

    #[test]
    fn broken_escapes_are_refused() {
        for raw in ["%", "%4", "%4g", "%g4", "a%", "%%41", "%+1"] {
            for place in [Place::Path, Place::Query] {
                assert_eq!(
                    push_canonical(&mut Vec::new(), raw.as_bytes(), place),
                    Err(AuthError::InvalidUri),
                    "{raw}"
                );
            }
            assert_eq!(decode(raw), Err(AuthError::InvalidUri), "{raw}");
        }
        assert_eq!(decode("%ff"), Err(AuthError::InvalidUri));
    }

    #[test]
    fn decoding_undoes_escapes() {
        assert_eq!(decode("a%2Fb+c").expect("well-formed"), "a/b c");
        assert!(matches!(decode("plain"), Ok(Cow::Borrowed("plain"))));
    }
}
