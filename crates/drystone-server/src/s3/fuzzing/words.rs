//! The small texts of heads: ranges, dates, tags, tokens, queries, names, ids, numbers.
//!
//! Promise: there is one form of each. What was read, written and read again is the same, so that no
//! two parts of the server, or of a client, take one text for two things.

use drystone_core::checksum::Algorithm;
use drystone_core::names::{BucketName, ETag, ObjectKey, PartNumber, Timestamp, UploadId};
use drystone_core::objects::get::ByteRange;
use drystone_core::objects::list::{From, ListEntry};
use http::Method;

use super::input::Input;
use crate::s3::copy::parse_source;
use crate::s3::dates::{HttpDate, IsoDate, parse_date};
use crate::s3::list::{read_max, read_token, rolled_up, token_of};
use crate::s3::operation::{Level, Source, find};
use crate::s3::query::{Plus, Query, decode};
use crate::s3::route::Addressing;
use crate::s3::xml::reader::parse_number;
use crate::s3::xml::url;
use crate::s3::{checksums, conditions, ranges};

/// Which kind of word, then its text.
///
/// # Panics
/// When a promise of words does not hold.
pub fn words(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte();
    let Ok(text) = std::str::from_utf8(input.rest()) else { return };
    match kind % 11 {
        0 => check_range(text),
        1 => check_date(text),
        2 => check_token(text),
        3 => check_query(text),
        4 => check_names(text),
        5 => check_etag(text),
        6 => check_number(text),
        7 => check_source(text),
        8 => check_route(text),
        9 => check_rolled_up(text),
        _ => check_checksum(text),
    }
}

fn check_range(text: &str) {
    if let Some(range) = ranges::parse(text) {
        let again = match range {
            ByteRange::FromTo { first, last } => {
                assert!(first <= last, "{text}");
                format!("bytes={first}-{last}")
            }
            ByteRange::From { first } => format!("bytes={first}-"),
            ByteRange::Last { count } => format!("bytes=-{count}"),
        };
        assert_eq!(ranges::parse(&again), Some(range), "{text}");
    }
    if let Ok(range) = ranges::parse_copy(text) {
        let (first, last) = (*range.start(), *range.end());
        assert_eq!(ranges::parse(text), Some(ByteRange::FromTo { first, last }), "{text}");
    }
}

fn check_date(text: &str) {
    if let Some(time) = parse_date(text) {
        assert_eq!(parse_date(&HttpDate(time).to_string()), Some(time), "{text}");
        assert_eq!(parse_date(&IsoDate(time).to_string()), Some(time), "{text}");
    }
    let time = Timestamp(text.bytes().fold(0, |time, byte| time << 8 | u64::from(byte)));
    assert!(!HttpDate(time).to_string().is_empty() && !IsoDate(time).to_string().is_empty());
}

fn check_token(text: &str) {
    let token = token_of(&ListEntry::Prefix(text.to_owned()));
    assert_eq!(read_token(&token).ok(), Some(From::AfterPrefix(text.to_owned())));
    if let Ok(From::AfterPrefix(name)) = read_token(text) {
        assert_eq!(token_of(&ListEntry::Prefix(name)), text, "one token, two texts");
    }
}

fn check_query(text: &str) {
    let Ok(query) = Query::parse(Some(text)) else {
        return assert!(text.contains('%'), "only a broken escape breaks a query: {text}");
    };
    for (name, value) in query.iter() {
        assert!(query.has(name), "{name}");
        let written = url::encode(value);
        assert!(written.is_ascii(), "{written}");
        assert_eq!(decode(&written, Plus::IsSpace).as_deref(), Some(value));
    }
    let max = read_max(&query, "max-keys", "maxKeys");
    assert!(max.is_err() || max.is_ok_and(|max| max <= 1000), "{text}");
    for method in [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::HEAD] {
        for level in [Level::Service, Level::Bucket, Level::Object] {
            for source in [Source::Body, Source::Copy] {
                if let Ok(operation) = find(&method, level, &query, source) {
                    assert!(!operation.name().is_empty());
                }
            }
        }
    }
}

fn check_names(text: &str) {
    if let Some(id) = UploadId::parse(text) {
        assert_eq!(id.to_string(), text);
        assert_eq!(UploadId::from_bytes(*id.as_bytes()), id);
    }
    if let Ok(bucket) = BucketName::parse(text) {
        assert_eq!(bucket.as_str(), text);
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        assert!((3..=63).contains(&text.len()) && text.bytes().all(plain), "{text}");
    }
    assert_eq!(ObjectKey::parse(text).is_ok(), (1..=1024).contains(&text.len()));
}

fn check_etag(text: &str) {
    if let Some(tag) = ETag::parse(text) {
        assert_eq!(tag.to_string(), conditions::unquoted(text).to_ascii_lowercase(), "one tag, two texts");
        assert_eq!(ETag::parse(&tag.to_string()), Some(tag));
    }
    let _ = conditions::parse_tags(text);
}

fn check_number(text: &str) {
    if let Some(number) = parse_number(text) {
        let digits = text.trim_start_matches('0');
        assert_eq!(number.to_string(), if digits.is_empty() { "0" } else { digits });
    }
    if let Some(part) = parse_number(text) {
        assert_eq!(PartNumber::new(part).is_ok(), (1..=10_000).contains(&part));
    }
}

fn check_source(text: &str) {
    if let Ok((bucket, key, _)) = parse_source(text) {
        let written = format!("{}/{}", bucket.as_str(), url::encode(key.as_str()));
        let again = parse_source(&written);
        assert_eq!(again.ok().map(|(bucket, key, _)| (bucket, key)), Some((bucket, key)), "{text}");
    }
}

fn check_route(text: &str) {
    let (host, target) = text.split_once('\n').unwrap_or(("localhost", text));
    let Ok(uri) = target.parse() else { return };
    let addressing = Addressing::new(["s3.test".to_owned(), ".s3.eu.test".to_owned()]);
    if let Ok(route) = addressing.route(Some(host), &uri) {
        assert!(route.target.key.as_deref() != Some(""), "an empty key is no key");
        assert!(route.target.bucket.is_some() || route.target.key.is_none(), "a key has a bucket");
    }
}

fn check_rolled_up(text: &str) {
    let mut words = text.splitn(3, '\n');
    let (marker, prefix) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let delimiter = words.next().filter(|delimiter| !delimiter.is_empty());
    if let Some(common) = rolled_up(marker, prefix, delimiter) {
        let delimiter = delimiter.expect("nothing rolls up without a delimiter");
        assert!(marker.starts_with(common) && common.starts_with(prefix) && common.ends_with(delimiter));
        let inside = common.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(delimiter));
        assert!(inside.is_some_and(|inside| !inside.contains(delimiter)), "{text}");
    }
}

fn check_checksum(text: &str) {
    for algorithm in Algorithm::ALL {
        if let Some(sum) = checksums::decode(algorithm, text) {
            assert_eq!(checksums::encode(&sum), text.trim(), "one checksum, two texts");
        }
    }
}
