//! A store over memory with a bucket, in a fixed world: nothing in it depends on the machine but its speed.

use std::sync::Arc;

use bytes::Bytes;
use drystone_core::access::Caller;
use drystone_core::body::FullBody;
use drystone_core::buckets::create::CreateBucket;
use drystone_core::data::door::Data;
use drystone_core::data::memory::MemoryData;
use drystone_core::meta::door::Meta;
use drystone_core::meta::memory::MemoryMeta;
use drystone_core::names::{AccountId, BucketName, ObjectKey};
use drystone_core::objects::conditions::WriteCondition;
use drystone_core::objects::object::Attributes;
use drystone_core::objects::put::{Incoming, PutObject};
use drystone_core::store::{Parts, Store};
use drystone_sim::wait::wait;

use crate::fixed_world::{Seeded, Ticks};

/// Room for bodies, in bytes.
const CAPACITY: u64 = 1 << 30;

/// A store with one bucket.
pub(crate) struct MemoryStore {
    /// The store.
    pub(crate) store: Arc<Store>,
    /// The bucket.
    pub(crate) bucket: BucketName,
    /// Its owner.
    pub(crate) caller: Caller,
}

impl MemoryStore {
    /// An empty bucket in an empty store, to which `more` adds what the bench wants of it.
    pub(crate) fn new(more: impl FnOnce(Store) -> Store) -> Self {
        Self::over(Arc::new(MemoryMeta::new()), MemoryData::new(CAPACITY), more)
    }

    /// The same over other doors.
    pub(crate) fn over(meta: Arc<dyn Meta>, data: Arc<dyn Data>, more: impl FnOnce(Store) -> Store) -> Self {
        let store = more(Store::new(Parts {
            meta,
            data,
            clock: Arc::new(Ticks::new()),
            entropy: Arc::new(Seeded::new()),
        }));
        let bucket = BucketName::parse("bucket").expect("a bucket's name");
        let caller = Caller::of(AccountId::new("account"));
        wait(async {
            store.recover().await.expect("an empty store recovers");
            let request = CreateBucket { name: bucket.clone(), region: None };
            store.create_bucket(&caller, request).await.expect("the bucket is new");
        });
        Self { store: Arc::new(store), bucket, caller }
    }

    /// Puts `bytes` under `key`.
    pub(crate) fn put(&self, key: &str, bytes: &Bytes) {
        let request = PutObject {
            bucket: self.bucket.clone(),
            key: self::key(key),
            incoming: Incoming {
                body: Box::pin(FullBody::new(bytes.clone())),
                len: bytes.len() as u64,
                content_md5: None,
                sha256: None,
                checksum: None,
            },
            attributes: Attributes::default(),
            condition: WriteCondition::None,
        };
        wait(self.store.put_object(&self.caller, request)).expect("the object is put");
    }
}

/// A key.
pub(crate) fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).expect("a key")
}
