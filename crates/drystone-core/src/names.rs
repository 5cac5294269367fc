//! Names, parsed once at the door and trusted inside.
//!
//! A [`BucketName`] that exists is a valid bucket name; nothing behind the door checks it again.
//! Keys are opaque UTF-8: they never become file names, so `..`, `//` and control characters are
//! ordinary characters here and path traversal cannot be expressed.

use std::fmt;

/// A bucket name: 3 to 63 bytes of lower-case letters, digits, dots and hyphens.
///
/// Source: Amazon S3 User Guide, "General purpose bucket naming rules".
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketName(Box<str>);

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is not a bucket name.
    #[error("`{name}` is not a bucket name: {why}")]
    Bucket {
        /// The text as it came in.
        name: String,
        /// The rule that it breaks, and what to do.
        why: &'static str,
    },
    /// The key has no character.
    #[error("an object key has at least one character")]
    KeyEmpty,
    /// The key is longer than [`ObjectKey::BYTES_MAX`].
    #[error("the key has {bytes} bytes; an object key has at most {max} bytes of UTF-8", max = ObjectKey::BYTES_MAX)]
    KeyTooLong {
        /// Length of the key as it came in, in bytes.
        bytes: usize,
    },
    /// The part number is not within 1 to 10,000.
    #[error("part number must be an integer between 1 and 10000, inclusive")]
    PartNumber,
}

