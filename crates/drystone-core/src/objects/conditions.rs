//! Preconditions: pure decisions over an ETag and a time.
//!
//! Source: RFC 9110, section 13; Amazon S3 User Guide, "Conditional requests".

use crate::error::{Condition, Error};
use crate::names::{ETag, ObjectKey, Timestamp};

/// What an `If-Match` or `If-None-Match` header names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ETagMatch {
    /// `*`: any existing object.
    Any,
    /// One of these tags, without quotes and as they came in: a tag that no object of ours can
    /// have is legal and simply matches nothing.
    OneOf(Vec<String>),
}

impl ETagMatch {
    /// Whether `etag` is named.
    pub fn names(&self, etag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.iter().any(|tag| ETag::parse(tag).as_ref() == Some(etag)),
        }
    }
}

/// The conditions of a read, and of the source of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ReadConditions {
    /// `If-Match`.
    pub if_match: Option<ETagMatch>,
    /// `If-None-Match`.
    pub if_none_match: Option<ETagMatch>,
    /// `If-Modified-Since`, in whole seconds.
    pub if_modified_since: Option<Timestamp>,
    /// `If-Unmodified-Since`, in whole seconds.
    pub if_unmodified_since: Option<Timestamp>,
}

impl ReadConditions {
    /// Decides a read, in the order of RFC 9110, section 13.2.2.
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`], or [`Error::NotModified`].
    pub fn check_read(&self, etag: ETag, modified: Timestamp) -> Result<(), Error> {
        self.check_match(etag, modified)?;
        match self.first_unchanged(etag, modified) {
            Some(_) => Err(Error::NotModified { etag, modified }),
            None => Ok(()),
        }
    }

    /// Decides a copy's source: an unchanged source is a failed precondition there.
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`].
    pub fn check_copy_source(&self, etag: ETag, modified: Timestamp) -> Result<(), Error> {
        self.check_match(etag, modified)?;
        self.first_unchanged(etag, modified)
            .map_or(Ok(()), |condition| Err(Error::PreconditionFailed(condition)))
    }

    fn check_match(&self, etag: ETag, modified: Timestamp) -> Result<(), Error> {
        match (&self.if_match, self.if_unmodified_since) {
            (Some(tags), _) if !tags.names(&etag) => Err(Error::PreconditionFailed(Condition::IfMatch)),
            (None, Some(time)) if modified.seconds() > time.seconds() => {
                Err(Error::PreconditionFailed(Condition::IfUnmodifiedSince))
            }
            _ => Ok(()),
        }
    }

    fn first_unchanged(&self, etag: ETag, modified: Timestamp) -> Option<Condition> {
        match (&self.if_none_match, self.if_modified_since) {
            (Some(tags), _) => tags.names(&etag).then_some(Condition::IfNoneMatch),
            (None, Some(time)) => {
                (modified.seconds() <= time.seconds()).then_some(Condition::IfModifiedSince)
            }
            (None, None) => None,
        }
    }
}

/// The condition of a write.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum WriteCondition {
    /// Write whatever is there.
    #[default]
    None,
    /// `If-None-Match: *`: write only where no object is.
    IfAbsent,
    /// `If-Match`: replace only the object with this tag (without quotes, as it came in).
    IfMatch(String),
}

impl WriteCondition {
    /// Decides a write over the object that is there now.
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`]; [`Error::NoSuchKey`] for `If-Match` where nothing is.
    pub fn check(&self, key: &ObjectKey, current: Option<ETag>) -> Result<(), Error> {
        match (self, current) {
            (Self::None, _) | (Self::IfAbsent, None) => Ok(()),
            (Self::IfAbsent, Some(_)) => Err(Error::PreconditionFailed(Condition::IfNoneMatch)),
            (Self::IfMatch(_), None) => Err(Error::NoSuchKey(key.clone())),
            (Self::IfMatch(tag), Some(etag)) if ETag::parse(tag) == Some(etag) => Ok(()),
            (Self::IfMatch(_), Some(_)) => Err(Error::PreconditionFailed(Condition::IfMatch)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: ETag = ETag { md5: [1; 16], parts: 0 };
    const MODIFIED: Timestamp = Timestamp(10_500);

    #[expect(clippy::unnecessary_wraps, reason = "it fills optional fields")]
    fn tags(hit: bool) -> Option<ETagMatch> {
        let tag = if hit { ETAG.to_string() } else { "other".into() };
        Some(ETagMatch::OneOf(vec!["x".into(), tag]))
    }

    #[test]
    fn reads_follow_the_order_of_rfc_9110() {
        let none = ReadConditions::default();
        let at = |seconds: u64| Some(Timestamp(seconds * 1000));
        let cases = [
            (none.clone(), "go"),
            (ReadConditions { if_match: tags(true), if_unmodified_since: at(1), ..none.clone() }, "go"),
            (ReadConditions { if_match: tags(false), ..none.clone() }, "failed"),
            (ReadConditions { if_match: Some(ETagMatch::Any), ..none.clone() }, "go"),
            (ReadConditions { if_unmodified_since: at(9), ..none.clone() }, "failed"),
            (ReadConditions { if_unmodified_since: at(10), ..none.clone() }, "go"),
            (ReadConditions { if_none_match: tags(true), ..none.clone() }, "unmodified"),
            (ReadConditions { if_none_match: tags(false), if_modified_since: at(99), ..none.clone() }, "go"),
            (ReadConditions { if_modified_since: at(10), ..none.clone() }, "unmodified"),
            (ReadConditions { if_modified_since: at(9), ..none.clone() }, "go"),
            (ReadConditions { if_match: tags(false), if_none_match: tags(true), ..none }, "failed"),
        ];
        for (conditions, want) in cases {
            let read = conditions.check_read(ETAG, MODIFIED);
            let copy = conditions.check_copy_source(ETAG, MODIFIED);
            let got = match read {
                Ok(()) => "go",
                Err(Error::PreconditionFailed(_)) => "failed",
                Err(Error::NotModified { .. }) => "unmodified",
                Err(other) => panic!("{other}"),
            };
            assert_eq!(got, want, "{conditions:?}");
            assert_eq!(
                copy.is_ok(),
                want == "go",
                "a copy goes on exactly when a read would: {conditions:?}"
            );
        }
    }

    #[test]
    fn writes_check_what_is_there() {
        let key = ObjectKey::parse("k").unwrap();
        assert!(WriteCondition::IfAbsent.check(&key, None).is_ok());
        assert!(matches!(
            WriteCondition::IfAbsent.check(&key, Some(ETAG)),
            Err(Error::PreconditionFailed(_))
        ));
        assert!(WriteCondition::IfMatch(ETAG.to_string()).check(&key, Some(ETAG)).is_ok());
        assert!(matches!(
            WriteCondition::IfMatch("x".into()).check(&key, Some(ETAG)),
            Err(Error::PreconditionFailed(_))
        ));
        assert!(matches!(WriteCondition::IfMatch("x".into()).check(&key, None), Err(Error::NoSuchKey(_))));
    }
}
