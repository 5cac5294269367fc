//! Rows over keys: which table a row is in and how its key keeps the order.
//!
//! A key is the table's byte followed by its columns: numbers big-endian, so that byte order is
//! numeric order. An object key that other columns follow is escaped and terminated; one that ends
//! the row's key stands as it is. No UTF-8 text contains the byte 0xFF, so `text + 0xFF` is above
//! every text that begins with `text`.

use std::ops::Bound;

use crate::abort_jobs::job::JobId;
use crate::data::door::ExtentId;
use crate::meta::door::{MetaError, Tx, View};
use crate::meta::records::{CountersRecord, Record, UsageRecord};
use crate::names::{BucketName, PartNumber, Timestamp, UploadId};
use crate::planted::{Mistake, planted};

/// The tables, by the first byte of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Table {
    /// One row: the store's sequence.
    Counters = 0x02,
    /// One row: how far the scrub is.
    Scrub = 0x03,
    /// bucket name → bucket.
    Buckets = 0x10,
    /// bucket id → what it holds.
    Usage = 0x11,
    /// bucket id → nothing: a deleted bucket whose uploads are still being freed.
    Condemned = 0x12,
    /// bucket id → its lifecycle rules.
    Lifecycle = 0x13,
    /// job number → how far the abort job is.
    AbortJobs = 0x14,
    /// job number → which uploads it aborts.
    AbortSelections = 0x15,
    /// job number, bucket number → what it does in the bucket.
    AbortBuckets = 0x16,
    /// bucket id, key → current version. What ListObjects walks.
    Current = 0x20,
    /// manifest id → parts of a completed object.
    Manifests = 0x21,
    /// body id → small body.
    Bodies = 0x22,
    /// bucket id, key, upload id → upload. What ListMultipartUploads walks.
    Uploads = 0x30,
    /// upload id → bucket id and key, in the order of initiation.
    UploadsByAge = 0x31,
    /// upload id, part number → part.
    Parts = 0x32,
    /// upload id → what it holds.
    Held = 0x33,
    /// upload id → how it was completed.
    Completed = 0x34,
    /// time of completion, upload id → nothing: when a completion record may go.
    CompletedByAge = 0x35,
    /// volume, offset → extent with an owner.
    Extents = 0x40,
    /// volume, offset → extent that waits to be freed.
    Reclaim = 0x41,
}

/// Columns being put together into a key.
struct KeyBuilder(Vec<u8>);

impl KeyBuilder {
    fn new(table: Table) -> Self {
        let mut key = Vec::with_capacity(64);
        key.push(table as u8);
        Self(key)
    }

    fn number(mut self, n: u64) -> Self {
        self.0.extend_from_slice(&n.to_be_bytes());
        self
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A text that other columns follow: NUL becomes `00 FF`, so that the `00 00` that ends it is
    /// below everything that a longer text could go on with.
    fn escaped(mut self, text: &str) -> Self {
        for &byte in text.as_bytes() {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(0xFF);
            }
        }
        self
    }
}

/// Key of the counters.
pub fn counters() -> Vec<u8> {
    KeyBuilder::new(Table::Counters).0
}

/// Key of the scrub's place.
pub fn scrub() -> Vec<u8> {
    KeyBuilder::new(Table::Scrub).0
}

/// Key of a bucket.
pub fn bucket(name: &BucketName) -> Vec<u8> {
    bucket_prefix(name.as_str())
}

/// Beginning of the keys of buckets whose names begin with `prefix`.
pub fn bucket_prefix(prefix: &str) -> Vec<u8> {
    KeyBuilder::new(Table::Buckets).raw(prefix.as_bytes()).0
}

/// Key of a bucket's usage.
pub fn usage(bucket: u64) -> Vec<u8> {
    KeyBuilder::new(Table::Usage).number(bucket).0
}

/// Key of a condemned bucket.
pub fn condemned(bucket: u64) -> Vec<u8> {
    KeyBuilder::new(Table::Condemned).number(bucket).0
}

/// Key of a bucket's lifecycle rules.
pub fn lifecycle(bucket: u64) -> Vec<u8> {
    KeyBuilder::new(Table::Lifecycle).number(bucket).0
}

/// Key of an abort job.
pub fn abort_job(id: JobId) -> Vec<u8> {
    KeyBuilder::new(Table::AbortJobs).number(id.0).0
}

/// Key of an abort job's selection.
pub fn abort_selection(id: JobId) -> Vec<u8> {
    KeyBuilder::new(Table::AbortSelections).number(id.0).0
}

