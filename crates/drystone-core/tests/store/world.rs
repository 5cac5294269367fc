//! One small world: a store over in-memory doors, a clock that the test sets, chance from a seed.
//!
//! A world that goes out of scope proves that nothing is left over: the background worker runs until
//! it rests, the store verifies itself, and the bytes in the volumes must be exactly those that objects
//! and uploads name. No test can forget it.

use std::cell::{Cell, RefCell};
use std::future::ready;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use drystone_core::access::Caller;
use drystone_core::body::FullBody;
use drystone_core::buckets::create::CreateBucket;
use drystone_core::buckets::quota::Quotas;
use drystone_core::checksum::Checksum;
use drystone_core::data::door::Data;
use drystone_core::data::memory::MemoryData;
use drystone_core::error::Error;
use drystone_core::meta::door::{Meta, Tx};
use drystone_core::meta::memory::MemoryMeta;
use drystone_core::names::{AccountId, BucketName, ETag, ObjectKey, PartNumber};
use drystone_core::objects::ObjectReader;
use drystone_core::objects::conditions::{ReadConditions, WriteCondition};
use drystone_core::objects::copy::{CopyObject, CopySource, MetadataDirective};
use drystone_core::objects::delete::{DeleteObject, DeleteTarget};
use drystone_core::objects::get::{GetObject, Located, Span};
use drystone_core::objects::object::Attributes;
use drystone_core::objects::put::{Incoming, PutObject, PutOutcome};
use drystone_core::reclaim::verify::Report;
use drystone_core::store::{Parts, Store};
use drystone_core::uploads::abort::{AbortUpload, Aborted};
use drystone_core::uploads::complete::{CompleteUpload, ListedPart, PART_BYTES_MIN};
use drystone_core::uploads::create::CreateUpload;
use drystone_core::uploads::list_parts::{ListParts, PartPage};
use drystone_core::uploads::part::{PartOutcome, UploadPart};
use drystone_core::uploads::part_copy::UploadPartCopy;
use drystone_sim::clock::{Seeded, SetClock};

use crate::audit::Books;
use drystone_sim::hesitant::{HesitantData, HesitantMeta, Pause};
use drystone_sim::task::{Task, run};

/// The bucket that every world begins with.
pub(crate) const BUCKET: &str = "quarry";

/// Room for extents, in bytes.
const CAPACITY: u64 = 1 << 30;

/// A store and everything around it.
pub(crate) struct World {
    pub(crate) store: Arc<Store>,
    pub(crate) books: Arc<Books>,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) meta: Arc<dyn Meta>,
    pub(crate) data: Arc<dyn Data>,
    lane: Option<Arc<HesitantMeta>>,
    worker: RefCell<Task<'static, ()>>,
    proven: Cell<bool>,
}

/// An upload in progress, as a client knows it.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) id: String,
}

impl World {
    /// A world whose doors answer at once.
    pub(crate) fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// A world with room for `capacity` bytes of extents.
    pub(crate) fn with_capacity(capacity: u64) -> Self {
        Self::over(Arc::new(MemoryMeta::new()), MemoryData::new(capacity), None)
    }

    /// A world whose doors make everyone wait at every step.
    pub(crate) fn hesitant(pause: Pause) -> Self {
        Self::over_hesitant(HesitantData::new(MemoryData::new(CAPACITY), pause))
    }

    /// As [`World::hesitant`], over a data door that the test keeps a hand on.
    pub(crate) fn over_hesitant(data: Arc<HesitantData>) -> Self {
        let meta = HesitantMeta::new();
        Self::over(meta.clone(), data, Some(meta))
    }

    /// A world over a metadata door that the test keeps a hand on.
    pub(crate) fn over_meta(meta: Arc<dyn Meta>) -> Self {
        Self::over(meta, MemoryData::new(CAPACITY), None)
    }

    /// A world whose doors make everyone wait at every step, and whose buckets have quotas.
    pub(crate) fn held_to(quotas: Quotas) -> Self {
        let meta = HesitantMeta::new();
        let data = HesitantData::new(MemoryData::new(CAPACITY), Pause::BeforeWork);
        Self::over_held_to(meta.clone(), data, Some(meta), quotas)
    }

    fn over(meta: Arc<dyn Meta>, data: Arc<dyn Data>, lane: Option<Arc<HesitantMeta>>) -> Self {
        Self::over_held_to(meta, data, lane, Quotas::default())
    }

