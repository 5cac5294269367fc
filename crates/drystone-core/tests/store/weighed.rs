//! Transactions have a bound, whatever objects and uploads consist of: the lane holds each whole in memory.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use drystone_core::checksum::{Checksum, ChecksumType, crc64};
use drystone_core::data::door::{Extent, ExtentId};
use drystone_core::meta::door::{BoxFuture, Command, Meta, MetaError, Order, Row, Tx, Verdict, View};
use drystone_core::meta::memory::MemoryMeta;
use drystone_core::meta::records::{
    BodyPlace, BucketRecord, ExtentRecord, HeldRecord, ManifestRecord, ObjectRecord, PartRecord, Place,
    Segment, StoredPart,
};
use drystone_core::meta::tables;
use drystone_core::names::{ETag, UploadId};
use drystone_core::objects::delete::{DeleteObjects, DeleteTarget};
use drystone_core::objects::object::{Attributes, ObjectChecksum, ObjectInfo};
use drystone_core::reclaim::ownership::SEGMENTS_MAX;
use parking_lot::Mutex;

use drystone_sim::clock::MORNING;

use crate::world::{BUCKET, Upload, World, bucket, bytes, complete, key, number, owner, part_copy};

/// Rows that one transaction may write: 64 MiB at the 420 bytes that each costs on its way to the disk.
const ROWS_MAX: usize = 64 * 1024 * 1024 / 420;

/// As many segments as a completed upload of uploaded parts has.
const MANY: u64 = 10_000;

/// Metadata in memory that counts the rows that each transaction writes.
#[derive(Default)]
pub(crate) struct WeighingMeta {
    inner: MemoryMeta,
    rows: Arc<Mutex<Vec<usize>>>,
}

impl Meta for WeighingMeta {
    fn snapshot(&self) -> Box<dyn View + Send + '_> {
        self.inner.snapshot()
    }

    fn submit(&self, command: Box<dyn Command>) -> BoxFuture<'_, ()> {
        self.inner.submit(Box::new(Weighed { command, rows: Arc::clone(&self.rows) }))
    }
}

impl WeighingMeta {
    /// Rows of each transaction since the last call.
    fn weights(&self) -> Vec<usize> {
        std::mem::take(&mut self.rows.lock())
    }
}

struct Weighed {
    command: Box<dyn Command>,
    rows: Arc<Mutex<Vec<usize>>>,
}

impl Command for Weighed {
    fn run(&mut self, tx: &mut dyn Tx) -> Verdict {
        let mut scales = Scales { tx, rows: 0 };
        let verdict = self.command.run(&mut scales);
        self.rows.lock().push(scales.rows);
        verdict
    }

    fn settle(self: Box<Self>, outcome: Result<(), MetaError>) {
        self.command.settle(outcome);
    }
}

struct Scales<'t> {
    tx: &'t mut dyn Tx,
    rows: usize,
}

impl View for Scales<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, MetaError> {
        self.tx.get(key)
    }

    fn scan<'v>(
        &'v self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
    ) -> Box<dyn Iterator<Item = Row> + 'v> {
        self.tx.scan(range, order)
    }
}

impl Tx for Scales<'_> {
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.rows += 1;
        self.tx.put(key, value);
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.rows += 1;
        self.tx.delete(key);
    }
}

/// A world whose transactions are weighed.
fn weighed() -> (World, Arc<WeighingMeta>) {
    let meta = Arc::new(WeighingMeta::default());
    (World::over_meta(meta.clone()), meta)
}

/// An extent of one byte of its own, whose bytes nobody ever wrote: nothing here reads them.
fn phantom(number: u64) -> Extent {
    Extent { id: ExtentId { volume: 1 << 40, offset: number * 4096 }, len: 1, token: number }
}

fn own(tx: &mut dyn Tx, extent: Extent) -> Segment {
    let record = ExtentRecord { len: extent.len, token: extent.token, refs: 1 };
    tables::save(tx, tables::extent(extent.id), &record);
    Segment::whole(extent)
}

