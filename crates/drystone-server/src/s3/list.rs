//! ListObjects, ListObjectsV2 and ListObjectVersions: three forms of one walk.
//!
//! A marker, a start-after and a token are positions: what they name need not exist. A common
//! prefix that a marker has reached or passed is not shown again; otherwise a client that pages
//! with a delimiter would see it twice.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use drystone_core::checksum::crc64;
use drystone_core::objects::list::{From, ListEntry, ListObjects, ObjectPage};
use drystone_core::objects::object::ListedObject;

use crate::s3::buckets::BUCKET_REGION;
use crate::s3::call::{Answer, Call, document, set};
use crate::s3::error::S3Error;
use crate::s3::headers::STANDARD;
use crate::s3::query::Query;
use crate::s3::xml::url::Encoding;
use crate::s3::xml::writer::Writer;

/// Most entries on a page, and as many as a request that names no number gets.
pub(crate) const PAGE_MAX: usize = 1_000;
/// About how many bytes an entry takes in XML.
const ENTRY_BYTES: usize = 384;
/// Mixed into the check of a token, so that only this server's tokens pass for tokens.
const TOKEN_SALT: &[u8] = b"drystone list token 1";

/// What all forms ask.
struct Asked<'q> {
    prefix: &'q str,
    delimiter: Option<&'q str>,
    max: usize,
    encoding: Encoding,
}

impl<'q> Asked<'q> {
    fn read(query: &'q Query<'_>) -> Result<Self, S3Error> {
        Ok(Self {
            prefix: query.filled("prefix").unwrap_or_default(),
            delimiter: query.filled("delimiter"),
            max: read_max(query, "max-keys", "maxKeys")?,
            encoding: Encoding::of(query)?,
        })
    }

    fn page(&self, call: &Call<'_>, from: From) -> Result<ObjectPage, S3Error> {
        let bucket = call.bucket()?;
        if self.max == 0 {
            call.store.head_bucket(&call.caller, &bucket)?;
            return Ok(ObjectPage { entries: Vec::new(), truncated: false });
        }
        let request = ListObjects {
            bucket,
            prefix: self.prefix.to_owned(),
            delimiter: self.delimiter.map(str::to_owned),
            from,
            max: self.max,
        };
        Ok(call.store.list_objects(&call.caller, &request)?)
    }

    fn write_name(&self, xml: &mut Writer, element: &str, name: &str) {
        xml.text(element, &self.encoding.apply(name));
    }

    /// What the forms show alike, before the entries.
    fn write_head(&self, xml: &mut Writer, page: &ObjectPage) {
        xml.value("MaxKeys", self.max);
        if let Some(delimiter) = self.delimiter {
            self.write_name(xml, "Delimiter", delimiter);
        }
        if self.encoding == Encoding::Url {
            xml.value("EncodingType", "url");
        }
        xml.value("IsTruncated", page.truncated);
        xml.reserve(page.entries.len() * ENTRY_BYTES);
    }

    fn write_prefixes(&self, xml: &mut Writer, page: &ObjectPage) {
        for entry in &page.entries {
            if let ListEntry::Prefix(prefix) = entry {
                xml.within("CommonPrefixes", |xml| self.write_name(xml, "Prefix", prefix));
            }
        }
    }
}

/// Reads a `max-...` parameter; `argument` is its name in S3's refusals.
///
/// # Errors
/// `InvalidArgument` for what is no number, too large for one, or negative.
pub(crate) fn read_max(query: &Query<'_>, name: &str, argument: &'static str) -> Result<usize, S3Error> {
    let Some(text) = query.filled(name) else { return Ok(PAGE_MAX) };
    let number: i32 = text.parse().map_err(|_| {
        S3Error::argument(argument, text, format!("Provided {name} not an integer or within integer range"))
    })?;
    let max = usize::try_from(number).map_err(|_| {
        S3Error::argument(
            argument,
            text,
            format!("Argument {name} must be an integer between 0 and 2147483647"),
        )
    })?;
    Ok(max.min(PAGE_MAX))
}

/// Where a listing goes on after `marker`: behind the common prefix that it stands for or in, if
/// the listing rolls it up.
pub(crate) fn rolled_up<'m>(marker: &'m str, prefix: &str, delimiter: Option<&str>) -> Option<&'m str> {
    let rest = marker.strip_prefix(prefix)?;
    let end = rest.find(delimiter?)? + prefix.len() + delimiter?.len();
    marker.get(..end)
}

fn after(marker: &str, asked: &Asked<'_>) -> From {
    match rolled_up(marker, asked.prefix, asked.delimiter) {
        Some(prefix) => From::AfterPrefix(prefix.to_owned()),
        None if marker.is_empty() => From::Start,
        None => From::After(marker.to_owned()),
    }
}

