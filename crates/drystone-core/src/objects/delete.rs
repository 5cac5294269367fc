//! DeleteObject and DeleteObjects.

use std::sync::Arc;

use crate::access::Caller;
use crate::error::{Condition, Error};
use crate::meta::door::Tx;
use crate::meta::records::ObjectRecord;
use crate::meta::tables::{self, load};
use crate::names::{BucketName, ObjectKey};
use crate::objects::conditions::ETagMatch;
use crate::planted::{Mistake, planted};
use crate::reclaim::ownership::{self, SEGMENTS_PER_COMMIT};
use crate::store::{Store, bucket_for};

/// What to delete.
#[derive(Clone, Debug)]
pub struct DeleteObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The object.
    pub target: DeleteTarget,
}

/// What to delete of one bucket.
#[derive(Clone, Debug)]
pub struct DeleteObjects {
    /// The bucket.
    pub bucket: BucketName,
    /// The objects.
    pub objects: Vec<DeleteTarget>,
}

/// One object to delete.
#[derive(Clone, Debug)]
pub struct DeleteTarget {
    /// The key.
    pub key: ObjectKey,
    /// Delete only an object with this tag.
    pub if_match: Option<ETagMatch>,
}

impl Store {
    /// Deletes an object; fine when there is none, unless a condition asks for one.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::AccessDenied`], [`Error::PreconditionFailed`],
    /// [`Error::NoSuchKey`] for a condition where nothing is, [`Error::Meta`].
    pub async fn delete_object(&self, caller: &Caller, request: DeleteObject) -> Result<(), Error> {
        let DeleteObject { bucket, target } = request;
        let caller = caller.clone();
        self.commit_and_give_back(Vec::new(), move |tx: &mut dyn Tx| {
            let bucket = bucket_for(tx, &bucket, &caller)?;
            remove(tx, bucket.id, &target).map(drop)
        })
        .await
    }

    /// Deletes many objects; answers for each, in order. Objects of many parts take several transactions,
    /// which S3 allows: it promises nothing about a request's keys together.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::AccessDenied`], [`Error::Meta`]: then none or only the first ones
    /// were deleted, and asking again is safe.
    pub async fn delete_objects(
        &self,
        caller: &Caller,
        request: DeleteObjects,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let DeleteObjects { bucket, objects } = request;
        let (count, objects) = (objects.len(), Arc::new(objects));
        let mut outcomes = Vec::with_capacity(count);
        loop {
            let (caller, bucket, objects, done) =
                (caller.clone(), bucket.clone(), Arc::clone(&objects), outcomes.len());
            let more = self
                .commit_and_give_back(Vec::new(), move |tx: &mut dyn Tx| {
                    let bucket = bucket_for(tx, &bucket, &caller)?;
                    remove_some(tx, bucket.id, objects.get(done..).unwrap_or_default())
                })
                .await?;
            outcomes.extend(more);
            if outcomes.len() == count {
                return Ok(outcomes);
            }
        }
    }
}

/// Removes as many objects as one transaction may, the first at least; answers for those.
fn remove_some(
    tx: &mut dyn Tx,
    bucket: u64,
    targets: &[DeleteTarget],
) -> Result<Vec<Result<(), Error>>, Error> {
    let (mut outcomes, mut released) = (Vec::new(), 0);
    for target in targets {
        match remove(tx, bucket, target) {
            // A refusal leaves the others alone; a failing engine fails them all.
            Err(error @ Error::Meta(_)) => return Err(error),
            Err(refusal) => outcomes.push(Err(refusal)),
            Ok(segments) => {
                outcomes.push(Ok(()));
                released += segments;
            }
        }
        if released >= SEGMENTS_PER_COMMIT {
            break;
        }
    }
    Ok(outcomes)
}

/// Removes the current version of a key; how many segments it released. Decides before it writes, so a
/// refusal changes nothing.
fn remove(tx: &mut dyn Tx, bucket: u64, target: &DeleteTarget) -> Result<usize, Error> {
    let row = tables::current(bucket, target.key.as_str());
    let current: Option<ObjectRecord> = load(tx, &row)?;
    let object = match (current, &target.if_match) {
        (None, None) => return Ok(0),
        (None, Some(_)) => return Err(Error::NoSuchKey(target.key.clone())),
        (Some(object), Some(tags)) if !tags.names(&object.info.etag) => {
            return Err(Error::PreconditionFailed(Condition::IfMatch));
        }
        (Some(object), _) => object,
    };
    let released =
        if planted(Mistake::DeleteKeepsBytes) { 0 } else { ownership::release_body(tx, &object.body)? };
    tx.delete(row);
    tables::change_usage(tx, bucket, |usage| {
        usage.objects = usage.objects.saturating_sub(1);
        usage.bytes = usage.bytes.saturating_sub(object.info.size);
    })?;
    Ok(released)
}
