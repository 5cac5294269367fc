//! PutObject: the body becomes durable, then one transaction gives it its name.

use bytes::Bytes;

use crate::access::Caller;
use crate::body::Body;
use crate::checksum::{Algorithm, Checksum, ChecksumType, PayloadSha256};
use crate::error::Error;
use crate::meta::door::Tx;
use crate::meta::records::{BodyPlace, ObjectRecord, Place, Segment, SmallBodyRecord};
use crate::meta::tables::{self, load, next_number, save};
use crate::names::{BucketName, ETag, ObjectKey, Timestamp};
use crate::objects::conditions::WriteCondition;
use crate::objects::object::{Attributes, ObjectChecksum, ObjectInfo};
use crate::objects::receive::{Received, Stored};
use crate::planted::{Mistake, planted};
use crate::reclaim::ownership;
use crate::store::{Store, bucket_for};

/// Largest body of one PutObject or UploadPart, in bytes: 5 GiB.
///
/// Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits".
pub const BODY_BYTES_MAX: u64 = 5 << 30;

/// A body that comes in, and what was promised of it.
pub struct Incoming {
    /// The bytes.
    pub body: std::pin::Pin<Box<dyn Body>>,
    /// How many bytes were announced.
    pub len: u64,
    /// `Content-MD5`.
    pub content_md5: Option<[u8; 16]>,
    /// `x-amz-content-sha256`, when it is a digest.
    pub sha256: Option<PayloadSha256>,
    /// `x-amz-checksum-*`, announced, trailing or asked for.
    pub checksum: Option<ChecksumClaim>,
}

/// What a client says about its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumClaim {
    /// The value stands in a header.
    Given(Checksum),
    /// The value follows the body, in a trailer.
    Trailer(Algorithm),
    /// No value: the server computes it.
    Compute(Algorithm),
}

impl ChecksumClaim {
    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Given(sum) => sum.algorithm(),
            Self::Trailer(algorithm) | Self::Compute(algorithm) => *algorithm,
        }
    }
}

/// What to put.
pub struct PutObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The body.
    pub incoming: Incoming,
    /// What to keep with it.
    pub attributes: Attributes,
    /// When to write.
    pub condition: WriteCondition,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutOutcome {
    /// Its entity tag.
    pub etag: ETag,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written.
    pub modified: Timestamp,
    /// Its checksum.
    pub checksum: ObjectChecksum,
    /// CRC64NVME of its bytes.
    pub crc64: u64,
}

impl From<&ObjectInfo> for PutOutcome {
    fn from(info: &ObjectInfo) -> Self {
        Self {
            etag: info.etag,
            size: info.size,
            modified: info.modified,
            checksum: info.checksum,
            crc64: info.crc64,
        }
    }
}

impl Store {
    /// Writes an object. On return it is on stable storage and visible.
    ///
    /// # Errors
    /// Before the body is read: [`Error::NoSuchBucket`], [`Error::AccessDenied`], a failed condition,
    /// [`Error::EntityTooLarge`], [`Error::NoSpace`]. After it: broken promises about the body, and
    /// the condition again, as it then is. In every case nothing of the body remains.
    pub async fn put_object(&self, caller: &Caller, request: PutObject) -> Result<PutOutcome, Error> {
        let PutObject { bucket, key, incoming, attributes, condition } = request;
        self.may_put(caller, &bucket, &key, &condition, incoming.len)?;
        let received = self.receive(incoming, SmallBodies::Allowed).await?;
        let (stored, pending) = received.split();
        let modified = self.clock.now();
        let (caller, quota) = (caller.clone(), self.quotas.of(&bucket));
        self.commit_and_give_back(pending, move |tx: &mut dyn Tx| {
            let (name, bucket) = (&bucket, bucket_for(tx, &bucket, &caller)?);
            let before = quota.before(tx, bucket.id, name)?;
            let info = info_of(&stored, attributes.clone(), modified);
            let body = place(tx, &stored)?;
            publish(tx, bucket.id, &key, &condition, info.clone(), body)?;
            before.check(tx)?;
            Ok(PutOutcome::from(&info))
        })
        .await
    }

    /// Refuses what would be refused after the body, before the client has sent it.
    fn may_put(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        key: &ObjectKey,
        condition: &WriteCondition,
        bytes: u64,
    ) -> Result<(), Error> {
        let view = self.meta.snapshot();
        let (name, bucket) = (bucket, bucket_for(&*view, bucket, caller)?);
        let current = || -> Result<Option<ObjectRecord>, Error> {
            Ok(load(&*view, &tables::current(bucket.id, key.as_str()))?)
        };
        if *condition != WriteCondition::None {
            condition.check(key, current()?.map(|object| object.info.etag))?;
        }
        let before = self.quotas.of(name).before(&*view, bucket.id, name)?;
        before.check_early(bytes, || Ok(current()?.map_or(0, |object| object.info.size)))
    }
}

/// Whether a body may live in the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SmallBodies {
    /// If it is small enough.
    Allowed,
    /// Never: parts give their extents away by reference.
    Refused,
}

fn info_of(stored: &Stored, attributes: Attributes, modified: Timestamp) -> ObjectInfo {
    let Received { size, md5, crc64, checksum, .. } = stored.received;
    ObjectInfo {
        size,
        etag: ETag { md5, parts: 0 },
        modified,
        attributes,
        checksum: ObjectChecksum {
            value: checksum.unwrap_or(Checksum::crc64(crc64)),
            kind: ChecksumType::FullObject,
            parts: 0,
        },
        crc64,
        parts: 0,
    }
}

/// Gives a received body its first owner.
fn place(tx: &mut dyn Tx, stored: &Stored) -> Result<BodyPlace, Error> {
    Ok(match (&stored.small, stored.extent) {
        (_, Some(extent)) => {
            ownership::adopt(tx, extent);
            BodyPlace::One(Segment::whole(extent))
        }
        (Some(bytes), None) => BodyPlace::One(keep_small(tx, bytes, stored.received.crc64)?),
        (None, None) => BodyPlace::Empty,
    })
}

fn keep_small(tx: &mut dyn Tx, bytes: &Bytes, crc64: u64) -> Result<Segment, Error> {
    let id = next_number(tx)?;
    save(tx, tables::small_body(id), &SmallBodyRecord { refs: 1, crc64, bytes: bytes.clone() });
    Ok(Segment { place: Place::Row(id), skip: 0, len: bytes.len() as u64 })
}

/// Makes `info` with `body` the current version of `key`, if `condition` holds; releases what it
/// replaces. The one place where an object gets its name.
pub(crate) fn publish(
    tx: &mut dyn Tx,
    bucket: u64,
    key: &ObjectKey,
    condition: &WriteCondition,
    info: ObjectInfo,
    body: BodyPlace,
) -> Result<(), Error> {
    let row = tables::current(bucket, key.as_str());
    let old: Option<ObjectRecord> = load(tx, &row)?;
    if !planted(Mistake::ConditionNotCheckedAgain) {
        condition.check(key, old.as_ref().map(|object| object.info.etag))?;
    }
    if let Some(old) = old.as_ref().filter(|_| !planted(Mistake::ReplacedObjectKept)) {
        ownership::release_body(tx, &old.body)?;
    }
    let size = info.size;
    let sequence = next_number(tx)?;
    save(tx, row, &ObjectRecord { sequence, info, body });
    tables::change_usage(tx, bucket, |usage| {
        if let Some(old) = &old {
            usage.bytes = usage.bytes.saturating_sub(old.info.size);
        } else {
            usage.objects += 1;
        }
        usage.bytes += size;
    })?;
    Ok(())
}
