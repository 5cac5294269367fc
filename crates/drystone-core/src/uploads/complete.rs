//! CompleteMultipartUpload: the parts become an object, by metadata alone.
//!
//! One transaction checks the list against the parts, moves the listed parts' extents to the object,
//! releases the others, removes the upload and leaves a completion record. No byte is copied or read,
//! and the order of refusals is S3's: the upload, then the parts, then the conditions. After a refusal
//! the upload is still open.

use sha2::{Digest as _, Sha256};

use crate::access::Caller;
use crate::audit::{Deed, Event};
use crate::checksum::md5::Md5;
use crate::checksum::{Algorithm, Checksum, ChecksumType, Hasher, crc64_combine};
use crate::error::Error;
use crate::meta::door::{MetaError, Order, Tx, View};
use crate::meta::records::{
    BodyPlace, CompletionRecord, ManifestRecord, PartRecord, Record, StoredPart, UploadRecord,
};
use crate::meta::tables::{self, Within, load, next_number, save};
use crate::names::{BucketName, ETag, ObjectKey, PartNumber, Timestamp, UploadId};
use crate::objects::conditions::WriteCondition;
use crate::objects::object::{ObjectChecksum, ObjectInfo};
use crate::objects::put::{PutOutcome, publish};
use crate::planted::{Mistake, planted};
use crate::reclaim::ownership;
use crate::store::{Store, bucket_for};
use crate::uploads::abort::{Aborted, forget_upload};
use crate::uploads::upload::find_upload;

/// Smallest size of a part that is not the last, in bytes: 5 MiB.
///
/// Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits".
pub const PART_BYTES_MIN: u64 = 5 << 20;

/// How long an identical Complete gets the same answer again, in milliseconds: 7 days.
pub const COMPLETION_KEPT_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// Completion records that one transaction forgets.
const FORGOTTEN_PER_COMMIT: usize = 1_000;

/// What to complete.
#[derive(Clone, Debug)]
pub struct CompleteUpload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The upload's id as it came in.
    pub upload_id: String,
    /// The parts of the object, in order.
    pub parts: Vec<ListedPart>,
    /// `x-amz-mp-object-size`: what the object's size must be, in bytes.
    pub object_size: Option<u64>,
    /// `x-amz-checksum-*`: what the object's checksum must be.
    pub checksum: Option<Checksum>,
    /// `x-amz-checksum-type`: what the upload's checksum type must be.
    pub checksum_type: Option<ChecksumType>,
    /// When to write.
    pub condition: WriteCondition,
}

/// A part as the client lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPart {
    /// Its number.
    pub part: PartNumber,
    /// Its entity tag as it came in.
    pub etag: String,
    /// Its checksum, if the client lists it.
    pub checksum: Option<Checksum>,
}