/// ListObjects (version 1).
pub(crate) fn list_objects(call: &Call<'_>) -> Answer {
    let asked = Asked::read(call.query)?;
    let marker = call.query.get("marker").unwrap_or_default();
    let page = asked.page(call, after(marker, &asked))?;

    let mut xml = Writer::new("ListBucketResult");
    xml.text("Name", call.target.bucket.as_deref().unwrap_or_default());
    asked.write_name(&mut xml, "Prefix", asked.prefix);
    asked.write_name(&mut xml, "Marker", marker);
    // S3 gives the next marker only where a client cannot take the last key for it.
    if let (true, Some(last), true) = (page.truncated, page.entries.last(), asked.delimiter.is_some()) {
        asked.write_name(&mut xml, "NextMarker", name_of(last));
    }
    asked.write_head(&mut xml, &page);
    write_objects(call, &mut xml, &asked, &page, Owners::Shown);
    asked.write_prefixes(&mut xml, &page);
    Ok(listed(call, xml))
}

/// ListObjectsV2.
pub(crate) fn list_objects_v2(call: &Call<'_>) -> Answer {
    let asked = Asked::read(call.query)?;
    let (token, start_after) = (call.query.get("continuation-token"), call.query.get("start-after"));
    let from = match (token, start_after) {
        (Some(token), _) if !token.is_empty() => read_token(token)?,
        (_, Some(start)) => after(start, &asked),
        _ => From::Start,
    };
    let page = asked.page(call, from)?;
    let owners = if call.query.get("fetch-owner").is_some_and(|fetch| fetch.eq_ignore_ascii_case("true")) {
        Owners::Shown
    } else {
        Owners::Hidden
    };

    let mut xml = Writer::new("ListBucketResult");
    xml.text("Name", call.target.bucket.as_deref().unwrap_or_default());
    asked.write_name(&mut xml, "Prefix", asked.prefix);
    if let Some(start) = start_after {
        asked.write_name(&mut xml, "StartAfter", start);
    }
    if let Some(token) = token {
        xml.text("ContinuationToken", token);
    }
    if let (true, Some(last)) = (page.truncated, page.entries.last()) {
        xml.text("NextContinuationToken", &token_of(last));
    }
    xml.value("KeyCount", page.entries.len());
    asked.write_head(&mut xml, &page);
    write_objects(call, &mut xml, &asked, &page, owners);
    asked.write_prefixes(&mut xml, &page);
    Ok(listed(call, xml))
}

/// ListObjectVersions of a bucket without versioning: each object is its one version, `null`.
pub(crate) fn list_object_versions(call: &Call<'_>) -> Answer {
    let asked = Asked::read(call.query)?;
    let marker = call.query.get("key-marker").unwrap_or_default();
    let version = call.query.get("version-id-marker").unwrap_or_default();
    if !version.is_empty() && marker.is_empty() {
        return Err(S3Error::argument(
            "version-id-marker",
            version,
            "A version-id marker cannot be specified without a key marker.",
        ));
    }
    let page = asked.page(call, after(marker, &asked))?;

    let mut xml = Writer::new("ListVersionsResult");
    xml.text("Name", call.target.bucket.as_deref().unwrap_or_default());
    asked.write_name(&mut xml, "Prefix", asked.prefix);
    asked.write_name(&mut xml, "KeyMarker", marker);
    xml.text("VersionIdMarker", version);
    if let (true, Some(last)) = (page.truncated, page.entries.last()) {
        asked.write_name(&mut xml, "NextKeyMarker", name_of(last));
        if matches!(last, ListEntry::Object(_)) {
            xml.value("NextVersionIdMarker", "null");
        }
    }
    asked.write_head(&mut xml, &page);
    for entry in &page.entries {
        if let ListEntry::Object(object) = entry {
            xml.within("Version", |xml| {
                asked.write_name(xml, "Key", object.key.as_str());
                xml.value("VersionId", "null");
                xml.value("IsLatest", true);
                write_facts(xml, object);
                call.write_account(xml, "Owner");
                write_class(xml, object);
            });
        }
    }
    asked.write_prefixes(&mut xml, &page);
    Ok(listed(call, xml))
}

/// Whether a listing shows who owns each object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owners {
    Shown,
    Hidden,
}

fn write_objects(call: &Call<'_>, xml: &mut Writer, asked: &Asked<'_>, page: &ObjectPage, owners: Owners) {
    for entry in &page.entries {
        if let ListEntry::Object(object) = entry {
            xml.within("Contents", |xml| {
                asked.write_name(xml, "Key", object.key.as_str());
                write_facts(xml, object);
                if owners == Owners::Shown {
                    call.write_account(xml, "Owner");
                }
                write_class(xml, object);
            });
        }
    }
}

