//! ListObjects, both versions: keys in the order of their bytes, rolled up at a delimiter.

use std::ops::Bound;

use crate::access::Caller;
use crate::error::Error;
use crate::meta::door::MetaError;
use crate::meta::records::{ObjectRecord, Record};
use crate::meta::tables;
use crate::meta::walk::{Line, Walk};
use crate::names::{BucketName, ObjectKey};
use crate::objects::object::ListedObject;
use crate::store::{Store, bucket_for};

/// What to list.
#[derive(Clone, Debug)]
pub struct ListObjects {
    /// The bucket.
    pub bucket: BucketName,
    /// Only keys that begin with this.
    pub prefix: String,
    /// Roll keys up at the first occurrence of this after the prefix; not empty.
    pub delimiter: Option<String>,
    /// Where to begin.
    pub from: From,
    /// At most this many entries.
    pub max: usize,
}

/// Where a listing begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// At the first key.
    Start,
    /// After this key, which need not exist.
    After(String),
    /// After every key that begins with this: a common prefix that was listed already.
    AfterPrefix(String),
}

/// An entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListEntry {
    /// An object.
    Object(ListedObject),
    /// A common prefix, ending with the delimiter.
    Prefix(String),
}

/// A page of a listing.
#[derive(Clone, Debug)]
pub struct ObjectPage {
    /// Objects and common prefixes, in order.
    pub entries: Vec<ListEntry>,
    /// Whether there are more: then the last entry says where to go on.
    pub truncated: bool,
}

impl Store {
    /// Lists a bucket's objects as they are at one moment.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::AccessDenied`], [`Error::Meta`].
    pub fn list_objects(&self, caller: &Caller, request: &ListObjects) -> Result<ObjectPage, Error> {
        let view = self.meta.snapshot();
        let bucket = bucket_for(&*view, &request.bucket, caller)?;
        let table = tables::current(bucket.id, "");
        let start = match &request.from {
            From::Start => Bound::Unbounded,
            From::After(key) => Bound::Excluded(tables::current(bucket.id, key)),
            From::AfterPrefix(prefix) => Bound::Included(tables::above(&tables::current(bucket.id, prefix))),
        };
        let walk = Walk {
            table: &table,
            prefix: request.prefix.as_bytes(),
            delimiter: request.delimiter.as_deref().map(str::as_bytes),
            columns_behind: 0,
            start,
        };
        let mut page = ObjectPage { entries: Vec::with_capacity(request.max.min(1000)), truncated: false };
        walk.run(&*view, |line| {
            if page.entries.len() >= request.max {
                page.truncated = request.max > 0;
                return Ok::<_, Error>(false);
            }
            page.entries.push(match line {
                Line::Row { key, value } => {
                    let text = key.get(table.len()..).and_then(|key| std::str::from_utf8(key).ok());
                    let object = text.and_then(|text| ObjectKey::parse(text).ok());
                    let object = object.ok_or_else(|| not_a_key(&key))?;
                    ListEntry::Object(listed(object, &ObjectRecord::decode(&key, value)?))
                }
                Line::Prefix(prefix) => {
                    ListEntry::Prefix(String::from_utf8(prefix).map_err(|error| not_a_key(error.as_bytes()))?)
                }
            });
            Ok(true)
        })?;
        Ok(page)
    }
}

fn listed(key: ObjectKey, record: &ObjectRecord) -> ListedObject {
    ListedObject {
        key,
        size: record.info.size,
        etag: record.info.etag,
        modified: record.info.modified,
        checksum: record.info.checksum,
        storage_class: record.info.attributes.get("x-amz-storage-class").map(Into::into),
    }
}

pub(crate) fn not_a_key(key: &[u8]) -> MetaError {
    MetaError::Corrupt { key: key.escape_ascii().to_string(), why: "its key is not an object key" }
}
