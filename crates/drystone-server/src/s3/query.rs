//! The query of a request, decoded once.
//!
//! Names and values are percent-decoded once and `+` is a space, as S3 reads them; invalid escapes
//! and invalid UTF-8 are refused instead of guessed, because a guessed prefix or marker lists or
//! deletes the wrong keys.

use std::borrow::Cow;

use crate::s3::error::{INVALID_URI, S3Error};

/// The parameters of a query, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Query<'r> {
    pairs: Vec<(Cow<'r, str>, Cow<'r, str>)>,
}

impl<'r> Query<'r> {
    /// Decodes a raw query.
    ///
    /// # Errors
    /// `InvalidURI` for invalid escapes and invalid UTF-8.
    pub(crate) fn parse(raw: Option<&'r str>) -> Result<Self, S3Error> {
        let Some(raw) = raw.filter(|raw| !raw.is_empty()) else { return Ok(Self::default()) };
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name, Plus::IsSpace)?, decode(value, Plus::IsSpace)?))
        });
        let pairs: Option<Vec<_>> = pairs.collect();
        pairs
            .map(|pairs| Self { pairs })
            .ok_or_else(|| S3Error::new(&INVALID_URI).with("URI", format!("?{raw}")))
    }

    /// Whether `name` is there, with or without a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The first value of `name`; empty when it has none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(n, _)| n == name).map(|(_, value)| &**value)
    }

    /// The first value of `name`, if it is there and not empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All parameters.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// What `+` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plus {
    /// A plus sign, as in paths.
    IsPlus,
    /// A space, as in queries.
    IsSpace,
}

/// Percent-decodes `text` exactly once; `None` for an invalid escape or invalid UTF-8.
pub(crate) fn decode(text: &str, plus: Plus) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| byte == b'%' || (byte == b'+' && plus == Plus::IsSpace)) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            b'+' if plus == Plus::IsSpace => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_once() {
        let query = Query::parse(Some("prefix=a%2Bb+c%2520&uploads&max-keys=&&x=%C3%A9")).unwrap();
        assert_eq!(query.get("prefix"), Some("a+b c%20"));
        assert_eq!(query.get("uploads"), Some(""));
        assert_eq!(query.filled("max-keys"), None);
        assert!(query.has("max-keys"));
        assert_eq!(query.get("x"), Some("é"));
        assert_eq!(query.get("missing"), None);
        assert_eq!(query.iter().count(), 4);
    }

    #[test]
    fn broken_escapes_are_refused() {
        for raw in ["a=%", "a=%4", "a=%zz", "%ff=1", "a=%C3", "a=%+1"] {
            assert!(Query::parse(Some(raw)).is_err(), "{raw}");
        }
    }

    #[test]
    fn a_plus_in_a_path_is_a_plus() {
        assert_eq!(decode("a+b%2Bc", Plus::IsPlus).as_deref(), Some("a+b+c"));
    }
}
