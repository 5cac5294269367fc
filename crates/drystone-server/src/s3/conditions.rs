//! Conditional headers: from the wire's forms to the core's decisions.
//!
//! Reads take lists, weak tags and dates as RFC 9110 has them. Writes take only what S3 takes:
//! `If-None-Match: *` or one tag in `If-Match`; every other form is refused with 501 as S3 does,
//! because a condition that is ignored is a lost update.

use drystone_core::names::Timestamp;
use drystone_core::objects::conditions::{ETagMatch, ReadConditions, WriteCondition};
use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};

use crate::s3::dates::parse_date;
use crate::s3::error::S3Error;
use crate::s3::headers::text_of;

/// The conditions of GetObject and HeadObject.
pub(crate) fn of_read(headers: &HeaderMap, now: Timestamp) -> ReadConditions {
    ReadConditions {
        if_match: tags(headers, &IF_MATCH),
        if_none_match: tags(headers, &IF_NONE_MATCH),
        if_modified_since: past(headers, &IF_MODIFIED_SINCE, now),
        if_unmodified_since: past(headers, &IF_UNMODIFIED_SINCE, now),
    }
}

/// The conditions that a copy puts on its source.
pub(crate) fn of_copy_source(headers: &HeaderMap, now: Timestamp) -> ReadConditions {
    ReadConditions {
        if_match: tags(headers, &HeaderName::from_static("x-amz-copy-source-if-match")),
        if_none_match: tags(headers, &HeaderName::from_static("x-amz-copy-source-if-none-match")),
        if_modified_since: past(
            headers,
            &HeaderName::from_static("x-amz-copy-source-if-modified-since"),
            now,
        ),
        if_unmodified_since: past(
            headers,
            &HeaderName::from_static("x-amz-copy-source-if-unmodified-since"),
            now,
        ),
    }
}

/// The condition of a write.
///
/// # Errors
/// `NotImplemented` for both headers at once, for tags in `If-None-Match` and for `If-Match: *`.
pub(crate) fn of_write(headers: &HeaderMap) -> Result<WriteCondition, S3Error> {
    match (text_of(headers, &IF_MATCH), text_of(headers, &IF_NONE_MATCH)) {
        (None, None) => Ok(WriteCondition::None),
        (Some(_), Some(_)) => Err(S3Error::header_not_built("If-Match,If-None-Match")
            .with("additionalMessage", "Multiple conditional request headers present in the request")),
        (None, Some(absent)) if absent.trim() == "*" => Ok(WriteCondition::IfAbsent),
        (None, Some(_)) => Err(S3Error::header_not_built("If-None-Match").with(
            "additionalMessage",
            "We don't accept the provided value of If-None-Match header for this API",
        )),
        (Some(tag), None) if tag.trim() == "*" => Err(S3Error::header_not_built("If-Match")
            .with("additionalMessage", "We don't accept the provided value of If-Match header for this API")),
        (Some(tag), None) => Ok(WriteCondition::IfMatch(unquoted(&tag).to_owned())),
    }
}

/// The condition of a delete: `If-Match` with a tag or `*`.
///
/// # Errors
/// `NotImplemented` for the conditions on time and size, which S3 has for directory buckets only.
pub(crate) fn of_delete(headers: &HeaderMap) -> Result<Option<ETagMatch>, S3Error> {
    for name in ["x-amz-if-match-last-modified-time", "x-amz-if-match-size"] {
        if headers.contains_key(name) {
            return Err(S3Error::header_not_built(name));
        }
    }
    Ok(tags(headers, &IF_MATCH))
}

/// Reads a list of entity tags: `*`, or tags with or without quotes.
pub(crate) fn parse_tags(text: &str) -> ETagMatch {
    if text.trim() == "*" {
        return ETagMatch::Any;
    }
    // No tag of ours holds a comma, so a quoted comma can only be part of a tag that matches nothing.
    ETagMatch::OneOf(text.split(',').map(|tag| unquoted(tag).to_owned()).collect())
}

/// A tag without blanks, weakness mark and quotes.
pub(crate) fn unquoted(tag: &str) -> &str {
    let tag = tag.trim();
    let strong = tag.strip_prefix("W/").unwrap_or(tag);
    strong.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(strong)
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<ETagMatch> {
    text_of(headers, name).map(|text| parse_tags(&text))
}

/// A date that is not in the future; others and what is no date are ignored (RFC 9110, section 13.1.3).
fn past(headers: &HeaderMap, name: &HeaderName, now: Timestamp) -> Option<Timestamp> {
    let date = parse_date(&text_of(headers, name)?)?;
    (date.seconds() <= now.seconds()).then_some(date)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn reads_take_every_form() {
        let now = Timestamp(2_000_000_000_000);
        let of = |pairs: &[_]| of_read(&headers(pairs), now);
        let one = |tags: &[&str]| Some(ETagMatch::OneOf(tags.iter().map(|&t| t.into()).collect()));
        assert_eq!(of(&[("if-match", "*")]).if_match, Some(ETagMatch::Any));
        assert_eq!(of(&[("if-match", "\"a\", W/\"b\" ,c")]).if_match, one(&["a", "b", "c"]));
        assert_eq!(of(&[("if-none-match", "a")]).if_none_match, one(&["a"]));
        let then = Some(Timestamp(784_111_777_000));
        assert_eq!(of(&[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")]).if_modified_since, then);
        assert_eq!(of(&[("if-unmodified-since", "1994-11-06T08:49:37Z")]).if_unmodified_since, then);
        for ignored in ["yesterday", "Sun, 06 Nov 2094 08:49:37 GMT"] {
            assert_eq!(of(&[("if-modified-since", ignored)]), ReadConditions::default());
        }
        let copy = of_copy_source(&headers(&[("x-amz-copy-source-if-none-match", "\"a\"")]), now);
        assert_eq!(copy.if_none_match, one(&["a"]));
    }

    #[test]
    fn writes_take_what_s3_takes() {
        let of = |pairs: &[_]| of_write(&headers(pairs));
        assert_eq!(of(&[]).unwrap(), WriteCondition::None);
        assert_eq!(of(&[("if-none-match", "*")]).unwrap(), WriteCondition::IfAbsent);
        assert_eq!(of(&[("if-match", "\"a\"")]).unwrap(), WriteCondition::IfMatch("a".into()));
        assert_eq!(of(&[("if-match", "a")]).unwrap(), WriteCondition::IfMatch("a".into()));
        let refused: [&[(&str, &str)]; 3] = [
            &[("if-match", "*")],
            &[("if-none-match", "\"a\"")],
            &[("if-match", "a"), ("if-none-match", "*")],
        ];
        for pairs in refused {
            let refusal = of(pairs).unwrap_err();
            assert_eq!((refusal.status().as_u16(), refusal.code()), (501, "NotImplemented"), "{pairs:?}");
            assert!(refusal.element("Header").is_some());
        }
    }

    #[test]
    fn deletes_take_if_match_only() {
        assert_eq!(of_delete(&headers(&[("if-match", "*")])).unwrap(), Some(ETagMatch::Any));
        assert_eq!(of_delete(&headers(&[])).unwrap(), None);
        for name in ["x-amz-if-match-size", "x-amz-if-match-last-modified-time"] {
            assert_eq!(of_delete(&headers(&[(name, "1")])).unwrap_err().status().as_u16(), 501);
        }
    }
}
