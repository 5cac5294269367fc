//! `encoding-type=url`: names in listings that XML cannot carry.
//!
//! Unreserved characters, `/` and `*` stay as they are; every other byte of the UTF-8 becomes `%XX`.
//! A space becomes `%20`, which every decoder reads as a space, whether it takes `+` for one or not.

use std::borrow::Cow;

use crate::s3::error::S3Error;
use crate::s3::query::Query;

/// How a listing writes names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As they are, escaped for XML.
    Plain,
    /// Percent-encoded.
    Url,
}

impl Encoding {
    /// Reads `encoding-type`.
    ///
    /// # Errors
    /// `InvalidArgument` for anything but `url`.
    pub(crate) fn of(query: &Query<'_>) -> Result<Self, S3Error> {
        match query.filled("encoding-type") {
            None => Ok(Self::Plain),
            Some(kind) if kind.eq_ignore_ascii_case("url") => Ok(Self::Url),
            Some(other) => {
                Err(S3Error::argument("encoding-type", other, "Invalid Encoding Method specified in Request"))
            }
        }
    }

    /// Writes `name` in this encoding.
    pub(crate) fn apply(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::Url if !name.bytes().all(stays) => Cow::Owned(encode(name)),
            Self::Plain | Self::Url => Cow::Borrowed(name),
        }
    }
}

/// Percent-encodes `name`.
pub(crate) fn encode(name: &str) -> String {
    name.bytes().fold(String::with_capacity(name.len() * 2), |mut text, byte| {
        if stays(byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            for nibble in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(u32::from(nibble), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
        text
    })
}

fn stays(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.*/~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_as_clients_decode_them() {
        let cases = [
            ("asdf+b", "asdf%2Bb"),
            ("quux ab/thud", "quux%20ab/thud"),
            ("é\u{1}\n%", "%C3%A9%01%0A%25"),
            ("a-b_c.d*e~f", "a-b_c.d*e~f"),
        ];
        for (name, want) in cases {
            assert_eq!(Encoding::Url.apply(name), want);
            assert_eq!(Encoding::Plain.apply(name), name);
        }
    }

    #[test]
    fn only_url_is_an_encoding() {
        let of = |raw| Encoding::of(&Query::parse(Some(raw)).unwrap());
        assert_eq!(of("encoding-type=url").unwrap(), Encoding::Url);
        assert_eq!(of("encoding-type=").unwrap(), Encoding::Plain);
        assert_eq!(of("encoding-type=xml").unwrap_err().code(), "InvalidArgument");
    }
}