    fn over_held_to(
        meta: Arc<dyn Meta>,
        data: Arc<dyn Data>,
        lane: Option<Arc<HesitantMeta>>,
        quotas: Quotas,
    ) -> Self {
        let clock = Arc::new(SetClock::default());
        let parts = Parts {
            meta: meta.clone(),
            data: data.clone(),
            clock: clock.clone(),
            entropy: Arc::new(Seeded::new(0x5eed)),
        };
        let books = Arc::new(Books::default());
        let store = Arc::new(Store::new(parts).told_to(books.clone()).held_to(quotas));
        let works = Arc::clone(&store);
        let worker = RefCell::new(Task::new(async move { works.work(|| ready(())).await }));
        let world = Self { store, books, clock, meta, data, lane, worker, proven: Cell::new(false) };
        world.run(world.store.recover()).expect("an empty store recovers");
        world.create_bucket(BUCKET).expect("the first bucket is new");
        world
    }

    /// Runs an operation to its end, with the lane behind it.
    pub(crate) fn run<T>(&self, operation: impl Future<Output = T>) -> T {
        self.finish(Task::new(operation))
    }

    /// Puts an operation into the test's hands.
    pub(crate) fn start<T, F>(&self, operation: impl FnOnce(Arc<Store>) -> F) -> Task<'static, T>
    where
        F: Future<Output = T> + 'static,
    {
        Task::new(operation(Arc::clone(&self.store)))
    }

    /// Runs a task to its end, with the lane behind it.
    ///
    /// # Panics
    /// When it waits for something that nobody will do.
    pub(crate) fn finish<T>(&self, mut task: Task<'_, T>) -> T {
        loop {
            if !task.is_woken() {
                assert!(self.run_lane(), "the operation waits for ever");
            } else if let Poll::Ready(outcome) = task.poll() {
                return outcome;
            }
        }
    }

    /// Runs one waiting command of the lane; says whether there was one.
    pub(crate) fn run_lane(&self) -> bool {
        self.lane.as_ref().is_some_and(|lane| lane.run_one())
    }

    /// Lets everything that goes on in the background come to rest.
    pub(crate) fn settle(&self) {
        let mut worker = self.worker.borrow_mut();
        loop {
            let ran = self.run_lane();
            if worker.is_woken() {
                assert!(worker.poll().is_pending(), "the worker never ends");
            } else if !ran {
                return;
            }
        }
    }

    /// What verification finds; the bytes in the volumes must be those that it can name.
    pub(crate) fn verify(&self) -> Report {
        let report = self.run(self.store.verify(&|_| ())).expect("the store can be walked");
        assert!(report.is_clean(), "nothing is wrong and nothing is left over: {report:#?}");
        let named = report.live_bytes + report.in_progress_bytes + report.reclaimable_bytes;
        assert_eq!(self.bytes_in_volumes(), named, "every byte has a name: {report:#?}");
        report
    }

    /// What verification finds in a world that the test has damaged. It proves nothing more at its end.
    pub(crate) fn verify_damaged(&self) -> Report {
        self.proven.set(true);
        self.run(self.store.verify(&|_| ())).expect("damage is reported, it does not end the walk")
    }

    /// Writes rows behind the store's back.
    pub(crate) fn damage(&self, change: impl FnMut(&mut dyn Tx) + Send + 'static) {
        let mut change = change;
        let written = self.meta.commit(Vec::new(), move |tx: &mut dyn Tx| {
            change(tx);
            Ok::<_, Error>(())
        });
        self.run(written).map_err(|(error, _)| error).expect("memory takes every row");
    }

    /// Bytes that the volumes take.
    pub(crate) fn bytes_in_volumes(&self) -> u64 {
        let allocated = |volume| self.data.allocated(volume).expect("memory answers");
        self.data.volumes().into_iter().flat_map(allocated).map(|range| range.end - range.start).sum()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() || self.proven.get() {
            return;
        }
        self.settle();
        let report = self.verify();
        assert_eq!(report.reclaimable_bytes, 0, "at rest everything freed is given back");
    }
}

/// Buckets and objects, in the world's own bucket and as its owner.
impl World {
    pub(crate) fn create_bucket(&self, name: &str) -> Result<(), Error> {
        self.run(self.store.create_bucket(&owner(), CreateBucket { name: bucket(name), region: None }))
    }

