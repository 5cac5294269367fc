//! Put, Get and DeleteBucketLifecycleConfiguration.

use crate::access::Caller;
use crate::error::Error;
use crate::lifecycle::rules::Rules;
use crate::meta::door::{Tx, View};
use crate::meta::records::LifecycleRecord;
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
            save(tx, tables::lifecycle(bucket.id), &LifecycleRecord { rules: rules.clone() });
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
        let record: Option<LifecycleRecord> = load(&*view, &tables::lifecycle(bucket.id))?;
        Ok(record.map(|record| record.rules))
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
            Ok(())
        })
        .await
    }
}

/// The rules of a bucket by its number; none when it has none.
pub(crate) fn rules_of(view: &(impl View + ?Sized), bucket: u64) -> Result<Rules, Error> {
    let record: Option<LifecycleRecord> = load(view, &tables::lifecycle(bucket))?;
    Ok(record.map(|record| record.rules).unwrap_or_default())
}