/// Beginning of the keys of what an abort job does in its buckets.
pub fn abort_buckets_of(id: JobId) -> Vec<u8> {
    KeyBuilder::new(Table::AbortBuckets).number(id.0).0
}

/// Key of what an abort job does in a bucket.
pub fn abort_bucket(id: JobId, bucket: u64) -> Vec<u8> {
    KeyBuilder(abort_buckets_of(id)).number(bucket).0
}

/// Job and bucket number of a row of `abort buckets`.
pub fn read_abort_bucket_key(key: &[u8]) -> Result<(JobId, u64), MetaError> {
    read_two_numbers(key).map(|(job, bucket)| (JobId(job), bucket))
}

/// Key of the current version of `key`; with a prefix instead of a key, the beginning of keys.
pub fn current(bucket: u64, key: &str) -> Vec<u8> {
    KeyBuilder::new(Table::Current).number(bucket).raw(key.as_bytes()).0
}

/// Key of a manifest.
pub fn manifest(id: u64) -> Vec<u8> {
    KeyBuilder::new(Table::Manifests).number(id).0
}

/// Key of a small body.
pub fn small_body(id: u64) -> Vec<u8> {
    KeyBuilder::new(Table::Bodies).number(id).0
}

/// Beginning of the keys of uploads whose object keys begin with `prefix`.
pub fn uploads_prefix(bucket: u64, prefix: &str) -> Vec<u8> {
    KeyBuilder::new(Table::Uploads).number(bucket).escaped(prefix).0
}

/// Beginning of the keys of the uploads of exactly `key`.
pub fn uploads_of(bucket: u64, key: &str) -> Vec<u8> {
    KeyBuilder(uploads_prefix(bucket, key)).raw(&[0, 0]).0
}

/// Bytes of a row key of `uploads` behind the object key: its end mark and the upload id.
pub const UPLOAD_COLUMNS_BEHIND_KEY: usize = 2 + UploadId::BYTES;

/// Key of an upload.
pub fn upload(bucket: u64, key: &str, id: &UploadId) -> Vec<u8> {
    KeyBuilder(uploads_of(bucket, key)).raw(id.as_bytes()).0
}

/// Object key and upload id of a row of `uploads`.
pub fn read_upload_key(key: &[u8]) -> Result<(String, UploadId), MetaError> {
    let columns = || {
        let (escaped, id) = key.get(9..)?.split_last_chunk::<{ UploadId::BYTES }>()?;
        let text = escaped.strip_suffix(&[0, 0])?;
        let mut unescaped = Vec::with_capacity(text.len());
        let mut bytes = text.iter();
        while let Some(&byte) = bytes.next() {
            unescaped.push(byte);
            if byte == 0 && bytes.next() != Some(&0xFF) {
                return None;
            }
        }
        Some((String::from_utf8(unescaped).ok()?, UploadId::from_bytes(*id)))
    };
    columns().ok_or_else(|| damaged(key))
}

/// Key of an upload in the index by age.
pub fn upload_by_age(id: &UploadId) -> Vec<u8> {
    KeyBuilder::new(Table::UploadsByAge).raw(id.as_bytes()).0
}

/// Beginning of the keys of an upload's parts.
pub fn parts_of(id: &UploadId) -> Vec<u8> {
    KeyBuilder::new(Table::Parts).raw(id.as_bytes()).0
}

/// Key of a part.
pub fn part(id: &UploadId, part: PartNumber) -> Vec<u8> {
    KeyBuilder(parts_of(id)).raw(&part.get().to_be_bytes()).0
}

/// Part number of a row of `parts`.
pub fn read_part_key(key: &[u8]) -> Result<PartNumber, MetaError> {
    let number = key.last_chunk::<2>().map(|n| u16::from_be_bytes(*n));
    number.and_then(|n| PartNumber::new(n.into()).ok()).ok_or_else(|| damaged(key))
}

/// Key of what an upload holds.
pub fn held(id: &UploadId) -> Vec<u8> {
    KeyBuilder::new(Table::Held).raw(id.as_bytes()).0
}

/// Key of a completion record.
pub fn completed(id: &UploadId) -> Vec<u8> {
    KeyBuilder::new(Table::Completed).raw(id.as_bytes()).0
}

/// Key of a completion record in the index by age.
pub fn completed_by_age(at: Timestamp, id: &UploadId) -> Vec<u8> {
    KeyBuilder::new(Table::CompletedByAge).number(at.0).raw(id.as_bytes()).0
}

