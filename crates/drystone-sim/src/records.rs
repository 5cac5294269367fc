//! Any bytes as rows: what a fuzzer, and the corpus it left behind, feed to the readers of records.
//!
//! Promises: no bytes make a reader panic; whatever is read from bytes is written as the same bytes,
//! so that each record has one form; whatever record a caller can build is read back as it was; and
//! the same holds for the keys of rows.

use std::fmt::Debug;

use bytes::Bytes;
use drystone_core::abort_jobs::job::{Counts, JobId, State};
use drystone_core::abort_jobs::selection::{Age, Conditions};
use drystone_core::checksum::{Algorithm, Checksum, ChecksumType};
use drystone_core::data::door::{Extent, ExtentId};
use drystone_core::lifecycle::rules::{AbortAfter, Rule, Rules, Status};
use drystone_core::meta::records::{
    AbortBucketRecord, AbortJobRecord, AbortSelectionRecord, BodyPlace, BucketRecord, CompletionRecord,
    CountersRecord, ExtentRecord, FreedRecord, HeldRecord, LifecycleRecord, ManifestRecord, ObjectRecord,
    PartRecord, Place, Record, ScrubRecord, Segment, SmallBodyRecord, StoredPart, UploadIndexRecord,
    UploadRecord, UsageRecord,
};
use drystone_core::meta::tables;
use drystone_core::names::{AccountId, BucketName, ETag, PartNumber, Timestamp, UploadId};
use drystone_core::objects::object::{Attributes, ObjectChecksum, ObjectInfo};

/// Which record, then either its bytes or what to build it from.
///
/// # Panics
/// When a promise of records does not hold.
pub fn records(data: &[u8]) {
    let mut from = Draws(data);
    match from.byte() {
        0 => every_kind(from.0),
        1 => keys(&mut from),
        kind => built(kind, &mut from),
    }
}

/// The same bytes as each kind of record.
fn every_kind(value: &[u8]) {
    one_form::<BucketRecord>(value);
    one_form::<ObjectRecord>(value);
    one_form::<ManifestRecord>(value);
    one_form::<SmallBodyRecord>(value);
    one_form::<UploadRecord>(value);
    one_form::<UploadIndexRecord>(value);
    one_form::<HeldRecord>(value);
    one_form::<PartRecord>(value);
    one_form::<CompletionRecord>(value);
    one_form::<ExtentRecord>(value);
    one_form::<FreedRecord>(value);
    one_form::<UsageRecord>(value);
    one_form::<CountersRecord>(value);
    one_form::<ScrubRecord>(value);
    one_form::<LifecycleRecord>(value);
    one_form::<AbortJobRecord>(value);
    one_form::<AbortSelectionRecord>(value);
    one_form::<AbortBucketRecord>(value);
}

fn one_form<R: Record + PartialEq + Debug>(value: &[u8]) {
    if let Ok(record) = R::decode(b"row", Bytes::copy_from_slice(value)) {
        // A record of an older version is written in the newest.
        if value.get(2) == Some(&R::VERSION) {
            assert_eq!(record.encode(), value, "{record:?} has two forms");
        }
        reads_back(&record);
    }
}

fn reads_back<R: Record + PartialEq + Debug>(record: &R) {
    let again = R::decode(b"row", record.encode().into());
    assert_eq!(again.ok().as_ref(), Some(record));
}