impl BucketName {
    /// Parses a bucket name.
    ///
    /// # Errors
    /// [`NameError::Bucket`] names the rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let refuse = |why| Err(NameError::Bucket { name: text.chars().take(80).collect(), why });
        if !(3..=63).contains(&text.len()) {
            return refuse("it must have 3 to 63 characters");
        }
        if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-') {
            return refuse("use lower-case letters, digits, dots and hyphens only");
        }
        let alphanumeric = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
        if !alphanumeric(text.bytes().next()) || !alphanumeric(text.bytes().next_back()) {
            return refuse("it must begin and end with a letter or a digit");
        }
        if text.contains("..") || text.contains(".-") || text.contains("-.") {
            return refuse("dots may not stand beside dots or hyphens");
        }
        if text.split('.').count() == 4 && text.split('.').all(|label| label.parse::<u8>().is_ok()) {
            return refuse("it must not look like an IP address");
        }
        if text.starts_with("xn--") || text.ends_with("-s3alias") || text.ends_with("--ol-s3") {
            return refuse("this prefix or suffix is reserved by S3");
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object key: 1 to 1,024 bytes of UTF-8, ordered by its bytes.
///
/// Source: Amazon S3 User Guide, "Naming Amazon S3 objects".
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(Box<str>);

impl ObjectKey {
    /// Longest key, in bytes.
    pub const BYTES_MAX: usize = 1024;

    /// Parses an object key.
    ///
    /// # Errors
    /// [`NameError::KeyEmpty`] or [`NameError::KeyTooLong`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text.len() {
            0 => Err(NameError::KeyEmpty),
            bytes if bytes > Self::BYTES_MAX => Err(NameError::KeyTooLong { bytes }),
            _ => Ok(Self(text.into())),
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A part number of a multipart upload: 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartNumber(u16);

impl PartNumber {
    /// The smallest part number.
    pub const MIN: Self = Self(1);
    /// The largest part number.
    pub const MAX: Self = Self(10_000);

    /// Checks a part number.
    ///
    /// # Errors
    /// [`NameError::PartNumber`] when it is not within 1 to 10,000.
    pub fn new(number: u64) -> Result<Self, NameError> {
        match u16::try_from(number) {
            Ok(n) if (Self::MIN.0..=Self::MAX.0).contains(&n) => Ok(Self(n)),
            _ => Err(NameError::PartNumber),
        }
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The account that owns buckets: S3's canonical user id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(Box<str>);

impl AccountId {
    /// Wraps an id that the configuration or a record gave.
    pub fn new(id: impl Into<Box<str>>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, as stored in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Whole seconds since 1970, the precision of HTTP dates.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

/// The identity of a multipart upload: its initiation time, a tie-breaker and randomness.
///
/// Twenty bytes, shown as 32 characters of lower-case base32hex (RFC 4648, section 7), which keeps
/// the order of the bytes. So "ordered by initiation" and "greater than the upload-id-marker" are
/// the same order, and the id needs no escaping in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId([u8; UploadId::BYTES]);

impl UploadId {
    /// Length of the id in bytes: 6 of time, 6 of tie-breaker, 8 of randomness.
    pub const BYTES: usize = 20;
    const ALPHABET: &'static [u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

    /// Builds the id of an upload initiated at `initiated`, the `tie`-th thing made in this store.
    pub fn new(initiated: Timestamp, tie: u64, random: u64) -> Self {
        let mut id = [0; Self::BYTES];
        let (time, rest) = id.split_at_mut(6);
        let (order, chance) = rest.split_at_mut(6);
        time.copy_from_slice(initiated.0.to_be_bytes().last_chunk::<6>().expect("8 bytes have a tail of 6"));
        order.copy_from_slice(tie.to_be_bytes().last_chunk::<6>().expect("8 bytes have a tail of 6"));
        chance.copy_from_slice(&random.to_be_bytes());
        Self(id)
    }

    /// The id as stored in table keys.
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Reads an id from a table key.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Parses the text form; `None` for anything that this store cannot have given out.
    pub fn parse(text: &str) -> Option<Self> {
        let text: &[u8; 32] = text.as_bytes().try_into().ok()?;
        let mut id = [0; Self::BYTES];
        for (group, bytes) in text.chunks_exact(8).zip(id.chunks_exact_mut(5)) {
            let mut bits = 0_u64;
            for &letter in group {
                let digit = match letter {
                    b'0'..=b'9' => letter - b'0',
                    b'a'..=b'v' => letter - b'a' + 10,
                    _ => return None,
                };
                bits = bits << 5 | u64::from(digit);
            }
            bytes.copy_from_slice(bits.to_be_bytes().last_chunk::<5>().expect("8 bytes have a tail of 5"));
        }
        Some(Self(id))
    }

    /// The initiation time that the id carries.
    pub fn initiated(&self) -> Timestamp {
        let time = self.0.iter().take(6).fold(0_u64, |ms, &byte| ms << 8 | u64::from(byte));
        Timestamp(time)
    }

    /// The tie-breaker that the id carries.
    pub fn tie(&self) -> u64 {
        self.0.iter().skip(6).take(6).fold(0_u64, |tie, &byte| tie << 8 | u64::from(byte))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in self.0.chunks_exact(5) {
            let bits = group.iter().fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte));
            for place in (0..8).rev() {
                let letter = Self::ALPHABET.get((bits >> (place * 5) & 31) as usize).copied();
                f.write_str(
                    char::from(letter.expect("five bits index 32 letters")).encode_utf8(&mut [0; 4]),
                )?;
            }
        }
        Ok(())
    }
}

/// An entity tag without its quotes: the MD5 of the body, or for a multipart object the MD5 of the
/// parts' MD5s and the number of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ETag {
    /// The digest.
    pub md5: [u8; 16],
    /// Number of parts of a multipart object; 0 for a body that came in one piece.
    pub parts: u16,
}

impl ETag {
    /// Parses `"hex"`, `hex`, `"hex-N"` or `hex-N`; `None` for anything this store cannot have given out.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
        let (hex, parts) = match text.split_once('-') {
            // One tag has one text: no sign, no zero before the number.
            Some((hex, parts)) if parts.starts_with(|first| matches!(first, '1'..='9')) => {
                (hex, parts.parse().ok()?)
            }
            Some(_) => return None,
            None => (text, 0),
        };
        let hex: &[u8; 32] = hex.as_bytes().try_into().ok()?;
        let mut md5 = [0; 16];
        for (pair, byte) in hex.chunks_exact(2).zip(&mut md5) {
            let mut value = 0;
            for &digit in pair {
                value = value << 4 | char::from(digit).to_digit(16)?;
            }
            *byte = u8::try_from(value).ok()?;
        }
        Some(Self { md5, parts })
    }
}

impl fmt::Display for ETag {
    /// Writes the tag without quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(const_hex::Buffer::<16>::new().format(&self.md5))?;
        match self.parts {
            0 => Ok(()),
            parts => write!(f, "-{parts}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upload_ids_read_back_and_keep_their_order() {
        let ids = [(0, 0, 0), (0, 0, u64::MAX), (0, 1, 0), (1, 0, 7), (1 << 40, 5, 9), (1 << 40, 6, 1)]
            .map(|(ms, tie, random)| UploadId::new(Timestamp(ms), tie, random));
        for pair in ids.windows(2) {
            assert!(pair[0].to_string() < pair[1].to_string(), "text keeps the order of bytes");
        }
        for id in ids {
            assert_eq!(UploadId::parse(&id.to_string()), Some(id));
            assert!(id.to_string().bytes().all(|b| b.is_ascii_alphanumeric()), "no escaping in a URL");
        }
        assert_eq!((ids[4].initiated(), ids[4].tie()), (Timestamp(1 << 40), 5));
    }

    #[test]
    fn foreign_upload_ids_are_refused() {
        for text in ["", "x", "0123456789abcdefghijklmnopqrstuw", "../../../../../../../../../../../"] {
            assert_eq!(UploadId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn bucket_names_follow_the_rules() {
        for good in ["abc", "a.b", "my-bucket-1", "1.2.3", &"a".repeat(63)] {
            assert!(BucketName::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "ab",
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            "a..b",
            "a.-b",
            "192.168.0.1",
            "a/b",
            "xn--abc",
            &"a".repeat(64),
        ] {
            assert!(BucketName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn etags_read_back() {
        let tag = ETag { md5: *b"0123456789abcdef", parts: 12 };
        assert_eq!(ETag::parse(&tag.to_string()), Some(tag));
        assert_eq!(ETag::parse(&format!("\"{tag}\"")), Some(tag));
        for bad in [
            "",
            "\"\"",
            "xyz",
            "30313233343536373839616263646566-0",
            "30313233343536373839616263646566-+2",
            "30313233343536373839616263646566-02",
            "é".repeat(16).as_str(),
        ] {
            assert_eq!(ETag::parse(bad), None, "{bad}");
        }
    }
}