    pub(crate) fn delete_bucket(&self, name: &str) -> Result<(), Error> {
        self.run(self.store.delete_bucket(&owner(), &bucket(name)))
    }

    pub(crate) fn put(&self, name: &str, body: &[u8]) -> PutOutcome {
        self.try_put(put(name, body)).expect("a plain put succeeds")
    }

    pub(crate) fn try_put(&self, request: PutObject) -> Result<PutOutcome, Error> {
        self.run(self.store.put_object(&owner(), request))
    }

    pub(crate) fn head(&self, name: &str) -> Result<Located, Error> {
        self.store.head_object(&owner(), &get(name, Span::Whole))
    }

    pub(crate) fn head_span(&self, name: &str, span: Span) -> Result<Located, Error> {
        self.store.head_object(&owner(), &get(name, span))
    }

    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        self.get_span(name, Span::Whole).expect("the object is there").1
    }

    pub(crate) fn get_span(&self, name: &str, span: Span) -> Result<(Located, Vec<u8>), Error> {
        let (located, reader) = self.store.get_object(&owner(), &get(name, span))?;
        Ok((located, read(reader)))
    }

    pub(crate) fn delete(&self, name: &str) {
        self.try_delete(name, None).expect("a delete without a condition succeeds");
    }

    pub(crate) fn try_delete(
        &self,
        name: &str,
        if_match: Option<drystone_core::objects::conditions::ETagMatch>,
    ) -> Result<(), Error> {
        let target = DeleteTarget { key: key(name), if_match };
        self.run(self.store.delete_object(&owner(), DeleteObject { bucket: bucket(BUCKET), target }))
    }

    pub(crate) fn copy(&self, from: &str, to: &str) -> PutOutcome {
        self.try_copy(copy(from, to)).expect("a plain copy succeeds")
    }

    pub(crate) fn try_copy(&self, request: CopyObject) -> Result<PutOutcome, Error> {
        self.run(self.store.copy_object(&owner(), request))
    }
}

/// Uploads, in the world's own bucket and as its owner.
impl World {
    pub(crate) fn create_upload(&self, name: &str) -> Upload {
        self.create_upload_with(create(name))
    }

    pub(crate) fn create_upload_with(&self, request: CreateUpload) -> Upload {
        let made = self.run(self.store.create_upload(&owner(), request)).expect("an upload can be created");
        Upload { key: made.key.to_string(), id: made.upload_id.to_string() }
    }

    pub(crate) fn part(&self, upload: &Upload, number: u64, body: &[u8]) -> PartOutcome {
        self.try_part(part(upload, number, body)).expect("a plain part succeeds")
    }

    pub(crate) fn try_part(&self, request: UploadPart) -> Result<PartOutcome, Error> {
        self.run(self.store.upload_part(&owner(), request))
    }

    pub(crate) fn try_part_copy(&self, request: UploadPartCopy) -> Result<PartOutcome, Error> {
        self.run(self.store.upload_part_copy(&owner(), request))
    }

    pub(crate) fn list_parts(&self, upload: &Upload) -> Result<PartPage, Error> {
        let request = ListParts {
            bucket: bucket(BUCKET),
            key: key(&upload.key),
            upload_id: upload.id.clone(),
            after: 0,
            max: 10_000,
        };
        self.store.list_parts(&owner(), &request)
    }

    pub(crate) fn complete(&self, upload: &Upload, parts: &[(u64, ETag)]) -> PutOutcome {
        self.try_complete(complete(upload, parts)).expect("a plain complete succeeds")
    }

    pub(crate) fn try_complete(&self, request: CompleteUpload) -> Result<PutOutcome, Error> {
        self.run(self.store.complete_upload(&owner(), request))
    }

    pub(crate) fn abort(&self, upload: &Upload) -> Result<Aborted, Error> {
        self.run(self.store.abort_upload(&owner(), abort(upload)))
    }
}

/// The owner of the world's bucket.
pub(crate) fn owner() -> Caller {
    Caller::of(AccountId::new("mason"))
}

/// Somebody else.
pub(crate) fn stranger() -> Caller {
    Caller::of(AccountId::new("passer-by"))
}

pub(crate) fn bucket(name: &str) -> BucketName {
    BucketName::parse(name).expect("tests name buckets well")
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(name).expect("tests name keys well")
}

pub(crate) fn number(part: u64) -> PartNumber {
    PartNumber::new(part).expect("tests number parts from 1 to 10,000")
}