/// A record of the kind `kind`, built from draws.
fn built(kind: u8, from: &mut Draws<'_>) {
    match kind % 18 {
        0 => reads_back(&BucketRecord {
            id: from.u64(),
            owner: AccountId::new(from.text()),
            created: from.time(),
            // No region has no name.
            region: Some(from.text()).filter(|region| !region.is_empty()).map(Into::into),
            lifecycle_rules: from.maybe(|from| from.u16() % 1_001),
        }),
        1 => reads_back(&ObjectRecord { sequence: from.u64(), info: from.info(), body: from.body() }),
        2 => reads_back(&ManifestRecord { parts: from.several(Draws::stored_part) }),
        3 => reads_back(&SmallBodyRecord {
            refs: from.u32(),
            crc64: from.u64(),
            bytes: Bytes::copy_from_slice(from.some()),
        }),
        4 => reads_back(&UploadRecord {
            initiated: from.time(),
            initiator: AccountId::new(from.text()),
            algorithm: from.maybe(Draws::algorithm),
            kind: from.checksum_type(),
            attributes: from.attributes(),
        }),
        5 => reads_back(&UploadIndexRecord { bucket: from.u64(), key: from.text().into() }),
        6 => reads_back(&HeldRecord {
            parts: from.u32(),
            bytes: from.u64(),
            segments: from.u32(),
            last_activity: from.time(),
        }),
        7 => reads_back(&PartRecord {
            size: from.u64(),
            md5: from.array(),
            crc64: from.u64(),
            checksum: from.maybe(Draws::checksum),
            modified: from.time(),
            segments: from.several(Draws::segment),
        }),
        8 => reads_back(&CompletionRecord {
            bucket: from.u64(),
            key: from.text().into(),
            parts_sha256: from.array(),
            completed: from.time(),
            info: from.info(),
        }),
        9 => reads_back(&ExtentRecord { len: from.u64(), token: from.u64(), refs: from.u32() }),
        10 => reads_back(&FreedRecord { len: from.u64() }),
        11 => reads_back(&UsageRecord {
            objects: from.u64(),
            bytes: from.u64(),
            uploads: from.u64(),
            parts: from.u64(),
            held_bytes: from.u64(),
        }),
        12 => reads_back(&CountersRecord { last: from.u64(), latest: from.time() }),
        13 => reads_back(&LifecycleRecord { rules: from.rules() }),
        14 => reads_back(&AbortJobRecord {
            state: from.state(),
            started: from.time(),
            finished: from.time(),
            planned: from.counts(),
            aborted: from.counts(),
            failed: from.u64(),
            last_error: from.text().into(),
            bucket: from.u64(),
            position: Bytes::copy_from_slice(from.some()),
        }),
        15 => reads_back(&AbortSelectionRecord {
            owner: AccountId::new(from.text()),
            created: from.time(),
            age: if from.byte().is_multiple_of(2) { Age::CutOff } else { Age::All },
            conditions: Conditions {
                prefix: from.text().into(),
                up_to: from.u64(),
                initiated_before: from.maybe(Draws::time),
                idle_since_before: from.maybe(Draws::time),
                min_bytes: from.u64(),
                // No initiator has no name.
                initiator: Some(from.text()).filter(|id| !id.is_empty()).map(AccountId::new),
            },
            buckets: from.several(Draws::bucket),
        }),
        16 => reads_back(&AbortBucketRecord {
            name: from.bucket(),
            planned: from.counts(),
            aborted: from.counts(),
        }),
        _ => reads_back(&ScrubRecord {
            started: from.time(),
            finished: from.time(),
            checked: from.u64(),
            damaged: from.u64(),
            offset: from.u64(),
            position: Bytes::copy_from_slice(from.some()),
        }),
    }
}

/// Keys of rows: any bytes, and keys that were built.
fn keys(from: &mut Draws<'_>) {
    let (bucket, id, key) = (from.u64(), UploadId::from_bytes(from.array()), from.text());
    let (number, place) = (from.part_number(), from.extent().id);
    let upload = tables::upload(bucket, &key, &id);
    assert_eq!(tables::read_upload_key(&upload).ok(), Some((key, id)));
    assert_eq!(tables::read_part_key(&tables::part(&id, number)).ok(), Some(number));
    assert_eq!(tables::read_upload_id(&tables::upload_by_age(&id)).ok(), Some(id));
    for row in [tables::extent(place), tables::reclaim(place)] {
        assert_eq!(tables::read_extent_key(&row).ok(), Some(place));
    }
    let in_bucket = tables::abort_bucket(JobId(bucket), place.offset);
    assert_eq!(tables::read_abort_bucket_key(&in_bucket).ok(), Some((JobId(bucket), place.offset)));
    let bytes = from.0;
    if let Ok((key, id)) = tables::read_upload_key(bytes) {
        // Table and bucket stand before what is read.
        let again = tables::upload(0, &key, &id);
        assert_eq!(again.get(9..), bytes.get(9..), "one upload has two keys");
    }
    let _ = (tables::read_part_key(bytes), tables::read_upload_id(bytes));
    let _ = (tables::read_extent_key(bytes), tables::read_number_key(bytes));
}

/// Values drawn from bytes; zeros when they are over.
struct Draws<'d>(&'d [u8]);

