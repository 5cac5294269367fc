//! Writing and reading the records of an object, of a small body and of an upload of 1,000 parts.

use std::hint::black_box;

use bytes::Bytes;
use criterion::Criterion;
use drystone_core::checksum::{Checksum, ChecksumType};
use drystone_core::data::door::{Extent, ExtentId};
use drystone_core::meta::records::{
    BodyPlace, ManifestRecord, ObjectRecord, Record, Segment, SmallBodyRecord, StoredPart,
};
use drystone_core::names::{ETag, PartNumber, Timestamp};
use drystone_core::objects::object::{Attributes, ObjectChecksum, ObjectInfo};

const KEY: &[u8] = b"key";

pub(crate) fn bench(criterion: &mut Criterion) {
    measure(criterion, "object", &object());
    let bytes = Bytes::from(vec![7; 4096]);
    measure(criterion, "small body of 4 KiB", &SmallBodyRecord { refs: 1, crc64: 7, bytes });
    measure(criterion, "manifest of 1,000 parts", &manifest());
}

fn measure<R: Record + PartialEq>(criterion: &mut Criterion, name: &str, record: &R) {
    let mut group = criterion.benchmark_group(format!("record: {name}"));
    let encoded = Bytes::from(record.encode());
    let decode = |bytes| R::decode(KEY, bytes).expect("it was written by its own code");
    assert!(decode(encoded.clone()) == *record, "a record reads back as it was");
    group.bench_function("encode", |bencher| bencher.iter(|| black_box(record).encode()));
    group.bench_function("decode", |bencher| bencher.iter(|| decode(black_box(&encoded).clone())));
    group.finish();
}

fn extent() -> Extent {
    Extent { id: ExtentId { volume: 3, offset: 1 << 30 }, len: 16 << 20, token: 0x0123_4567_89ab_cdef }
}

fn object() -> ObjectRecord {
    let attributes = [
        ("content-type", "application/octet-stream"),
        ("cache-control", "max-age=3600"),
        ("x-amz-meta-mtime", "1767323045.123456789"),
    ];
    ObjectRecord {
        sequence: 42,
        info: ObjectInfo {
            size: 16 << 20,
            etag: ETag { md5: [0xab; 16], parts: 0 },
            modified: Timestamp(1_767_323_045_000),
            attributes: Attributes(attributes.map(|(name, value)| (name.into(), value.into())).to_vec()),
            checksum: ObjectChecksum { value: Checksum::crc64(7), kind: ChecksumType::FullObject, parts: 0 },
            crc64: 7,
            parts: 0,
        },
        body: BodyPlace::One(Segment::whole(extent())),
    }
}

fn manifest() -> ManifestRecord {
    let part = |number| StoredPart {
        part: PartNumber::new(number).expect("a part's number"),
        size: 16 << 20,
        checksum: Some(Checksum::crc64(number)),
        segments: vec![Segment::whole(extent())],
    };
    ManifestRecord { parts: (1..=1_000).map(part).collect() }
}