impl Store {
    /// Completes an upload. On return the object is on stable storage and visible.
    ///
    /// # Errors
    /// [`Error::NoSuchUpload`], [`Error::InvalidPartOrder`], [`Error::InvalidPart`],
    /// [`Error::EntityTooSmall`], [`Error::InvalidRequest`], [`Error::ChecksumMismatch`],
    /// [`Error::PartChecksumMismatch`], [`Error::ChecksumTypeMismatch`], a failed condition,
    /// [`Error::Meta`]. The upload stays open.
    pub async fn complete_upload(
        &self,
        caller: &Caller,
        request: CompleteUpload,
    ) -> Result<PutOutcome, Error> {
        let (caller, now) = (caller.clone(), self.clock.now());
        self.commit_and_tell(move |tx: &mut dyn Tx, events: &mut Vec<Event>| {
            let bucket = bucket_for(tx, &request.bucket, &caller)?;
            match find_upload(tx, bucket.id, &request.key, &request.upload_id) {
                Ok((id, upload)) => {
                    let (outcome, discarded) = complete(tx, bucket.id, &id, upload, &request, now)?;
                    events.push(Event {
                        deed: Deed::Completed { discarded },
                        caller: Some(caller.clone()),
                        bucket: request.bucket.clone(),
                        upload: Some((request.key.clone(), id)),
                        parts: request.parts.len() as u64,
                        bytes: outcome.size,
                    });
                    Ok(outcome)
                }
                Err(gone @ Error::NoSuchUpload { .. }) => {
                    completed_before(tx, bucket.id, &request)?.ok_or(gone)
                }
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Forgets completion records older than [`COMPLETION_KEPT_MS`].
    ///
    /// # Errors
    /// [`Error::Meta`]; call again later.
    pub async fn forget_old_completions(&self) -> Result<(), Error> {
        let before = Timestamp(self.clock.now().0.saturating_sub(COMPLETION_KEPT_MS));
        // Usually there is none, and then the lane is left alone.
        if old_completions(&*self.meta.snapshot(), before, 1)?.is_empty() {
            return Ok(());
        }
        loop {
            let forgotten =
                self.commit(Vec::new(), move |tx: &mut dyn Tx| forget_completions(tx, before)).await?;
            if forgotten < FORGOTTEN_PER_COMMIT {
                return Ok(());
            }
        }
    }
}

/// The answer to a repeated Complete: the same again for the same list, otherwise no such part.
fn completed_before(tx: &dyn Tx, bucket: u64, request: &CompleteUpload) -> Result<Option<PutOutcome>, Error> {
    let Some(id) = UploadId::parse(&request.upload_id) else { return Ok(None) };
    let record: Option<CompletionRecord> = load(tx, &tables::completed(&id))?;
    let Some(record) = record.filter(|r| r.bucket == bucket && *r.key == *request.key.as_str()) else {
        return Ok(None);
    };
    if record.parts_sha256 == sha256_of(&request.parts) {
        return Ok(Some(PutOutcome::from(&record.info)));
    }
    match request.parts.first() {
        Some(first) => Err(invalid_part(request, first)),
        None => Err(no_part()),
    }
}

/// Writes the object in place of the upload; also what of the upload did not become part of it.
fn complete(
    tx: &mut dyn Tx,
    bucket: u64,
    id: &UploadId,
    upload: UploadRecord,
    request: &CompleteUpload,
    now: Timestamp,
) -> Result<(PutOutcome, Aborted), Error> {
    check_type(request, &upload)?;
    let stored = stored_parts(tx, id)?;
    let listed = match_parts(request, &upload, &stored)?;
    let (size, crc64) = listed
        .iter()
        .fold((0, 0), |(size, crc), (_, part)| (size + part.size, crc64_combine(crc, part.crc64, part.size)));
    check_size(request, size)?;
    let checksum = object_checksum(request, &upload, &listed, crc64)?;
    let parts = u16::try_from(listed.len()).expect("an upload has at most 10,000 parts");
    let md5 = if planted(Mistake::ETagOfAllParts) {
        md5_of_md5s(&stored.iter().map(|(number, part)| (*number, part)).collect::<Vec<_>>())
    } else {
        md5_of_md5s(&listed)
    };
    let info = ObjectInfo {
        size,
        etag: ETag { md5, parts },
        modified: now,
        attributes: upload.attributes,
        checksum,
        crc64,
        parts,
    };
    let manifest = ManifestRecord {
        parts: listed
            .iter()
            .map(|(number, part)| StoredPart {
                part: *number,
                size: part.size,
                checksum: part.checksum,
                segments: part.segments.clone(),
            })
            .collect(),
    };
    // From here on writes. The listed parts' references move to the manifest as they are; what is
    // not listed loses its owner. A condition that fails refuses all of it.
    let manifest_id = next_number(tx)?;
    save(tx, tables::manifest(manifest_id), &manifest);
    for (number, part) in &stored {
        let unlisted = listed.binary_search_by_key(number, |(listed, _)| *listed).is_err();
        if (unlisted && !planted(Mistake::CompleteLeaksUnlistedParts))
            || planted(Mistake::CompleteGivesPartsAway)
        {
            for segment in &part.segments {
                ownership::release(tx, segment)?;
            }
        }
        tx.delete(tables::part(id, *number));
    }
    if !planted(Mistake::CompleteLeavesUploadOpen) {
        forget_upload(tx, bucket, request.key.as_str(), id)?;
    }
    let all = stored.iter().fold(0, |bytes, (_, part)| bytes + part.size);
    let unlisted = u32::try_from(stored.len() - listed.len()).expect("an upload has at most 10,000 parts");
    let discarded = Aborted { parts: unlisted, bytes: all - size };
    publish(tx, bucket, &request.key, &request.condition, info.clone(), BodyPlace::Manifest(manifest_id))?;
    let record = CompletionRecord {
        bucket,
        key: request.key.as_str().into(),
        parts_sha256: sha256_of(&request.parts),
        completed: now,
        info,
    };
    if planted(Mistake::CompletionRecordLost) {
        return Ok((PutOutcome::from(&record.info), discarded));
    }
    save(tx, tables::completed(id), &record);
    tx.put(tables::completed_by_age(now, id), Vec::new());
    Ok((PutOutcome::from(&record.info), discarded))
}

fn stored_parts(tx: &dyn Tx, id: &UploadId) -> Result<Vec<(PartNumber, PartRecord)>, Error> {
    let rows = Within::prefix(tables::parts_of(id));
    let decode = |row: crate::meta::door::Row| {
        let (key, value) = row?;
        Ok((tables::read_part_key(&key)?, PartRecord::decode(&key, value)?))
    };
    tx.scan(rows.range(), Order::Ascending).map(decode).collect()
}

/// The stored parts that the request lists, in its order, which must be theirs.
fn match_parts<'p>(
    request: &CompleteUpload,
    upload: &UploadRecord,
    stored: &'p [(PartNumber, PartRecord)],
) -> Result<Vec<(PartNumber, &'p PartRecord)>, Error> {
    if request.parts.is_empty() {
        return Err(no_part());
    }
    let mut matched: Vec<(PartNumber, &PartRecord)> = Vec::with_capacity(request.parts.len());
    for listed in &request.parts {
        if matched.last().is_some_and(|(previous, _)| *previous >= listed.part) {
            return Err(Error::InvalidPartOrder { upload_id: request.upload_id.clone(), part: listed.part });
        }
        let found = stored.binary_search_by_key(&listed.part, |(number, _)| *number).ok();
        let part = found.and_then(|index| stored.get(index)).map(|(_, part)| part);
        let part = part.filter(|part| has_tag(listed, part)).ok_or_else(|| invalid_part(request, listed))?;
        check_part(request, upload, listed, part)?;
        if let (ChecksumType::Composite, Some(algorithm), None) =
            (upload.kind, upload.algorithm, listed.checksum)
        {
            return Err(Error::InvalidRequest(format!(
                "The upload was created using a {} checksum. The complete request must include the checksum for \
                 each part. It was missing for part {} in the request.",
                algorithm.name().to_ascii_lowercase(),
                listed.part
            )));
        }
        matched.push((listed.part, part));
    }
    let all_but_last = matched.split_last().map(|(_, rest)| rest).unwrap_or_default();
    match all_but_last.iter().find(|(_, part)| part.size < PART_BYTES_MIN) {
        Some((number, part)) => Err(Error::EntityTooSmall {
            part: *number,
            etag: ETag { md5: part.md5, parts: 0 },
            size: part.size,
            min: PART_BYTES_MIN,
        }),
        None => Ok(matched),
    }
}

fn has_tag(listed: &ListedPart, part: &PartRecord) -> bool {
    ETag::parse(&listed.etag) == Some(ETag { md5: part.md5, parts: 0 })
}

/// Checks a listed part's checksum. To an upload that was created with an algorithm a checksum of
/// another one is a wrong digest; a wrong value is a part that does not exist. S3 answers so.
fn check_part(
    request: &CompleteUpload,
    upload: &UploadRecord,
    listed: &ListedPart,
    part: &PartRecord,
) -> Result<(), Error> {
    let Some(promised) = listed.checksum else { return Ok(()) };
    let algorithm = promised.algorithm();
    if upload.algorithm.is_some_and(|upload| upload != algorithm) {
        return Err(Error::PartChecksumMismatch { part: listed.part, algorithm });
    }
    let fits = match part.checksum {
        Some(kept) if kept.algorithm() == algorithm => kept == promised,
        _ => Checksum::crc64(part.crc64) == promised,
    };
    if fits { Ok(()) } else { Err(invalid_part(request, listed)) }
}

fn no_part() -> Error {
    Error::InvalidRequest("You must specify at least one part".into())
}

fn invalid_part(request: &CompleteUpload, listed: &ListedPart) -> Error {
    Error::InvalidPart {
        upload_id: request.upload_id.clone(),
        part: listed.part,
        etag: listed.etag.trim_matches('"').to_owned(),
    }
}

fn check_size(request: &CompleteUpload, size: u64) -> Result<(), Error> {
    match request.object_size {
        Some(expected) if expected != size => Err(Error::InvalidRequest(format!(
            "The provided 'x-amz-mp-object-size' header value {expected} does not match what was computed: {size}"
        ))),
        _ => Ok(()),
    }
}

/// An upload that was created without a choice has no type that Complete could name.
fn check_type(request: &CompleteUpload, upload: &UploadRecord) -> Result<(), Error> {
    let created_with = upload.algorithm.map(|_| upload.kind);
    match request.checksum_type {
        Some(kind) if created_with != Some(kind) => Err(Error::ChecksumTypeMismatch(created_with)),
        _ => Ok(()),
    }
}

/// The object's checksum, from its parts' checksums alone.
///
/// Of an upload that was created without a choice only a CRC64NVME is known: a promise in another
/// algorithm can be compared with nothing, and S3 passes over it.
fn object_checksum(
    request: &CompleteUpload,
    upload: &UploadRecord,
    listed: &[(PartNumber, &PartRecord)],
    crc64: u64,
) -> Result<ObjectChecksum, Error> {
    let algorithm = upload.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let of_part = |part: &PartRecord| {
        part.checksum.filter(|sum| sum.algorithm() == algorithm).unwrap_or(Checksum::crc64(part.crc64))
    };
    let (value, parts) = match upload.kind {
        ChecksumType::Composite => {
            let mut hasher = Hasher::new(algorithm);
            listed.iter().for_each(|(_, part)| hasher.update(of_part(part).value()));
            (hasher.finish(), u16::try_from(listed.len()).unwrap_or(u16::MAX))
        }
        ChecksumType::FullObject if algorithm == Algorithm::Crc64Nvme => (Checksum::crc64(crc64), 0),
        ChecksumType::FullObject => {
            let empty = Hasher::new(algorithm).finish();
            let whole =
                listed.iter().try_fold(empty, |sum, (_, part)| sum.combine(&of_part(part), part.size));
            let whole = whole.ok_or_else(|| {
                Error::InvalidRequest(format!(
                    "a part has no {} checksum to combine; upload it again",
                    algorithm.name()
                ))
            })?;
            (whole, 0)
        }
    };
    let comparable = |promised: &Checksum| upload.algorithm.is_some() || promised.algorithm() == algorithm;
    match request.checksum.filter(comparable) {
        Some(promised) if promised != value => Err(Error::ChecksumMismatch(promised.algorithm())),
        _ => Ok(ObjectChecksum { value, kind: upload.kind, parts }),
    }
}

fn md5_of_md5s(listed: &[(PartNumber, &PartRecord)]) -> [u8; 16] {
    let mut md5 = Md5::default();
    listed.iter().for_each(|(_, part)| md5.update(&part.md5));
    md5.finish()
}

fn sha256_of(parts: &[ListedPart]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for listed in parts {
        hash.update(listed.part.get().to_be_bytes());
        let etag = listed.etag.trim_matches('"');
        hash.update((etag.len() as u64).to_be_bytes());
        hash.update(etag);
    }
    hash.finalize().into()
}

fn forget_completions(tx: &mut dyn Tx, before: Timestamp) -> Result<usize, Error> {
    let old = old_completions(tx, before, FORGOTTEN_PER_COMMIT)?;
    for key in &old {
        tx.delete(tables::completed(&tables::read_upload_id(key)?));
        tx.delete(key.to_vec());
    }
    Ok(old.len())
}

/// Keys of the index by age that are older than `before`, oldest first, at most `max`.
fn old_completions(
    view: &(impl View + ?Sized),
    before: Timestamp,
    max: usize,
) -> Result<Vec<bytes::Bytes>, MetaError> {
    let table = tables::all(tables::Table::CompletedByAge);
    let end = tables::completed_by_age(before, &UploadId::from_bytes([0; UploadId::BYTES]));
    let range = (std::ops::Bound::Included(table.as_slice()), std::ops::Bound::Excluded(end.as_slice()));
    view.scan(range, Order::Ascending).take(max).map(|row| row.map(|(key, _)| key)).collect()
}
