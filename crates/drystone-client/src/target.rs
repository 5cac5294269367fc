//! What an argument names: a bucket, and in it a key or the prefix of keys.
//!
//! `s3://bucket/prefix` and `bucket/prefix` mean the same. A target is never guessed: an argument that is
//! empty, as `"$BUCKET"` is when nobody set it, is refused, because a command that took it for "everything"
//! would abort what nobody named.

use std::fmt;
use std::str::FromStr;

/// The longest key, in bytes. Source: Amazon S3 User Guide, "Naming Amazon S3 objects".
const KEY_BYTES_MAX: usize = 1_024;

/// Bucket names have 3 to 63 characters today, and up to 255 where they are older than that rule or the
/// server is not Amazon's. Source: Amazon S3 User Guide, "General purpose bucket naming rules".
const BUCKET_CHARACTERS: std::ops::RangeInclusive<usize> = 3..=255;

/// A bucket, and the key or prefix that follows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The bucket's name.
    pub bucket: String,
    /// What stands after the bucket's slash: a prefix of keys, or a key; empty for the whole bucket.
    pub path: String,
}

/// Why an argument names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// There is nothing before the first slash.
    #[error(
        "`{0}` names no bucket; expected BUCKET or BUCKET/PREFIX, as in `photos/2026/` or `s3://photos/2026/`"
    )]
    NoBucket(String),
    /// The bucket's name cannot be one.
    #[error(
        "`{0}` cannot be a bucket; a name has 3 to 63 letters, digits, dots and hyphens, as in `photos` or `s3://photos/2026/`"
    )]
    BadBucket(String),
    /// The key or prefix is longer than any key.
    #[error("the key has {0} bytes; none is longer than {KEY_BYTES_MAX}")]
    LongKey(usize),
    /// A whole bucket where one key has to be named.
    #[error("`{0}` names a bucket; expected BUCKET/KEY, as in `photos/2026/wall.jpg`")]
    NoKey(String),
    /// A key or prefix where only a bucket can stand.
    #[error("`{0}` names more than a bucket; expected BUCKET, as in `photos`")]
    NotABucket(String),
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let named = text.strip_prefix("s3://").unwrap_or(text);
        let (bucket, path) = named.split_once('/').unwrap_or((named, ""));
        if bucket.is_empty() {
            return Err(BadTarget::NoBucket(text.to_owned()));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let begins = bucket.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !begins || !BUCKET_CHARACTERS.contains(&bucket.len()) || !bucket.chars().all(allowed) {
            return Err(BadTarget::BadBucket(bucket.to_owned()));
        }
        if path.len() > KEY_BYTES_MAX {
            return Err(BadTarget::LongKey(path.len()));
        }
        Ok(Self { bucket: bucket.to_owned(), path: path.to_owned() })
    }
}

impl Target {
    /// Reads an argument that must name one key.
    ///
    /// # Errors
    /// When it names no bucket, or a bucket without a key.
    pub fn parse_key(text: &str) -> Result<Self, BadTarget> {
        let target: Self = text.parse()?;
        if target.path.is_empty() { Err(BadTarget::NoKey(text.to_owned())) } else { Ok(target) }
    }

    /// Reads an argument that must name a bucket and nothing in it.
    ///
    /// # Errors
    /// When it names no bucket, or more than one.
    pub fn parse_bucket(text: &str) -> Result<Self, BadTarget> {
        let target: Self = text.parse()?;
        if target.path.is_empty() { Ok(target) } else { Err(BadTarget::NotABucket(text.to_owned())) }
    }

    /// Whether everything that `other` names is named by this one too.
    pub fn covers(&self, other: &Self) -> bool {
        self.bucket == other.bucket && other.path.starts_with(&self.path)
    }

    /// The targets without those that another one covers, so that nothing is looked at twice.
    pub fn without_covered(mut targets: Vec<Self>) -> Vec<Self> {
        // In order, whatever covers a target stands before it.
        targets.sort();
        let mut kept: Vec<Self> = Vec::with_capacity(targets.len());
        for target in targets {
            if !kept.iter().any(|wider| wider.covers(&target)) {
                kept.push(target);
            }
        }
        kept
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.path.is_empty() { "" } else { "/" };
        write!(f, "s3://{}{slash}{}", self.bucket, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(bucket: &str, path: &str) -> Target {
        Target { bucket: bucket.into(), path: path.into() }
    }

    #[test]
    fn both_forms_name_the_same() {
        for text in ["s3://photos/2026/a b", "photos/2026/a b"] {
            assert_eq!(text.parse(), Ok(target("photos", "2026/a b")));
        }
        for text in ["photos", "photos/", "s3://photos", "s3://photos/"] {
            assert_eq!(text.parse(), Ok(target("photos", "")), "{text}");
        }
        // A key may begin with a slash, and may look like an address.
        assert_eq!("photos//x".parse(), Ok(target("photos", "/x")));
        assert_eq!("photos/s3://x".parse(), Ok(target("photos", "s3://x")));
    }

    #[test]
    fn an_argument_that_names_nothing_is_refused_and_never_means_everything() {
        for text in ["", "/", "s3://", "s3:///", "/key", "s3:///key"] {
            assert_eq!(text.parse::<Target>(), Err(BadTarget::NoBucket(text.into())));
        }
        for text in ["ab", "s3:/photos", "a*b", "*", "pho tos", "-photos", "http://host/photos", "Wände"] {
            assert!(matches!(text.parse::<Target>(), Err(BadTarget::BadBucket(_))), "{text}");
        }
        assert_eq!(format!("photos/{}", "k".repeat(1_025)).parse::<Target>(), Err(BadTarget::LongKey(1_025)));
        assert_eq!(Target::parse_key("photos/"), Err(BadTarget::NoKey("photos/".into())));
        assert_eq!(Target::parse_bucket("photos/a"), Err(BadTarget::NotABucket("photos/a".into())));
    }

    #[test]
    fn what_another_target_covers_is_dropped() {
        let parsed = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Target>>();
        let kept =
            Target::without_covered(parsed(&["b-b/x", "a-a/logs/1", "a-a/logs", "b-b", "c-c/", "a-a/logs"]));
        assert_eq!(kept, parsed(&["a-a/logs", "b-b", "c-c"]));
        assert_eq!(kept[0].to_string(), "s3://a-a/logs");
    }
}
