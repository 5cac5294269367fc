//! DeleteBucket: the bucket goes at once; its uploads in progress are freed before the answer.
//!
//! S3 lets a bucket with uploads in progress be deleted. One transaction takes the bucket away with its
//! first thousand uploads. Where there are more, it condemns the bucket's id, so that no upload of it can
//! be listed, continued or completed any more, also not in a new bucket of the same name, and the others
//! are freed in bounded transactions. If the client goes away in between, the worker goes on with the
//! condemned id; if the process ends, the next start does.

use crate::access::Caller;
use crate::audit::{Deed, Event};
use crate::error::Error;
use crate::meta::door::{Order, Tx};
use crate::meta::records::UsageRecord;
use crate::meta::tables::{self, Table, Within, load};
use crate::names::BucketName;
use crate::planted::{Mistake, planted};
use crate::reclaim::ownership::SEGMENTS_PER_COMMIT;
use crate::store::{Store, bucket_for};
use crate::uploads::abort::remove_upload;

/// Uploads that one transaction frees.
const UPLOADS_PER_COMMIT: usize = 1_000;

impl Store {
    /// Deletes an empty bucket of the caller's, with its uploads in progress.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::AccessDenied`], [`Error::BucketNotEmpty`], [`Error::Meta`].
    pub async fn delete_bucket(&self, caller: &Caller, name: &BucketName) -> Result<(), Error> {
        let (caller, name) = (caller.clone(), name.clone());
        let left = self
            .commit_and_tell(move |tx: &mut dyn Tx, events: &mut Vec<Event>| {
                let bucket = bucket_for(tx, &name, &caller)?;
                let objects = Within::prefix(tables::current(bucket.id, ""));
                if tx.scan(objects.range(), Order::Ascending).next().transpose()?.is_some() {
                    return Err(Error::BucketNotEmpty(name.clone()));
                }
                let usage: UsageRecord = load(tx, &tables::usage(bucket.id))?.unwrap_or_default();
                if usage.uploads > 0 {
                    events.push(Event {
                        deed: Deed::BucketDeleted { uploads: usage.uploads },
                        caller: Some(caller.clone()),
                        bucket: name.clone(),
                        upload: None,
                        parts: usage.parts,
                        bytes: usage.held_bytes,
                    });
                }
                tx.delete(tables::bucket(&name));
                tx.delete(tables::lifecycle(bucket.id));
                if planted(Mistake::BucketDeleteForgetsUploads) || free_some_uploads(tx, bucket.id)? {
                    return Ok(None);
                }
                tx.put(tables::condemned(bucket.id), Vec::new());
                Ok(Some(bucket.id))
            })
            .await?;
        let Some(id) = left else { return Ok(()) };
        self.free_condemned(id).await
    }

    /// Goes on with bucket deletions that were cut short.
    pub(crate) async fn free_all_condemned(&self) -> Result<(), Error> {
        let condemned: Vec<u64> = {
            let view = self.meta.snapshot();
            let rows = view.scan(Within::prefix(tables::all(Table::Condemned)).range(), Order::Ascending);
            rows.map(|row| tables::read_number_key(&row?.0)).collect::<Result<_, _>>()?
        };
        for bucket in condemned {
            self.free_condemned(bucket).await?;
        }
        Ok(())
    }

    async fn free_condemned(&self, bucket: u64) -> Result<(), Error> {
        let decide = move |tx: &mut dyn Tx| free_some_uploads(tx, bucket);
        while !self.commit_and_give_back(Vec::new(), decide).await? {}
        Ok(())
    }
}

/// Removes a bounded number of uploads; says whether none is left.
fn free_some_uploads(tx: &mut dyn Tx, bucket: u64) -> Result<bool, Error> {
    let mut released = 0;
    for _ in 0..UPLOADS_PER_COMMIT {
        let uploads = Within::prefix(tables::uploads_prefix(bucket, ""));
        let first = tx.scan(uploads.range(), Order::Ascending).next().transpose()?;
        let Some((key, _)) = first else {
            tx.delete(tables::condemned(bucket));
            tx.delete(tables::usage(bucket));
            return Ok(true);
        };
        let (object, id) = tables::read_upload_key(&key)?;
        // Each part and each segment is a row or two; a part without bytes has no segment.
        let (aborted, segments) = remove_upload(tx, bucket, &object, &id)?;
        released += segments + aborted.parts as usize;
        if released >= SEGMENTS_PER_COMMIT {
            break;
        }
    }
    Ok(false)
}
