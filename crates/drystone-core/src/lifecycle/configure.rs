//! Put, Get and DeleteBucketLifecycleConfiguration.

use crate::access::Caller;
use crate::error::Error;
use crate::lifecycle::rules::Rules;
use crate::meta::door::{MetaError, Tx, View};
use crate::meta::records::{BucketRecord, LifecycleRecord};
use crate::meta::tables::{self, load, save};
use crate::names::BucketName;
use crate::store::{Store, bucket_for};

impl Store {
    /// Sets a bucket's rules, in place of those it had.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::NoSuchBucket`], [`Error::AccessDenied`], [`Error::Meta`].
    pub async fn put_lifecycle(&self, caller: &Caller, name: &BucketName, rules: Rules) -> Result<(), Error> {
        self.room_for_rows(0)?;
        let (caller, name) = (caller.clone(), name.clone());
        self.commit(Vec::new(), move |tx: &mut dyn Tx| {
            let bucket = bucket_for(tx, &name, &caller)?;
            let record = LifecycleRecord { rules: rules.clone() };
            save(tx, tables::lifecycle(bucket.id), &record);
            save(
                tx,
                tables::bucket(&name),
                &BucketRecord { lifecycle_rules: Some(record.count()), ..bucket },
            );
            Ok(())
        })
        .await
    }

    /// A bucket's rules; `None` when it has none.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::AccessDenied`], [`Error::Meta`].
    pub fn lifecycle(&self, caller: &Caller, name: &BucketName) -> Result<Option<Rules>, Error> {
        let view = self.meta.snapshot();
        let bucket = bucket_for(&*view, name, caller)?;
        kept_rules(&*view, &bucket)
    }

    /// Removes a bucket's rules.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::AccessDenied`], [`Error::Meta`].
    pub async fn delete_lifecycle(&self, caller: &Caller, name: &BucketName) -> Result<(), Error> {
        let (caller, name) = (caller.clone(), name.clone());
        self.commit(Vec::new(), move |tx: &mut dyn Tx| {
            let bucket = bucket_for(tx, &name, &caller)?;
            tx.delete(tables::lifecycle(bucket.id));
            save(tx, tables::bucket(&name), &BucketRecord { lifecycle_rules: Some(0), ..bucket });
            Ok(())
        })
        .await
    }
}

/// The rules of a bucket; empty when it has none.
pub(crate) fn rules_of(view: &(impl View + ?Sized), bucket: &BucketRecord) -> Result<Rules, Error> {
    Ok(kept_rules(view, bucket)?.unwrap_or_default())
}

/// The rules of a bucket, if there are as many as the bucket says: a row that the engine lost must not look
/// like rules that nobody set.
fn kept_rules(view: &(impl View + ?Sized), bucket: &BucketRecord) -> Result<Option<Rules>, Error> {
    let row = tables::lifecycle(bucket.id);
    let record: Option<LifecycleRecord> = load(view, &row)?;
    let kept = record.as_ref().map_or(0, LifecycleRecord::count);
    if bucket.lifecycle_rules.is_some_and(|said| said != kept) {
        let why = "its bucket has another number of lifecycle rules; set the bucket's rules again";
        return Err(MetaError::Corrupt { key: row.escape_ascii().to_string(), why }.into());
    }
    Ok(record.map(|record| record.rules))
}