/// `len` bytes that look random and differ with `seed`.
pub(crate) fn bytes(len: u64, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len as usize + 8);
    while (bytes.len() as u64) < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len as usize);
    bytes
}

/// The smallest body that a part before the last may have.
pub(crate) fn part_bytes(seed: u64) -> Vec<u8> {
    bytes(PART_BYTES_MIN, seed)
}

/// A body that is there already.
pub(crate) fn incoming(body: &[u8]) -> Incoming {
    Incoming {
        body: Box::pin(FullBody::new(Bytes::copy_from_slice(body))),
        len: body.len() as u64,
        content_md5: None,
        sha256: None,
        checksum: None,
    }
}

pub(crate) fn put(name: &str, body: &[u8]) -> PutObject {
    PutObject {
        bucket: bucket(BUCKET),
        key: key(name),
        incoming: incoming(body),
        attributes: Attributes::default(),
        condition: WriteCondition::None,
    }
}

pub(crate) fn get(name: &str, span: Span) -> GetObject {
    GetObject { bucket: bucket(BUCKET), key: key(name), conditions: ReadConditions::default(), span }
}

pub(crate) fn source(name: &str) -> CopySource {
    CopySource { bucket: bucket(BUCKET), key: key(name), conditions: ReadConditions::default() }
}

pub(crate) fn copy(from: &str, to: &str) -> CopyObject {
    CopyObject {
        source: source(from),
        bucket: bucket(BUCKET),
        key: key(to),
        directive: MetadataDirective::Copy { but: &[], own: None },
        checksum: None,
        condition: WriteCondition::None,
    }
}

pub(crate) fn create(name: &str) -> CreateUpload {
    CreateUpload {
        bucket: bucket(BUCKET),
        key: key(name),
        attributes: Attributes::default(),
        checksum: None,
        checksum_type: None,
    }
}

pub(crate) fn part(upload: &Upload, part: u64, body: &[u8]) -> UploadPart {
    UploadPart {
        bucket: bucket(BUCKET),
        key: key(&upload.key),
        upload_id: upload.id.clone(),
        part: number(part),
        incoming: incoming(body),
    }
}

pub(crate) fn part_copy(from: &str, upload: &Upload, part: u64) -> UploadPartCopy {
    UploadPartCopy {
        source: source(from),
        range: None,
        bucket: bucket(BUCKET),
        key: key(&upload.key),
        upload_id: upload.id.clone(),
        part: number(part),
    }
}

pub(crate) fn complete(upload: &Upload, parts: &[(u64, ETag)]) -> CompleteUpload {
    let listed = |(part, etag): &(u64, ETag)| ListedPart {
        part: number(*part),
        etag: format!("\"{etag}\""),
        checksum: None,
    };
    CompleteUpload {
        bucket: bucket(BUCKET),
        key: key(&upload.key),
        upload_id: upload.id.clone(),
        parts: parts.iter().map(listed).collect(),
        object_size: None,
        checksum: None,
        checksum_type: None,
        condition: WriteCondition::None,
    }
}

pub(crate) fn abort(upload: &Upload) -> AbortUpload {
    AbortUpload {
        bucket: bucket(BUCKET),
        key: key(&upload.key),
        upload_id: upload.id.clone(),
        if_initiated: None,
    }
}

/// Everything that a reader has to say.
///
/// # Panics
/// When it ends with an error.
pub(crate) fn read(mut reader: ObjectReader) -> Vec<u8> {
    run(async {
        let mut body = Vec::new();
        while let Some(piece) = std::future::poll_fn(|cx| reader.poll_next(cx)).await {
            body.extend_from_slice(&piece.expect("stored bytes read back"));
        }
        body
    })
}

/// The name of the error that `outcome` was refused with.
///
/// # Panics
/// When it was not.
pub(crate) fn refusal<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    let error = format!("{:?}", outcome.expect_err("it is refused"));
    error.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// The MD5 of `bytes`, computed apart from the store.
pub(crate) fn md5(bytes: &[u8]) -> [u8; 16] {
    <md5::Md5 as md5::Digest>::digest(bytes).into()
}

/// A checksum of `bytes`, computed in one go, apart from how the store computes it.
pub(crate) fn checksum(algorithm: drystone_core::checksum::Algorithm, bytes: &[u8]) -> Checksum {
    let mut hasher = drystone_core::checksum::Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}
