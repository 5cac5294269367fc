//! A store over memory, with a bucket, a clock that ticks at each look and chance from a seed: nothing
//! in it depends on the machine but its speed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use drystone_core::access::Caller;
use drystone_core::body::FullBody;
use drystone_core::buckets::create::CreateBucket;
use drystone_core::data::memory::MemoryData;
use drystone_core::meta::memory::MemoryMeta;
use drystone_core::names::{AccountId, BucketName, ObjectKey, Timestamp};
use drystone_core::objects::conditions::WriteCondition;
use drystone_core::objects::object::Attributes;
use drystone_core::objects::put::{Incoming, PutObject};
use drystone_core::store::{Parts, Store};
use drystone_core::world::{Clock, Entropy};
use drystone_sim::wait::wait;

/// Room for bodies, in bytes.
const CAPACITY: u64 = 1 << 30;

/// A store with one bucket.
pub(crate) struct MemoryStore {
    /// The store.
    pub(crate) store: Store,
    /// The bucket.
    pub(crate) bucket: BucketName,
    /// Its owner.
    pub(crate) caller: Caller,
}

impl MemoryStore {
    /// An empty bucket in an empty store.
    pub(crate) fn new() -> Self {
        let store = Store::new(Parts {
            meta: Arc::new(MemoryMeta::new()),
            data: MemoryData::new(CAPACITY),
            clock: Arc::new(Ticks(AtomicU64::new(1_767_323_045_000))),
            entropy: Arc::new(Seeded(AtomicU64::new(1))),
        });
        let bucket = BucketName::parse("bucket").expect("a bucket's name");
        let caller = Caller::of(AccountId::new("account"));
        wait(async {
            store.recover().await.expect("an empty store recovers");
            let request = CreateBucket { name: bucket.clone(), region: None };
            store.create_bucket(&caller, request).await.expect("the bucket is new");
        });
        Self { store, bucket, caller }
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

/// A clock that moves a millisecond at each look.
struct Ticks(AtomicU64);

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Chance from a seed (splitmix64).
struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            let mut n = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            for (to, from) in piece.iter_mut().zip((n ^ (n >> 31)).to_le_bytes()) {
                *to = from;
            }
        }
    }
}