impl<'d> Draws<'d> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    fn some(&mut self) -> &'d [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.some()).into_owned()
    }

    fn time(&mut self) -> Timestamp {
        Timestamp(self.u64())
    }

    fn bucket(&mut self) -> BucketName {
        BucketName::parse(&format!("bucket-{}", self.u16())).expect("letters, a hyphen and digits")
    }

    fn state(&mut self) -> State {
        match self.byte() % 5 {
            0 => State::Previewed,
            1 => State::Running,
            2 => State::Done,
            3 => State::Cancelled,
            _ => State::Failed,
        }
    }

    fn counts(&mut self) -> Counts {
        Counts { uploads: self.u64(), parts: self.u64(), bytes: self.u64() }
    }

    /// An enabled rule and a disabled one, which nobody can shadow.
    fn rules(&mut self) -> Rules {
        let rule = |from: &mut Self, id: &str, status| Rule {
            id: id.into(),
            status,
            prefix: from.text().into(),
            abort_after: match from.byte() % 3 {
                0 => AbortAfter::Days(from.u32()),
                1 => AbortAfter::Hours(from.u32()),
                _ => AbortAfter::IdleHours(from.u32()),
            },
        };
        let rules = vec![rule(self, "first", Status::Enabled), rule(self, "second", Status::Disabled)];
        Rules::new(rules).expect("one rule is enabled, and their ids differ")
    }

    fn maybe<T>(&mut self, draw: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.byte() % 2 == 1).then(|| draw(self))
    }

    fn several<T>(&mut self, draw: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.byte() % 5).map(|_| draw(self)).collect()
    }

    fn algorithm(&mut self) -> Algorithm {
        let number = usize::from(self.byte()) % Algorithm::ALL.len();
        Algorithm::ALL.into_iter().nth(number).expect("the number is below their count")
    }

    fn checksum(&mut self) -> Checksum {
        let algorithm = self.algorithm();
        let value: [u8; 32] = self.array();
        let value = value.get(..algorithm.size()).expect("no checksum is longer than 32 bytes");
        Checksum::new(algorithm, value).expect("the length is the algorithm's")
    }

    fn checksum_type(&mut self) -> ChecksumType {
        if self.byte().is_multiple_of(2) { ChecksumType::FullObject } else { ChecksumType::Composite }
    }

    fn attributes(&mut self) -> Attributes {
        Attributes(self.several(|from| (from.text().into(), from.text().into())))
    }

    fn part_number(&mut self) -> PartNumber {
        PartNumber::new(u64::from(self.u16() % 10_000) + 1).expect("1 to 10,000")
    }

    fn info(&mut self) -> ObjectInfo {
        ObjectInfo {
            size: self.u64(),
            etag: ETag { md5: self.array(), parts: self.u16() },
            modified: self.time(),
            attributes: self.attributes(),
            checksum: ObjectChecksum {
                value: self.checksum(),
                kind: self.checksum_type(),
                parts: self.u16(),
            },
            crc64: self.u64(),
            parts: self.u16(),
        }
    }

    fn extent(&mut self) -> Extent {
        let id = ExtentId { volume: self.u64(), offset: self.u64() };
        Extent { id, len: self.u64(), token: self.u64() }
    }

    fn segment(&mut self) -> Segment {
        let place =
            if self.byte().is_multiple_of(2) { Place::Row(self.u64()) } else { Place::Extent(self.extent()) };
        Segment { place, skip: self.u64(), len: self.u64() }
    }

    fn stored_part(&mut self) -> StoredPart {
        StoredPart {
            part: self.part_number(),
            size: self.u64(),
            checksum: self.maybe(Draws::checksum),
            segments: self.several(Draws::segment),
        }
    }

    fn body(&mut self) -> BodyPlace {
        match self.byte() % 3 {
            0 => BodyPlace::Empty,
            1 => BodyPlace::One(self.segment()),
            _ => BodyPlace::Manifest(self.u64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_corpus_of_records_holds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/records");
        let mut cases = 0;
        for entry in fs::read_dir(&folder).expect("the corpus is in the repository") {
            let bytes = fs::read(entry.expect("a listed file").path()).expect("a readable file");
            records(&bytes);
            records(bytes.get(..bytes.len() / 2).unwrap_or_default());
            cases += 1;
        }
        assert!(cases >= 10, "{} holds {cases} cases only", folder.display());
    }
}
