//! AbortMultipartUpload: one transaction, and it is final.
//!
//! The transaction removes the upload and its parts and puts their extents on the reclaim list; only
//! then is it answered. A part that is in flight finds no upload row afterwards. The bytes that the
//! parts shared with published objects stay, because those objects name them.

use crate::access::Caller;
use crate::audit::{Cause, Deed, Event};
use crate::error::{Condition, Error};
use crate::meta::door::{Order, Tx};
use crate::meta::records::{HeldRecord, PartRecord, Record};
use crate::meta::tables::{self, Within, load};
use crate::names::{BucketName, ObjectKey, Timestamp, UploadId};
use crate::planted::{Mistake, planted};
use crate::reclaim::ownership;
use crate::store::{Store, bucket_for};
use crate::uploads::upload::find_upload;

/// What to abort.
#[derive(Clone, Debug)]
pub struct AbortUpload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The upload's id as it came in.
    pub upload_id: String,
    /// `x-amz-if-match-initiated-time`: abort only an upload initiated in this second.
    pub if_initiated: Option<Timestamp>,
}

/// What an abort freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted {
    /// Number of parts.
    pub parts: u32,
    /// Sum of their sizes in bytes.
    pub bytes: u64,
}

impl Store {
    /// Aborts an upload. One call is always enough.
    ///
    /// # Errors
    /// [`Error::NoSuchUpload`] also when it was completed or aborted already;
    /// [`Error::PreconditionFailed`], [`Error::NoSuchBucket`], [`Error::AccessDenied`], [`Error::Meta`].
    pub async fn abort_upload(&self, caller: &Caller, request: AbortUpload) -> Result<Aborted, Error> {
        let caller = caller.clone();
        #[cfg(feature = "planted")]
        if planted(Mistake::AbortFreesBeforeCommit) {
            self.free_parts_too_early(&request).await?;
        }
        self.commit_and_tell(move |tx: &mut dyn Tx, events: &mut Vec<Event>| {
            let bucket = bucket_for(tx, &request.bucket, &caller)?;
            let (id, upload) = find_upload(tx, bucket.id, &request.key, &request.upload_id)?;
            if request.if_initiated.is_some_and(|time| time.seconds() != upload.initiated.seconds()) {
                return Err(Error::PreconditionFailed(Condition::IfMatchInitiatedTime));
            }
            let (aborted, _) = remove_upload(tx, bucket.id, request.key.as_str(), &id)?;
            events.push(Event {
                deed: Deed::Aborted(Cause::Request),
                caller: Some(caller.clone()),
                bucket: request.bucket.clone(),
                upload: Some((request.key.clone(), id)),
                parts: aborted.parts.into(),
                bytes: aborted.bytes,
            });
            Ok(aborted)
        })
        .await
    }
}

/// Removes an upload with all its parts; also how many segments it released. The one way in which an upload goes without an object.
pub(crate) fn remove_upload(
    tx: &mut dyn Tx,
    bucket: u64,
    key: &str,
    id: &UploadId,
) -> Result<(Aborted, usize), Error> {
    let parts: Vec<_> = {
        let rows = Within::prefix(tables::parts_of(id));
        let decode = |row: crate::meta::door::Row| {
            let (key, value) = row?;
            let record = PartRecord::decode(&key, value)?;
            Ok::<_, Error>((key, record.segments))
        };
        tx.scan(rows.range(), Order::Ascending).map(decode).collect::<Result<_, _>>()?
    };
    let mut released = 0;
    for (row, segments) in parts {
        released += segments.len();
        for segment in &segments {
            if planted(Mistake::AbortKeepsParts) {
                break;
            }
            ownership::release(tx, segment)?;
        }
        tx.delete(row.to_vec());
    }
    Ok((forget_upload(tx, bucket, key, id)?, released))
}

/// Removes an upload's own rows, and what it held from the bucket's usage.
pub(crate) fn forget_upload(
    tx: &mut dyn Tx,
    bucket: u64,
    key: &str,
    id: &UploadId,
) -> Result<Aborted, Error> {
    let held: HeldRecord = load(tx, &tables::held(id))?.unwrap_or_default();
    tx.delete(tables::upload(bucket, key, id));
    tx.delete(tables::upload_by_age(id));
    tx.delete(tables::held(id));
    tables::change_usage(tx, bucket, |usage| {
        usage.uploads = usage.uploads.saturating_sub(1);
        usage.parts = usage.parts.saturating_sub(held.parts.into());
        usage.held_bytes = usage.held_bytes.saturating_sub(held.bytes);
    })?;
    Ok(Aborted { parts: held.parts, bytes: held.bytes })
}
