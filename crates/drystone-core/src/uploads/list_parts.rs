//! ListParts.

use crate::access::Caller;
use crate::checksum::Checksum;
use crate::error::Error;
use crate::lifecycle::configure::rules_of;
use crate::meta::door::Order;
use crate::meta::records::{PartRecord, Record};
use crate::meta::tables::{self, Within};
use crate::names::{BucketName, ETag, ObjectKey, PartNumber, Timestamp};
use crate::store::{Store, bucket_for};
use crate::uploads::upload::{UploadInfo, find_upload, held};

/// What to list.
#[derive(Clone, Debug)]
pub struct ListParts {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The upload's id as it came in.
    pub upload_id: String,
    /// `part-number-marker`: only parts with larger numbers; 0 for all.
    pub after: u16,
    /// At most this many parts.
    pub max: usize,
}

/// A part of an upload in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartInfo {
    /// Its number.
    pub part: PartNumber,
    /// Its entity tag.
    pub etag: ETag,
    /// Its size in bytes.
    pub size: u64,
    /// When it was stored.
    pub modified: Timestamp,
    /// The client's checksum, or the CRC64NVME.
    pub checksum: Checksum,
}

/// A page of parts, in the order of their numbers.
#[derive(Clone, Debug)]
pub struct PartPage {
    /// The upload.
    pub upload: UploadInfo,
    /// The parts.
    pub parts: Vec<PartInfo>,
    /// Whether there are more.
    pub truncated: bool,
}

impl Store {
    /// Lists the parts of an upload.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::AccessDenied`], [`Error::NoSuchUpload`], [`Error::Meta`].
    pub fn list_parts(&self, caller: &Caller, request: &ListParts) -> Result<PartPage, Error> {
        let view = self.meta.snapshot();
        let bucket = bucket_for(&*view, &request.bucket, caller)?;
        let (id, upload) = find_upload(&*view, bucket.id, &request.key, &request.upload_id)?;
        let (held, rules) = (held(&*view, &id)?, rules_of(&*view, &bucket)?);
        let upload = UploadInfo::new(request.key.clone(), id, upload, held, &rules);
        let prefix = tables::parts_of(&id);
        let marker = [prefix.as_slice(), &request.after.to_be_bytes()].concat();
        let mut page = PartPage { upload, parts: Vec::new(), truncated: false };
        for row in view.scan(Within::after(&prefix, marker).range(), Order::Ascending) {
            let (key, value) = row?;
            if page.parts.len() >= request.max {
                page.truncated = request.max > 0;
                break;
            }
            let record = PartRecord::decode(&key, value)?;
            page.parts.push(PartInfo {
                part: tables::read_part_key(&key)?,
                etag: ETag { md5: record.md5, parts: 0 },
                size: record.size,
                modified: record.modified,
                checksum: record.checksum.unwrap_or(Checksum::crc64(record.crc64)),
            });
        }
        Ok(page)
    }
}
