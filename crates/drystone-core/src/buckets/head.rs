//! HeadBucket: what is known of one bucket.

use crate::access::Caller;
use crate::error::Error;
use crate::meta::records::BucketRecord;
use crate::names::{AccountId, BucketName, Timestamp};
use crate::store::{Store, bucket_for};

/// A bucket as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketInfo {
    /// Its name.
    pub name: BucketName,
    /// Its owner.
    pub owner: AccountId,
    /// When it was created.
    pub created: Timestamp,
    /// The region it was created with; `None` for the default.
    pub region: Option<Box<str>>,
}

impl BucketInfo {
    pub(super) fn new(name: BucketName, record: BucketRecord) -> Self {
        Self { name, owner: record.owner, created: record.created, region: record.region }
    }
}

impl Store {
    /// Finds a bucket of the caller's.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::AccessDenied`], [`Error::Meta`].
    pub fn head_bucket(&self, caller: &Caller, name: &BucketName) -> Result<BucketInfo, Error> {
        let record = bucket_for(&*self.meta.snapshot(), name, caller)?;
        Ok(BucketInfo::new(name.clone(), record))
    }
}
