//! ListMultipartUploads: by key, then by initiation; each upload exactly once across pages.
//!
//! Markers are positions: the upload that a marker names may be gone. Only a marker that names an
//! upload of another key is refused.

use std::ops::Bound;

use crate::access::Caller;
use crate::error::Error;
use crate::lifecycle::configure::rules_of;
use crate::meta::door::View;
use crate::meta::records::{Record, UploadIndexRecord, UploadRecord};
use crate::meta::tables::{self, load};
use crate::meta::walk::{Line, Walk};
use crate::names::{BucketName, ObjectKey, UploadId};
use crate::objects::list::not_a_key;
use crate::store::{Store, bucket_for};
use crate::uploads::upload::{UploadInfo, held};

/// What to list.
#[derive(Clone, Debug)]
pub struct ListUploads {
    /// The bucket.
    pub bucket: BucketName,
    /// Only uploads of keys that begin with this.
    pub prefix: String,
    /// Roll keys up at the first occurrence of this after the prefix; not empty.
    pub delimiter: Option<String>,
    /// Where to begin.
    pub from: UploadsFrom,
    /// At most this many entries.
    pub max: usize,
}

/// Where a listing of uploads begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadsFrom {
    /// At the first upload.
    Start,
    /// After all uploads of this key and of the keys before it.
    AfterKey(String),
    /// After this upload.
    AfterUpload {
        /// Its key.
        key: String,
        /// Its id.
        upload_id: UploadId,
    },
    /// After every key that begins with this: a common prefix that was listed already.
    AfterPrefix(String),
}

/// An entry of a listing of uploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadEntry {
    /// An upload.
    Upload(Box<UploadInfo>),
    /// A common prefix, ending with the delimiter.
    Prefix(String),
}

/// A page of a listing of uploads.
#[derive(Clone, Debug)]
pub struct UploadPage {
    /// Uploads and common prefixes, in order.
    pub entries: Vec<UploadEntry>,
    /// Whether there are more: then the last entry says where to go on.
    pub truncated: bool,
}

impl Store {
    /// Lists a bucket's uploads in progress as they are at one moment.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when [`UploadsFrom::AfterUpload`] names an upload in progress with
    /// another key than its own; [`Error::NoSuchBucket`], [`Error::AccessDenied`], [`Error::Meta`].
    pub fn list_uploads(&self, caller: &Caller, request: &ListUploads) -> Result<UploadPage, Error> {
        let view = self.meta.snapshot();
        let bucket = bucket_for(&*view, &request.bucket, caller)?;
        let rules = rules_of(&*view, &bucket)?;
        let table = tables::uploads_prefix(bucket.id, "");
        let start = match &request.from {
            UploadsFrom::Start => Bound::Unbounded,
            UploadsFrom::AfterKey(key) => Bound::Included(tables::above(&tables::uploads_of(bucket.id, key))),
            UploadsFrom::AfterUpload { key, upload_id } => {
                check_marker(&*view, bucket.id, key, upload_id)?;
                Bound::Excluded(tables::upload(bucket.id, key, upload_id))
            }
            UploadsFrom::AfterPrefix(prefix) => {
                Bound::Included(tables::above(&tables::uploads_prefix(bucket.id, prefix)))
            }
        };
        let begin = tables::uploads_prefix(bucket.id, &request.prefix);
        let delimiter = request.delimiter.as_deref().map(escaped);
        let walk = Walk {
            table: &table,
            prefix: begin.get(table.len()..).unwrap_or_default(),
            delimiter: delimiter.as_deref(),
            columns_behind: tables::UPLOAD_COLUMNS_BEHIND_KEY,
            start,
        };
        let mut page = UploadPage { entries: Vec::new(), truncated: false };
        walk.run(&*view, |line| {
            if page.entries.len() >= request.max {
                page.truncated = request.max > 0;
                return Ok::<_, Error>(false);
            }
            page.entries.push(match line {
                Line::Row { key, value } => {
                    let (text, id) = tables::read_upload_key(&key)?;
                    let object = ObjectKey::parse(&text).map_err(|_| not_a_key(&key))?;
                    let record = UploadRecord::decode(&key, value)?;
                    let held = held(&*view, &id)?;
                    UploadEntry::Upload(Box::new(UploadInfo::new(object, id, record, held, &rules)))
                }
                Line::Prefix(prefix) => {
                    UploadEntry::Prefix(unescaped(&prefix).ok_or_else(|| not_a_key(&prefix))?)
                }
            });
            Ok(true)
        })?;
        Ok(page)
    }
}

/// Refuses markers that contradict each other: the upload is in progress, under another key. One
/// that is gone contradicts nothing, because clients abort what they have listed and then go on.
fn check_marker(
    view: &(impl View + ?Sized),
    bucket: u64,
    key: &str,
    upload_id: &UploadId,
) -> Result<(), Error> {
    let index: Option<UploadIndexRecord> = load(view, &tables::upload_by_age(upload_id))?;
    match index {
        Some(index) if index.bucket == bucket && *index.key != *key => Err(Error::InvalidArgument {
            name: "upload-id-marker",
            value: upload_id.to_string(),
            why: "Invalid uploadId marker".into(),
        }),
        _ => Ok(()),
    }
}

/// A text as it stands inside a row key of `uploads`.
fn escaped(text: &str) -> Vec<u8> {
    tables::uploads_prefix(0, text).split_off(tables::uploads_prefix(0, "").len())
}

fn unescaped(bytes: &[u8]) -> Option<String> {
    let mut text = Vec::with_capacity(bytes.len());
    let mut bytes = bytes.iter();
    while let Some(&byte) = bytes.next() {
        text.push(byte);
        if byte == 0 && bytes.next() != Some(&0xFF) {
            return None;
        }
    }
    String::from_utf8(text).ok()
}
