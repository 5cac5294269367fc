//! The object store itself over a data directory on a small disk.

use std::path::Path;

use bytes::Bytes;
use drystone_core::access::Caller;
use drystone_core::body::FullBody;
use drystone_core::buckets::create::CreateBucket;
use drystone_core::error::Error;
use drystone_core::names::{AccountId, BucketName, ObjectKey, PartNumber};
use drystone_core::objects::conditions::WriteCondition;
use drystone_core::objects::delete::{DeleteObject, DeleteTarget};
use drystone_core::objects::object::Attributes;
use drystone_core::objects::put::{Incoming, PutObject};
use drystone_core::reclaim::verify::Report;
use drystone_core::store::{Parts, Store};
use drystone_core::uploads::create::CreateUpload;
use drystone_core::uploads::part::UploadPart;
use drystone_sim::wait::wait;
use drystone_store::Opened;
use drystone_store::world::{SystemClock, SystemEntropy};

use crate::store::opened;

/// An object store and the doors under it.
pub(crate) struct Core {
    pub(crate) object_store: Store,
    pub(crate) store: Opened,
}

pub(crate) fn caller() -> Caller {
    Caller::of(AccountId::new("mason"))
}

pub(crate) fn bucket() -> BucketName {
    BucketName::parse("quarry").expect("it is a name")
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(name).expect("it is a key")
}

fn incoming(body: &Bytes) -> Incoming {
    Incoming {
        len: body.len() as u64,
        body: Box::pin(FullBody::new(body.clone())),
        content_md5: None,
        sha256: None,
        checksum: None,
    }
}

impl Core {
    /// Opens `dir` and recovers, as a server does.
    pub(crate) fn open(dir: &Path) -> Self {
        let core = Self::open_to_look(dir);
        core.run(core.object_store.recover()).expect("it recovers");
        core
    }

    /// Opens `dir` and changes nothing, as `drystone verify` does.
    pub(crate) fn open_to_look(dir: &Path) -> Self {
        let store = opened(dir);
        let parts = Parts {
            meta: store.meta(),
            data: store.data(),
            clock: std::sync::Arc::new(SystemClock::new()),
            entropy: std::sync::Arc::new(SystemEntropy),
        };
        Self { object_store: Store::new(parts), store }
    }

    /// Waits for an operation, then gives back what it freed, as the worker does.
    pub(crate) fn run<T>(&self, operation: impl Future<Output = T>) -> T {
        let done = wait(operation);
        wait(self.object_store.give_back()).expect("what was freed goes back");
        done
    }

    pub(crate) fn create_bucket(&self) -> Result<(), Error> {
        let request = CreateBucket { name: bucket(), region: None };
        self.run(self.object_store.create_bucket(&caller(), request))
    }

    pub(crate) fn put(&self, name: &str, body: &Bytes) -> Result<(), Error> {
        let request = PutObject {
            bucket: bucket(),
            key: key(name),
            incoming: incoming(body),
            attributes: Attributes::default(),
            condition: WriteCondition::None,
        };
        self.run(self.object_store.put_object(&caller(), request)).map(drop)
    }

    pub(crate) fn delete(&self, name: &str) -> Result<(), Error> {
        let target = DeleteTarget { key: key(name), if_match: None };
        self.run(self.object_store.delete_object(&caller(), DeleteObject { bucket: bucket(), target }))
    }

    /// Creates an upload; its id.
    pub(crate) fn create_upload(&self, name: &str) -> Result<String, Error> {
        let request = CreateUpload {
            bucket: bucket(),
            key: key(name),
            attributes: Attributes::default(),
            checksum: None,
            checksum_type: None,
        };
        let made = self.run(self.object_store.create_upload(&caller(), request))?;
        Ok(made.upload_id.to_string())
    }

    /// Uploads a part of the upload `upload_id` of the key `wall`.
    pub(crate) fn part(&self, upload_id: &str, part: u64, body: &Bytes) -> Result<(), Error> {
        let request = UploadPart {
            bucket: bucket(),
            key: key("wall"),
            upload_id: upload_id.to_owned(),
            part: PartNumber::new(part).expect("it is a number"),
            incoming: incoming(body),
        };
        self.run(self.object_store.upload_part(&caller(), request)).map(drop)
    }

    /// What verification finds.
    pub(crate) fn verify(&self) -> Report {
        wait(self.object_store.verify(&|_| ())).expect("it can be walked")
    }

    /// Stops in order.
    pub(crate) fn close(self) {
        drop(self.object_store);
        self.store.close().expect("it closes in order");
    }

    /// Stops in order, after a proof that nothing is missing and nothing is left over.
    pub(crate) fn close_verified(self) {
        let report = self.verify();
        assert!(report.is_clean() && report.reclaimable_bytes == 0, "{report:#?}");
        self.close();
    }
}
