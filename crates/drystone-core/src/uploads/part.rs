//! UploadPart: the body becomes durable, then one transaction records it if the upload still exists.
//!
//! The fence: a part that is still streaming while its upload is completed or aborted finds no upload
//! row in its own transaction. Its bytes are freed before its 404 goes out.

use crate::access::Caller;
use crate::buckets::quota::Quota;
use crate::checksum::{Algorithm, Checksum, ChecksumType};
use crate::error::Error;
use crate::meta::door::Tx;
use crate::meta::records::{HeldRecord, PartRecord, Segment, UploadRecord};
use crate::meta::tables::{self, load, save};
use crate::names::{BucketName, ETag, ObjectKey, PartNumber, Timestamp, UploadId};
use crate::objects::put::{ChecksumClaim, Incoming, SmallBodies};
use crate::planted::{Mistake, planted};
use crate::reclaim::ownership::{self, SEGMENTS_MAX};
use crate::store::{Store, bucket_for};
use crate::uploads::upload::find_upload;

/// What to upload.
pub struct UploadPart {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The upload's id as it came in.
    pub upload_id: String,
    /// The part's number.
    pub part: PartNumber,
    /// The body.
    pub incoming: Incoming,
}

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartOutcome {
    /// Its entity tag.
    pub etag: ETag,
    /// Its checksum: the client's, or the CRC64NVME.
    pub checksum: Checksum,
    /// Its size in bytes.
    pub size: u64,
    /// When it was stored.
    pub modified: Timestamp,
}

impl From<&PartRecord> for PartOutcome {
    fn from(part: &PartRecord) -> Self {
        Self {
            etag: ETag { md5: part.md5, parts: 0 },
            checksum: part.checksum.unwrap_or(Checksum::crc64(part.crc64)),
            size: part.size,
            modified: part.modified,
        }
    }
}

impl Store {
    /// Stores a part, in place of an earlier one with its number. On return it is on stable storage.
    ///
    /// # Errors
    /// [`Error::NoSuchUpload`] before the body is read, or after it when the upload was completed or
    /// aborted meanwhile; else as [`Store::put_object`]. In every case nothing of the body remains.
    pub async fn upload_part(&self, caller: &Caller, mut request: UploadPart) -> Result<PartOutcome, Error> {
        let upload = self.open_upload(caller, &request.bucket, &request.key, &request.upload_id)?;
        self.may_hold(caller, &request)?;
        request.incoming.checksum = part_claim(request.incoming.checksum, &upload)?;
        self.store_part(caller, request).await
    }

    /// Stores the body of a part whose upload was found open.
    pub(crate) async fn store_part(
        &self,
        caller: &Caller,
        request: UploadPart,
    ) -> Result<PartOutcome, Error> {
        let UploadPart { bucket, key, upload_id, part, incoming } = request;
        let received = self.receive(incoming, SmallBodies::Refused).await?;
        let (stored, pending) = received.split();
        let record = PartRecord {
            size: stored.received.size,
            md5: stored.received.md5,
            crc64: stored.received.crc64,
            checksum: stored.received.checksum,
            modified: self.clock.now(),
            segments: stored.extent.map(Segment::whole).into_iter().collect(),
        };
        let (caller, quota) = (caller.clone(), self.quotas.of(&bucket));
        self.commit_and_give_back(pending, move |tx: &mut dyn Tx| {
            let (name, bucket) = (&bucket, bucket_for(tx, &bucket, &caller)?);
            let before = quota.before(tx, bucket.id, name)?;
            let id = fenced(tx, bucket.id, &key, &upload_id)?;
            if let Some(extent) = stored.extent {
                ownership::adopt(tx, extent);
            }
            record_part(tx, bucket.id, &id, part, &record)?;
            before.check(tx)?;
            Ok(PartOutcome::from(&record))
        })
        .await
    }

