//! CreateBucket.

use crate::access::Caller;
use crate::error::Error;
use crate::meta::door::Tx;
use crate::meta::records::BucketRecord;
use crate::meta::tables::{self, load, next_number, save};
use crate::names::BucketName;
use crate::store::Store;

/// What to create.
#[derive(Clone, Debug)]
pub struct CreateBucket {
    /// The name.
    pub name: BucketName,
    /// `LocationConstraint` as given; `None` for the default region.
    pub region: Option<String>,
}

impl Store {
    /// Creates a bucket that `caller` owns.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::BucketAlreadyOwnedByYou`], [`Error::BucketAlreadyExists`], [`Error::Meta`].
    pub async fn create_bucket(&self, caller: &Caller, request: CreateBucket) -> Result<(), Error> {
        self.room_for_rows(0)?;
        let (owner, created) = (caller.account.clone(), self.clock.now());
        self.commit(Vec::new(), move |tx: &mut dyn Tx| {
            let key = tables::bucket(&request.name);
            if let Some(existing) = load::<BucketRecord>(tx, &key)? {
                return Err(if existing.owner == owner {
                    Error::BucketAlreadyOwnedByYou(request.name.clone())
                } else {
                    Error::BucketAlreadyExists(request.name.clone())
                });
            }
            let id = next_number(tx)?;
            let region = request.region.as_deref().map(Into::into);
            let bucket = BucketRecord { id, owner: owner.clone(), created, region, lifecycle_rules: Some(0) };
            save(tx, key, &bucket);
            Ok(())
        })
        .await
    }
}
