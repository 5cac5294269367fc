//! An upload in progress, and how to find it.

use crate::checksum::{Algorithm, ChecksumType};
use crate::error::Error;
use crate::lifecycle::rules::{AbortPlan, Rules};
use crate::meta::door::View;
use crate::meta::records::{HeldRecord, UploadRecord};
use crate::meta::tables::{self, load};
use crate::names::{AccountId, ObjectKey, Timestamp, UploadId};
use crate::objects::object::Attributes;

/// An upload in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadInfo {
    /// The key it is for.
    pub key: ObjectKey,
    /// Its id.
    pub upload_id: UploadId,
    /// When it was initiated.
    pub initiated: Timestamp,
    /// Who initiated it.
    pub initiator: AccountId,
    /// What the object will keep.
    pub attributes: Attributes,
    /// The checksum of the object it will be.
    pub checksum: UploadChecksum,
    /// What it holds.
    pub held: Held,
    /// What its bucket's rules will do to it, if they say anything.
    pub abort: Option<AbortPlan>,
}

/// The checksum that an upload was created with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadChecksum {
    /// The algorithm; `None` for S3's default, a CRC64NVME that the server computes.
    pub algorithm: Option<Algorithm>,
    /// The type.
    pub kind: ChecksumType,
}

/// What an upload holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Number of parts.
    pub parts: u32,
    /// Sum of their sizes in bytes.
    pub bytes: u64,
    /// When the upload was created or the last part was stored.
    pub last_activity: Timestamp,
}

impl From<HeldRecord> for Held {
    fn from(record: HeldRecord) -> Self {
        Self { parts: record.parts, bytes: record.bytes, last_activity: record.last_activity }
    }
}

impl UploadInfo {
    /// Puts an upload's rows together.
    pub(crate) fn new(
        key: ObjectKey,
        upload_id: UploadId,
        record: UploadRecord,
        held: HeldRecord,
        rules: &Rules,
    ) -> Self {
        Self {
            abort: rules.plan(key.as_str(), record.initiated, held.last_activity),
            key,
            upload_id,
            initiated: record.initiated,
            initiator: record.initiator,
            attributes: record.attributes,
            checksum: UploadChecksum { algorithm: record.algorithm, kind: record.kind },
            held: held.into(),
        }
    }
}

/// Finds the upload `upload_id` of exactly this bucket and key.
///
/// # Errors
/// [`Error::NoSuchUpload`], also for an id that this store cannot have given out.
pub(crate) fn find_upload(
    view: &(impl View + ?Sized),
    bucket: u64,
    key: &ObjectKey,
    upload_id: &str,
) -> Result<(UploadId, UploadRecord), Error> {
    let none = || Error::NoSuchUpload { upload_id: upload_id.to_owned() };
    let id = UploadId::parse(upload_id).ok_or_else(none)?;
    let record = load(view, &tables::upload(bucket, key.as_str(), &id))?.ok_or_else(none)?;
    Ok((id, record))
}

/// What `id` holds.
pub(crate) fn held(view: &(impl View + ?Sized), id: &UploadId) -> Result<HeldRecord, Error> {
    Ok(load(view, &tables::held(id))?.unwrap_or_default())
}