fn write_facts(xml: &mut Writer, object: &ListedObject) {
    xml.time("LastModified", object.modified);
    xml.etag(&object.etag);
    xml.value("ChecksumAlgorithm", object.checksum.value.algorithm().name());
    xml.value("ChecksumType", object.checksum.kind.name());
    xml.value("Size", object.size);
}

fn write_class(xml: &mut Writer, object: &ListedObject) {
    xml.text("StorageClass", object.storage_class.as_deref().unwrap_or(STANDARD));
}

fn name_of(entry: &ListEntry) -> &str {
    match entry {
        ListEntry::Object(object) => object.key.as_str(),
        ListEntry::Prefix(prefix) => prefix,
    }
}

fn listed(call: &Call<'_>, xml: Writer) -> http::Response<crate::response_body::ResponseBody> {
    let mut response = document(xml);
    set(response.headers_mut(), BUCKET_REGION, call.region);
    response
}

/// A token: the kind of its position, its name, and a check over both. The check keeps damaged
/// tokens from being taken for positions; a token is no secret, because a start-after can say the same.
pub(crate) fn token_of(last: &ListEntry) -> String {
    let mut token = match last {
        ListEntry::Object(_) => vec![b'k'],
        ListEntry::Prefix(_) => vec![b'p'],
    };
    token.extend_from_slice(name_of(last).as_bytes());
    token.extend_from_slice(&check_of(&token));
    BASE64.encode(token)
}

pub(crate) fn read_token(token: &str) -> Result<From, S3Error> {
    let read = || {
        let bytes = BASE64.decode(token).ok()?;
        let (position, check) = bytes.split_last_chunk::<8>()?;
        let name = std::str::from_utf8(position.get(1..)?).ok()?.to_owned();
        match (position.first()?, *check == check_of(position)) {
            (b'k', true) => Some(From::After(name)),
            (b'p', true) => Some(From::AfterPrefix(name)),
            _ => None,
        }
    };
    read().ok_or_else(|| {
        S3Error::argument("continuation-token", token, "The continuation token provided is incorrect")
    })
}

fn check_of(position: &[u8]) -> [u8; 8] {
    crc64(&[TOKEN_SALT, position].concat()).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbers_and_clamped() {
        let of = |raw| {
            let query = Query::parse(Some(raw)).unwrap();
            read_max(&query, "max-keys", "maxKeys").map_err(|refusal| refusal.code())
        };
        assert_eq!(of(""), Ok(1_000));
        assert_eq!(of("max-keys="), Ok(1_000));
        assert_eq!(of("max-keys=0"), Ok(0));
        assert_eq!(of("max-keys=7"), Ok(7));
        assert_eq!(of("max-keys=2147483647"), Ok(1_000));
        for bad in ["max-keys=-1", "max-keys=x", "max-keys=2147483648", "max-keys=1.5"] {
            assert_eq!(of(bad), Err("InvalidArgument"), "{bad}");
        }
    }

    #[test]
    fn markers_inside_a_rolled_up_prefix_stand_behind_it() {
        assert_eq!(rolled_up("foo/", "", Some("/")), Some("foo/"));
        assert_eq!(rolled_up("foo/bar", "", Some("/")), Some("foo/"));
        assert_eq!(rolled_up("foo/bar/x", "foo/", Some("/")), Some("foo/bar/"));
        assert_eq!(rolled_up("foo/", "foo/", Some("/")), None);
        assert_eq!(rolled_up("foo", "", Some("/")), None);
        assert_eq!(rolled_up("foo/bar", "", None), None);
        assert_eq!(rolled_up("a", "b", Some("/")), None);
        assert_eq!(rolled_up("a--b--c", "a", Some("--")), Some("a--"));
    }

    #[test]
    fn tokens_read_back_and_damage_is_noticed() {
        let prefix = ListEntry::Prefix("fö/".into());
        let token = token_of(&prefix);
        assert!(
            token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
            "no escaping in a URL"
        );
        assert_eq!(read_token(&token).unwrap(), From::AfterPrefix("fö/".into()));
        for place in 0..token.len() {
            let mut damaged = token.clone().into_bytes();
            damaged[place] = if damaged[place] == b'A' { b'B' } else { b'A' };
            let damaged = String::from_utf8(damaged).unwrap();
            assert_eq!(read_token(&damaged).unwrap_err().code(), "InvalidArgument", "{damaged}");
        }
        for bad in ["x", "bar", "AAAA", "a=", "%"] {
            assert!(read_token(bad).is_err(), "{bad}");
        }
    }
}