    /// Refuses a part that the bucket may not hold, before its body is read.
    fn may_hold(&self, caller: &Caller, request: &UploadPart) -> Result<(), Error> {
        let quota = self.quotas.of(&request.bucket);
        if quota == Quota::default() {
            return Ok(());
        }
        let view = self.meta.snapshot();
        let bucket = bucket_for(&*view, &request.bucket, caller)?;
        let before = quota.before(&*view, bucket.id, &request.bucket)?;
        before.check_early(request.incoming.len, || {
            let Some(id) = UploadId::parse(&request.upload_id) else { return Ok(0) };
            let old: Option<PartRecord> = load(&*view, &tables::part(&id, request.part))?;
            Ok(old.map_or(0, |old| old.size))
        })
    }

    /// Finds an upload before its part's body is read.
    pub(crate) fn open_upload(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        key: &ObjectKey,
        upload_id: &str,
    ) -> Result<UploadRecord, Error> {
        let view = self.meta.snapshot();
        let bucket = bucket_for(&*view, bucket, caller)?;
        find_upload(&*view, bucket.id, key, upload_id).map(|(_, upload)| upload)
    }
}

/// The upload's id, if the upload still exists: the fence between a part and the end of its upload.
fn fenced(tx: &dyn Tx, bucket: u64, key: &ObjectKey, upload_id: &str) -> Result<UploadId, Error> {
    if planted(Mistake::PartSkipsTheFence)
        && let Some(id) = UploadId::parse(upload_id)
    {
        return Ok(id);
    }
    find_upload(tx, bucket, key, upload_id).map(|(id, _)| id)
}

/// The checksum to compute for a part: what the client says, which must fit what the upload was
/// created with; or what the upload needs. A composite checksum is made of what the client vouched
/// for, so its parts must come with theirs; of a full object's the server knows the parts itself.
fn part_claim(claim: Option<ChecksumClaim>, upload: &UploadRecord) -> Result<Option<ChecksumClaim>, Error> {
    let Some(expected) = upload.algorithm else { return Ok(claim) };
    let given = claim.as_ref().map(ChecksumClaim::algorithm);
    match given {
        Some(given) if given == expected => Ok(claim),
        None if upload.kind == ChecksumType::FullObject => Ok(Some(ChecksumClaim::Compute(expected))),
        _ => Err(Error::InvalidRequest(format!(
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            expected.name().to_ascii_lowercase(),
            given.map_or("null", Algorithm::name).to_ascii_lowercase()
        ))),
    }
}

/// Records a part whose segments have been adopted or shared, and releases the one it replaces.
///
/// # Errors
/// [`Error::InvalidRequest`] when the upload's parts would have too many segments together, which only
/// copies of objects of many parts can reach.
pub(crate) fn record_part(
    tx: &mut dyn Tx,
    bucket: u64,
    id: &UploadId,
    part: PartNumber,
    record: &PartRecord,
) -> Result<(), Error> {
    let row = tables::part(id, part);
    let old: Option<PartRecord> = load(tx, &row)?;
    let mut held: HeldRecord = load(tx, &tables::held(id))?.unwrap_or_default();
    let before = old.as_ref().map_or(0, |old| old.segments.len());
    let segments = (held.segments as usize).saturating_sub(before) + record.segments.len();
    if segments > SEGMENTS_MAX {
        return Err(Error::InvalidRequest(format!(
            "With this part the upload would consist of {segments} pieces of stored data, and at most \
             {SEGMENTS_MAX} are allowed: copy from objects of fewer parts, or upload the bytes"
        )));
    }
    for segment in old.iter().flat_map(|old| &old.segments) {
        if planted(Mistake::ReplacedPartKept) {
            continue;
        }
        ownership::release(tx, segment)?;
    }
    save(tx, row, record);
    let (parts, freed) = old.map_or((1, 0), |old| (0, old.size));
    held.parts += parts;
    held.segments = u32::try_from(segments).expect("compared with the bound above");
    held.bytes = held.bytes.saturating_sub(freed) + record.size;
    held.last_activity = held.last_activity.max(record.modified);
    if !planted(Mistake::HeldNotUpdated) {
        save(tx, tables::held(id), &held);
    }
    tables::change_usage(tx, bucket, |usage| {
        usage.parts += u64::from(parts);
        usage.held_bytes = usage.held_bytes.saturating_sub(freed) + record.size;
    })?;
    Ok(())
}