fn bucket_id(tx: &dyn Tx) -> Result<u64, MetaError> {
    let record: Option<BucketRecord> = tables::load(tx, &tables::bucket(&bucket(BUCKET)))?;
    Ok(record.expect("every world has it").id)
}

/// Puts an object of `segments` behind the store's back.
fn put_object(tx: &mut dyn Tx, name: &str, segments: &[Segment], crc64: u64) -> Result<(), MetaError> {
    let bucket = bucket_id(tx)?;
    let parts: Vec<StoredPart> = (1..)
        .zip(segments.chunks(segments.len().div_ceil(MANY as usize)))
        .map(|(part, segments)| StoredPart {
            part: number(part),
            size: segments.iter().map(|segment| segment.len).sum(),
            checksum: None,
            segments: segments.to_vec(),
        })
        .collect();
    let (id, sequence) = (tables::next_number(tx)?, tables::next_number(tx)?);
    let (size, count) = (segments.iter().map(|segment| segment.len).sum(), parts.len() as u16);
    let info = ObjectInfo {
        size,
        etag: ETag { md5: [7; 16], parts: count },
        modified: MORNING,
        attributes: Attributes::default(),
        checksum: ObjectChecksum { value: Checksum::crc64(crc64), kind: ChecksumType::FullObject, parts: 0 },
        crc64,
        parts: count,
    };
    tables::save(tx, tables::manifest(id), &ManifestRecord { parts });
    let object = ObjectRecord { sequence, info, body: BodyPlace::Manifest(id) };
    tables::save(tx, tables::current(bucket, name), &object);
    tables::change_usage(tx, bucket, |usage| {
        usage.objects += 1;
        usage.bytes += size;
    })
}

/// Adds a part of `segments` to an upload behind the store's back.
fn add_part(tx: &mut dyn Tx, upload: &Upload, part: u64, segments: Vec<Segment>) -> Result<(), MetaError> {
    let bucket = bucket_id(tx)?;
    let id = UploadId::parse(&upload.id).expect("the store made it");
    let size = segments.iter().map(|segment| segment.len).sum();
    let mut held: HeldRecord = tables::load(tx, &tables::held(&id))?.expect("an upload has it");
    held.parts += 1;
    held.bytes += size;
    held.segments += segments.len() as u32;
    tables::save(tx, tables::held(&id), &held);
    let part_record =
        PartRecord { size, md5: [7; 16], crc64: 0, checksum: None, modified: MORNING, segments };
    tables::save(tx, tables::part(&id, number(part)), &part_record);
    tables::change_usage(tx, bucket, |usage| {
        usage.parts += 1;
        usage.held_bytes += size;
    })
}

/// Adds parts with as many segments as an upload may have, each an extent of its own from `first` on.
fn fill(world: &World, upload: &Upload, first: u64) {
    let upload = upload.clone();
    world.damage(move |tx| {
        let mut left = SEGMENTS_MAX as u64;
        for part in 1..=MANY {
            // Many in the first parts, and one in each of the others.
            let count = 100.min(left - (MANY - part));
            let segments = (0..count).map(|n| own(tx, phantom(first + left - 1 - n))).collect();
            left -= count;
            add_part(tx, &upload, part, segments).expect("memory takes every row");
        }
        assert_eq!(left, 0);
    });
}

