//! CreateMultipartUpload.

use crate::access::Caller;
use crate::audit::{Deed, Event};
use crate::checksum::{Algorithm, ChecksumType};
use crate::error::Error;
use crate::lifecycle::configure::rules_of;
use crate::meta::door::Tx;
use crate::meta::records::{HeldRecord, UploadIndexRecord, UploadRecord};
use crate::meta::tables::{self, next_moment, save};
use crate::names::{BucketName, ObjectKey, UploadId};
use crate::objects::object::Attributes;
use crate::store::{Store, bucket_for};
use crate::uploads::upload::UploadInfo;

/// What to create.
#[derive(Clone, Debug)]
pub struct CreateUpload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key of the object to be.
    pub key: ObjectKey,
    /// What the object will keep.
    pub attributes: Attributes,
    /// `x-amz-checksum-algorithm`.
    pub checksum: Option<Algorithm>,
    /// `x-amz-checksum-type`.
    pub checksum_type: Option<ChecksumType>,
}

impl Store {
    /// Creates an upload. It is listed before this returns.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for an algorithm and a type that do not go together,
    /// [`Error::NoSpace`], [`Error::NoSuchBucket`], [`Error::AccessDenied`], [`Error::Meta`].
    pub async fn create_upload(&self, caller: &Caller, request: CreateUpload) -> Result<UploadInfo, Error> {
        let kind = checksum_type(request.checksum, request.checksum_type)?;
        self.room_for_rows(0)?;
        let (now, random) = (self.clock.now(), self.entropy.next_u64());
        let (caller, quota) = (caller.clone(), self.quotas.of(&request.bucket));
        self.commit_and_tell(move |tx: &mut dyn Tx, events: &mut Vec<Event>| {
            let bucket = bucket_for(tx, &request.bucket, &caller)?;
            let before = quota.before(tx, bucket.id, &request.bucket)?;
            let (tie, initiated) = next_moment(tx, now)?;
            let id = UploadId::new(initiated, tie, random);
            let record = UploadRecord {
                initiated,
                initiator: caller.account.clone(),
                algorithm: request.checksum,
                kind,
                attributes: request.attributes.clone(),
            };
            let held = HeldRecord { last_activity: initiated, ..HeldRecord::default() };
            let index = UploadIndexRecord { bucket: bucket.id, key: request.key.as_str().into() };
            save(tx, tables::upload(bucket.id, request.key.as_str(), &id), &record);
            save(tx, tables::upload_by_age(&id), &index);
            save(tx, tables::held(&id), &held);
            tables::change_usage(tx, bucket.id, |usage| usage.uploads += 1)?;
            before.check(tx)?;
            let rules = rules_of(tx, &bucket)?;
            events.push(Event {
                deed: Deed::Created,
                caller: Some(caller.clone()),
                bucket: request.bucket.clone(),
                upload: Some((request.key.clone(), id)),
                parts: 0,
                bytes: 0,
            });
            Ok(UploadInfo::new(request.key.clone(), id, record, held, &rules))
        })
        .await
    }
}

/// The checksum type of the object to be.
///
/// Source: Amazon S3 User Guide, "Full object and composite checksums".
fn checksum_type(algorithm: Option<Algorithm>, asked: Option<ChecksumType>) -> Result<ChecksumType, Error> {
    let refuse = |algorithm: Algorithm, kind: ChecksumType| {
        Err(Error::InvalidRequest(format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            kind.name(),
            algorithm.name().to_ascii_lowercase()
        )))
    };
    match (algorithm, asked) {
        (None | Some(Algorithm::Crc64Nvme), None) => Ok(ChecksumType::FullObject),
        (None, Some(_)) => Err(Error::InvalidRequest(
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
                .into(),
        )),
        (Some(_), None) => Ok(ChecksumType::Composite),
        (Some(Algorithm::Crc64Nvme), Some(ChecksumType::Composite)) => {
            refuse(Algorithm::Crc64Nvme, ChecksumType::Composite)
        }
        (Some(algorithm), Some(ChecksumType::FullObject)) if !algorithm.combines() => {
            refuse(algorithm, ChecksumType::FullObject)
        }
        (Some(_), Some(kind)) => Ok(kind),
    }
}