/// Upload id at the end of a row's key.
pub fn read_upload_id(key: &[u8]) -> Result<UploadId, MetaError> {
    key.last_chunk::<{ UploadId::BYTES }>().map(|id| UploadId::from_bytes(*id)).ok_or_else(|| damaged(key))
}

/// Key of an extent with an owner.
pub fn extent(id: ExtentId) -> Vec<u8> {
    KeyBuilder::new(Table::Extents).number(id.volume).number(id.offset).0
}

/// Key of an extent that waits to be freed.
pub fn reclaim(id: ExtentId) -> Vec<u8> {
    KeyBuilder::new(Table::Reclaim).number(id.volume).number(id.offset).0
}

/// Place of a row of `extents` or `reclaim`.
pub fn read_extent_key(key: &[u8]) -> Result<ExtentId, MetaError> {
    read_two_numbers(key).map(|(volume, offset)| ExtentId { volume, offset })
}

fn read_two_numbers(key: &[u8]) -> Result<(u64, u64), MetaError> {
    let columns = || {
        let (first, second) = key.get(1..)?.split_first_chunk::<8>()?;
        Some((u64::from_be_bytes(*first), u64::from_be_bytes(second.try_into().ok()?)))
    };
    columns().ok_or_else(|| damaged(key))
}

/// Number of a row whose key is table and number.
pub fn read_number_key(key: &[u8]) -> Result<u64, MetaError> {
    key.get(1..).and_then(|n| n.try_into().ok()).map(u64::from_be_bytes).ok_or_else(|| damaged(key))
}

fn damaged(key: &[u8]) -> MetaError {
    MetaError::Corrupt { key: key.escape_ascii().to_string(), why: "its key has the wrong shape" }
}

/// Beginning of all keys of `table`.
pub fn all(table: Table) -> Vec<u8> {
    vec![table as u8]
}

/// The bound above every key that begins with `prefix`, where text or numbers below 0xFF.. follow.
pub fn above(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if *last < 0xFF {
            *last += 1;
            return end;
        }
        end.pop();
    }
    vec![0xFF]
}

/// Bounds of all keys that begin with `prefix`, to be borrowed as a scan's range.
pub struct Within {
    start: Bound<Vec<u8>>,
    end: Vec<u8>,
}

impl Within {
    /// Keys that begin with `prefix`.
    pub fn prefix(prefix: Vec<u8>) -> Self {
        let end = above(&prefix);
        Self { start: Bound::Included(prefix), end }
    }

    /// Keys that begin with `prefix` and come after `key`.
    pub fn after(prefix: &[u8], key: Vec<u8>) -> Self {
        Self { start: Bound::Excluded(key), end: above(prefix) }
    }

    /// The range, as [`View::scan`] takes it.
    pub fn range(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (self.start.as_ref().map(Vec::as_slice), Bound::Excluded(&self.end))
    }
}

/// Reads the record in row `key`.
pub fn load<R: Record>(view: &(impl View + ?Sized), key: &[u8]) -> Result<Option<R>, MetaError> {
    view.get(key)?.map(|value| R::decode(key, value)).transpose()
}

/// Writes `record` into row `key`.
pub fn save<R: Record>(tx: &mut dyn Tx, key: Vec<u8>, record: &R) {
    tx.put(key, record.encode());
}

/// The next number of the store's sequence.
pub fn next_number(tx: &mut dyn Tx) -> Result<u64, MetaError> {
    let mut counters: CountersRecord = load(tx, &counters())?.unwrap_or_default();
    counters.last += 1;
    if !planted(Mistake::NumberGivenTwice) {
        save(tx, self::counters(), &counters);
    }
    Ok(counters.last)
}

/// The next number and a time that is never before one given out earlier.
pub fn next_moment(tx: &mut dyn Tx, now: Timestamp) -> Result<(u64, Timestamp), MetaError> {
    let mut counters: CountersRecord = load(tx, &counters())?.unwrap_or_default();
    counters.last += 1;
    counters.latest = counters.latest.max(now);
    save(tx, self::counters(), &counters);
    Ok((counters.last, counters.latest))
}

/// Changes what `bucket` holds. Counters saturate: a miscount must not keep anyone from deleting;
/// `verify` reports it.
pub fn change_usage(
    tx: &mut dyn Tx,
    bucket: u64,
    change: impl FnOnce(&mut UsageRecord),
) -> Result<(), MetaError> {
    let key = usage(bucket);
    let mut usage: UsageRecord = load(tx, &key)?.unwrap_or_default();
    change(&mut usage);
    if !planted(Mistake::UsageNotUpdated) {
        save(tx, key, &usage);
    }
    Ok(())
}