#[test]
fn deleting_many_objects_of_many_parts_takes_several_transactions() {
    let (world, meta) = weighed();
    let names: Vec<String> = (0..20).map(|n| format!("wall/{n:02}")).collect();
    for (index, name) in (0..).zip(names.clone()) {
        world.damage(move |tx| {
            let first = index * MANY;
            let segments: Vec<_> = (first..first + MANY).map(|n| own(tx, phantom(n))).collect();
            put_object(tx, &name, &segments, 0).expect("memory takes every row");
        });
    }
    meta.weights();
    let missing = DeleteTarget { key: key("wall/none"), if_match: None };
    let objects = names.iter().map(|name| DeleteTarget { key: key(name), if_match: None });
    let request = DeleteObjects { bucket: bucket(BUCKET), objects: objects.chain([missing]).collect() };
    let outcomes = world.run(world.store.delete_objects(&owner(), request)).expect("it is asked well");
    assert_eq!(outcomes.len(), 21);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let weights = meta.weights();
    assert!(weights.len() > 5, "{weights:?}");
    assert!(weights.iter().all(|rows| *rows <= ROWS_MAX), "{weights:?}");
    // At its end the world proves that nothing is left.
}

#[test]
fn the_largest_abort_complete_and_bucket_delete_fit_into_memory() {
    let (world, meta) = weighed();
    let (aborted, completed, forgotten) =
        (world.create_upload("wall"), world.create_upload("wall"), world.create_upload("wall"));
    for (upload, first) in [(&aborted, 0), (&completed, 1 << 20), (&forgotten, 2 << 20)] {
        fill(&world, upload, first);
    }
    // What the completed upload replaces is as large as an object can be.
    world.damage(move |tx| {
        let segments: Vec<_> = (0..SEGMENTS_MAX as u64).map(|n| own(tx, phantom((3 << 20) + n))).collect();
        put_object(tx, "wall", &segments, 0).expect("memory takes every row");
    });
    meta.weights();
    world.abort(&aborted).unwrap();
    let last = complete(&completed, &[(1, ETag { md5: [7; 16], parts: 0 })]);
    world.try_complete(last).unwrap();
    let weights = meta.weights();
    assert!(
        weights.iter().any(|rows| *rows > 4 * SEGMENTS_MAX - 500),
        "the completion has its most: {weights:?}"
    );
    assert!(weights.iter().all(|rows| *rows <= ROWS_MAX), "{weights:?}");
    world.delete("wall");
    world.delete_bucket(BUCKET).unwrap();
    world.settle();
    let weights = meta.weights();
    assert!(weights.iter().all(|rows| *rows <= ROWS_MAX), "{weights:?}");
}

#[test]
fn copies_cannot_give_an_upload_more_segments_than_one_transaction_releases() {
    let (world, _) = weighed();
    let body = bytes(MANY, 1);
    world.put("stone", &body);
    // An object of 10,000 parts of one byte each, all in the extent of "stone".
    let (crc, size) = (crc64(&body), MANY);
    world.damage(move |tx| {
        let bucket = bucket_id(tx).expect("memory answers");
        let stone: Option<ObjectRecord> =
            tables::load(tx, &tables::current(bucket, "stone")).expect("it reads");
        let BodyPlace::One(Segment { place: Place::Extent(extent), .. }) = stone.expect("it is there").body
        else {
            panic!("it is not small")
        };
        let owned = ExtentRecord { len: extent.len, token: extent.token, refs: 1 + size as u32 };
        tables::save(tx, tables::extent(extent.id), &owned);
        let segment = |skip| Segment { place: Place::Extent(extent), skip, len: 1 };
        let segments: Vec<_> = (0..size).map(segment).collect();
        put_object(tx, "pieces", &segments, crc).expect("memory takes every row");
    });
    let upload = world.create_upload("wall");
    for part in 1..=3 {
        world.try_part_copy(part_copy("pieces", &upload, part)).unwrap();
    }
    let refused = world.try_part_copy(part_copy("pieces", &upload, 4)).unwrap_err().to_string();
    assert!(refused.contains("40000 pieces") && refused.contains("32768"), "{refused}");
    // In the place of one that is there it fits, and others still do.
    world.try_part_copy(part_copy("pieces", &upload, 3)).unwrap();
    world.part(&upload, 4, &bytes(10, 2));
    assert_eq!(world.list_parts(&upload).unwrap().parts.len(), 4);
    assert_eq!(world.verify().parts, 4);
}
