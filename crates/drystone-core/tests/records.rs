//! Golden records: the bytes of every record version that was ever written read back for ever.
//!
//! Each file in `golden/` is one record in hexadecimal, as `docs/format.md` describes it. A file is
//! never changed: a new version of a record gets a file of its own beside the old one. Damaged records
//! are refused, never guessed at.

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use bytes::Bytes;
    use drystone_core::abort_jobs::job::{Counts, State};
    use drystone_core::abort_jobs::selection::{Age, Conditions};
    use drystone_core::checksum::{Algorithm, Checksum, ChecksumType, Hasher};
    use drystone_core::data::door::{Extent, ExtentId};
    use drystone_core::lifecycle::rules::{AbortAfter, Rule, Rules, Status};
    use drystone_core::meta::door::MetaError;
    use drystone_core::meta::records::{
        AbortBucketRecord, AbortJobRecord, AbortSelectionRecord, BodyPlace, BucketRecord, CompletionRecord,
        CountersRecord, ExtentRecord, FreedRecord, HeldRecord, LifecycleRecord, ManifestRecord, ObjectRecord,
        PartRecord, Place, Record, ScrubRecord, Segment, SmallBodyRecord, StoredPart, UploadIndexRecord,
        UploadRecord, UsageRecord,
    };
    use drystone_core::names::{AccountId, BucketName, ETag, PartNumber, Timestamp};
    use drystone_core::objects::object::{Attributes, ObjectChecksum, ObjectInfo};
    use proptest::prelude::any;
    use proptest::proptest;

    const MORNING: Timestamp = Timestamp(1_795_420_800_000);

    /// The bytes that a golden file shows.
    fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.chars().filter_map(|c| c.to_digit(16)).map(|digit| u8::try_from(digit).unwrap()).collect();
        digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn decode<R: Record>(value: &[u8]) -> Result<R, MetaError> {
        R::decode(b"row", Bytes::copy_from_slice(value))
    }

    fn why<R: Record + Debug>(value: &[u8]) -> &'static str {
        match decode::<R>(value) {
            Err(MetaError::Corrupt { why, .. }) => why,
            other => panic!("{value:02x?} is refused as damaged, not {other:?}"),
        }
    }

    /// `record` is what `golden` holds, in both directions.
    fn check<R: Record + PartialEq + Debug>(record: &R, golden: &str) {
        let golden = unhex(golden);
        assert_eq!(record.encode(), golden, "it is written as it always was");
        assert_eq!(decode::<R>(&golden).unwrap(), *record, "and read as it was written");
        for kept in 0..HEADER {
            why::<R>(&golden[..kept]);
        }
        let marked = [b"??", &golden[2..]].concat();
        assert_eq!(why::<R>(&marked), "it has another record's marker");
        for version in [0, R::VERSION + 1, 255] {
            let mut other = golden.clone();
            other[2] = version;
            assert!(why::<R>(&other).contains("version"), "version {version}");
        }
    }

    /// As [`check`], for records that know their length.
    fn check_exact<R: Record + PartialEq + Debug>(record: &R, golden: &str) {
        check(record, golden);
        let golden = unhex(golden);
        for kept in 0..golden.len() {
            why::<R>(&golden[..kept]);
        }
        let longer = [golden.as_slice(), &[0]].concat();
        assert_eq!(why::<R>(&longer), "it is too long");
    }

    /// Marker and version.
    const HEADER: usize = 3;

    fn checksum(algorithm: Algorithm) -> Checksum {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(b"123456789");
        hasher.finish()
    }

    fn attributes() -> Attributes {
        let pairs =
            [("content-type", "text/plain"), ("x-amz-meta-colour", "gr\u{fc}n"), ("x-amz-meta-none", "")];
        Attributes(pairs.map(|(name, value)| (name.into(), value.into())).into())
    }

    fn extent(volume: u64) -> Extent {
        Extent { id: ExtentId { volume, offset: 0x4000 }, len: 5 << 20, token: 0x0123_4567_89ab_cdef }
    }

    fn info() -> ObjectInfo {
        ObjectInfo {
            size: 100,
            etag: ETag { md5: *b"0123456789abcdef", parts: 0 },
            modified: MORNING,
            attributes: attributes(),
            checksum: ObjectChecksum {
                value: checksum(Algorithm::Sha256),
                kind: ChecksumType::FullObject,
                parts: 0,
            },
            crc64: 0xae8b_1486_0a79_9888,
            parts: 0,
        }
    }

    fn multipart_info() -> ObjectInfo {
        ObjectInfo {
            size: (5 << 20) + 9,
            etag: ETag { md5: *b"0123456789abcdef", parts: 2 },
            modified: MORNING,
            attributes: Attributes::default(),
            checksum: ObjectChecksum {
                value: checksum(Algorithm::Crc32c),
                kind: ChecksumType::Composite,
                parts: 2,
            },
            crc64: 0xae8b_1486_0a79_9888,
            parts: 2,
        }
    }

    #[test]
    fn buckets() {
        let record = BucketRecord {
            id: 7,
            owner: AccountId::new("mason"),
            created: MORNING,
            region: Some("eu-central-1".into()),
            lifecycle_rules: Some(3),
        };
        check_exact(&record, include_str!("golden/bucket.v2.hex"));
        let older = decode::<BucketRecord>(&unhex(include_str!("golden/bucket.v1.hex"))).unwrap();
        let unknown = BucketRecord { lifecycle_rules: None, ..record };
        assert_eq!(older, unknown, "the first version did not say how many rules there are");
        let record = BucketRecord { region: None, ..unknown };
        check_exact(&record, include_str!("golden/bucket-default-region.v2.hex"));
        let older = decode::<BucketRecord>(&unhex(include_str!("golden/bucket-default-region.v1.hex")));
        assert_eq!(older.unwrap(), record);
    }

    #[test]
    fn objects() {
        let record = ObjectRecord { sequence: 42, info: info(), body: BodyPlace::Empty };
        check_exact(&record, include_str!("golden/object-empty.v1.hex"));
        let small = Segment { place: Place::Row(41), skip: 3, len: 97 };
        let record = ObjectRecord { body: BodyPlace::One(small), ..record };
        check_exact(&record, include_str!("golden/object-small.v1.hex"));
        let record = ObjectRecord { body: BodyPlace::One(Segment::whole(extent(3))), ..record };
        check_exact(&record, include_str!("golden/object-extent.v1.hex"));
        let record = ObjectRecord { sequence: 43, info: multipart_info(), body: BodyPlace::Manifest(40) };
        check_exact(&record, include_str!("golden/object-multipart.v1.hex"));
    }

    #[test]
    fn every_checksum_algorithm() {
        for algorithm in Algorithm::ALL {
            let checksum =
                ObjectChecksum { value: checksum(algorithm), kind: ChecksumType::FullObject, parts: 0 };
            let info = ObjectInfo { checksum, attributes: Attributes::default(), ..info() };
            let record = ObjectRecord { sequence: 1, info, body: BodyPlace::Empty };
            let golden = match algorithm {
                Algorithm::Crc32 => include_str!("golden/object-crc32.v1.hex"),
                Algorithm::Crc32c => include_str!("golden/object-crc32c.v1.hex"),
                Algorithm::Crc64Nvme => include_str!("golden/object-crc64nvme.v1.hex"),
                Algorithm::Sha1 => include_str!("golden/object-sha1.v1.hex"),
                Algorithm::Sha256 => include_str!("golden/object-sha256.v1.hex"),
            };
            check_exact(&record, golden);
        }
    }

    #[test]
    fn manifests() {
        let row = Segment { place: Place::Row(41), skip: 0, len: 4 };
        let cut = Segment { place: Place::Extent(extent(4)), skip: 1000, len: 5 };
        let part = |number, size, checksum, segments| StoredPart {
            part: PartNumber::new(number).unwrap(),
            size,
            checksum,
            segments,
        };
        let record = ManifestRecord {
            parts: vec![
                part(1, 5 << 20, Some(checksum(Algorithm::Crc32c)), vec![Segment::whole(extent(3))]),
                part(10_000, 9, None, vec![row, cut]),
            ],
        };
        check_exact(&record, include_str!("golden/manifest.v1.hex"));
    }

    #[test]
    fn small_bodies() {
        // The body is the rest of the record: what is missing of it shows in its checksum.
        let record = SmallBodyRecord {
            refs: 2,
            crc64: 0xae8b_1486_0a79_9888,
            bytes: Bytes::from_static(b"123456789"),
        };
        check(&record, include_str!("golden/small-body.v1.hex"));
    }

    #[test]
    fn uploads() {
        let record = UploadRecord {
            initiated: MORNING,
            initiator: AccountId::new("mason"),
            algorithm: Some(Algorithm::Sha1),
            kind: ChecksumType::Composite,
            attributes: attributes(),
        };
        check_exact(&record, include_str!("golden/upload.v1.hex"));
        let record = UploadRecord { algorithm: None, kind: ChecksumType::FullObject, ..record };
        check_exact(&record, include_str!("golden/upload-default-checksum.v1.hex"));
        let record = UploadIndexRecord { bucket: 7, key: "wall/\u{0}\u{1}\u{fc}".into() };
        check_exact(&record, include_str!("golden/upload-index.v1.hex"));
        let record = HeldRecord { parts: 3, bytes: 15 << 20, segments: 7, last_activity: MORNING };
        check_exact(&record, include_str!("golden/held.v2.hex"));
        let older = decode::<HeldRecord>(&unhex(include_str!("golden/held.v1.hex"))).unwrap();
        assert_eq!(older, HeldRecord { segments: 3, ..record }, "the first version did not count segments");
    }

    #[test]
    fn parts() {
        let record = PartRecord {
            size: 5 << 20,
            md5: *b"0123456789abcdef",
            crc64: 0xae8b_1486_0a79_9888,
            checksum: Some(checksum(Algorithm::Crc32)),
            modified: MORNING,
            segments: vec![Segment::whole(extent(3))],
        };
        check_exact(&record, include_str!("golden/part.v1.hex"));
        let record = PartRecord { size: 0, checksum: None, segments: Vec::new(), ..record };
        check_exact(&record, include_str!("golden/part-empty.v1.hex"));
    }

    #[test]
    fn completions() {
        let record = CompletionRecord {
            bucket: 7,
            key: "wall".into(),
            parts_sha256: *b"0123456789abcdef0123456789abcdef",
            completed: MORNING,
            info: multipart_info(),
        };
        check_exact(&record, include_str!("golden/completion.v1.hex"));
    }

    #[test]
    fn extents() {
        let record = ExtentRecord { len: 5 << 20, token: 0x0123_4567_89ab_cdef, refs: 2 };
        check_exact(&record, include_str!("golden/extent.v1.hex"));
        check_exact(&FreedRecord { len: 5 << 20 }, include_str!("golden/freed.v1.hex"));
    }

    #[test]
    fn counters() {
        let record = UsageRecord { objects: 1, bytes: 2, uploads: 3, parts: 4, held_bytes: 5 };
        check_exact(&record, include_str!("golden/usage.v1.hex"));
        let record = CountersRecord { last: 42, latest: MORNING };
        check_exact(&record, include_str!("golden/counters.v1.hex"));
    }

    #[test]
    fn lifecycle_rules() {
        let rule = |id: &str, status, prefix: &str, abort_after| Rule {
            id: id.into(),
            status,
            prefix: prefix.into(),
            abort_after,
        };
        let rules = vec![
            rule("all", Status::Enabled, "", AbortAfter::Days(7)),
            rule("logs", Status::Disabled, "logs/", AbortAfter::Hours(36)),
            rule("idle", Status::Enabled, "wall/", AbortAfter::IdleHours(6)),
        ];
        let record = LifecycleRecord { rules: Rules::new(rules).unwrap() };
        check_exact(&record, include_str!("golden/lifecycle.v1.hex"));
        let golden = unhex(include_str!("golden/lifecycle.v1.hex"));
        let status = HEADER + 2 + 4 + "all".len();
        for (at, why_not) in [
            (status, "a rule in it is neither enabled nor disabled"),
            (status + 1 + 4, "a rule in it has an unknown action"),
        ] {
            let mut bytes = golden.clone();
            bytes[at] = 9;
            assert_eq!(why::<LifecycleRecord>(&bytes), why_not);
        }
    }

    #[test]
    fn abort_jobs() {
        let planned = Counts { uploads: 3, parts: 7, bytes: 35 << 20 };
        let aborted = Counts { uploads: 1, parts: 2, bytes: 10 << 20 };
        let record = AbortJobRecord {
            state: State::Running,
            started: MORNING,
            finished: Timestamp(0),
            planned,
            aborted,
            failed: 1,
            last_error: "upload 0 of wall".into(),
            bucket: 7,
            position: Bytes::from_static(b"\x30\0\0\0\0\0\0\0\x07wall"),
        };
        check_exact(&record, include_str!("golden/abort-job.v1.hex"));
        let mut unknown = unhex(include_str!("golden/abort-job.v1.hex"));
        unknown[HEADER] = 9;
        assert_eq!(why::<AbortJobRecord>(&unknown), "it is in an unknown state");
        let conditions = Conditions {
            prefix: "wall/".into(),
            up_to: 42,
            initiated_before: Some(MORNING),
            idle_since_before: Some(Timestamp(MORNING.0 - 1)),
            min_bytes: 5 << 20,
            initiator: Some(AccountId::new("mason")),
        };
        let record = AbortSelectionRecord {
            owner: AccountId::new("root"),
            created: MORNING,
            age: Age::CutOff,
            conditions,
            buckets: vec![BucketName::parse("quarry").unwrap()],
        };
        check_exact(&record, include_str!("golden/abort-selection.v1.hex"));
        let conditions = Conditions {
            prefix: "".into(),
            up_to: 43,
            initiated_before: None,
            idle_since_before: None,
            min_bytes: 0,
            initiator: None,
        };
        let record = AbortSelectionRecord { age: Age::All, conditions, buckets: Vec::new(), ..record };
        check_exact(&record, include_str!("golden/abort-selection-all.v1.hex"));
        let record = AbortBucketRecord { name: BucketName::parse("quarry").unwrap(), planned, aborted };
        check_exact(&record, include_str!("golden/abort-bucket.v1.hex"));
        let mut nameless = unhex(include_str!("golden/abort-bucket.v1.hex"));
        nameless[HEADER + 4] = b'Q';
        assert_eq!(why::<AbortBucketRecord>(&nameless), "a name in it is not a bucket's");
    }

    #[test]
    fn the_scrubs_place() {
        let record = ScrubRecord {
            started: MORNING,
            finished: Timestamp(0),
            checked: 5 << 20,
            damaged: 2,
            offset: 3 << 20,
            position: Bytes::from_static(b"\x20\0\0\0\0\0\0\0\x07wall"),
        };
        check(&record, include_str!("golden/scrub.v1.hex"));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let damage = |golden: &str, at: usize, byte: u8| {
            let mut bytes = unhex(golden);
            bytes[at] = byte;
            bytes
        };
        let upload = include_str!("golden/upload-default-checksum.v1.hex");
        // After header, time, length and name of the initiator: algorithm, then type.
        let algorithm = HEADER + 8 + 4 + "mason".len();
        assert_eq!(
            why::<UploadRecord>(&damage(upload, algorithm, 6)),
            "it has an unknown checksum algorithm"
        );
        assert_eq!(why::<UploadRecord>(&damage(upload, algorithm + 1, 3)), "a checksum has an unknown type");
        let manifest = include_str!("golden/manifest.v1.hex");
        // After header and count: the first part's number.
        assert_eq!(
            why::<ManifestRecord>(&damage(manifest, HEADER + 2, 0x80)),
            "a part number is out of range"
        );
        let bucket = include_str!("golden/bucket.v2.hex");
        assert_eq!(why::<BucketRecord>(&damage(bucket, HEADER + 12, 0xFF)), "a text in it is not UTF-8");
        let object = include_str!("golden/object-empty.v1.hex");
        let last = unhex(object).len() - 1;
        assert_eq!(why::<ObjectRecord>(&damage(object, last, 3)), "its body is in an unknown kind of place");
    }

    /// Whatever is read from `value` is written as `value` again: there is one form of each version.
    fn check_one_form<R: Record>(value: &[u8]) {
        if let Ok(record) = decode::<R>(value)
            && value[2] == R::VERSION
        {
            assert_eq!(record.encode(), value);
        }
    }

    proptest! {
        #[test]
        fn damaged_records_never_panic_and_never_read_as_something_else(
            which in 0..GOLDEN.len(),
            changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
            kept in any::<usize>(),
        ) {
            let mut value = unhex(GOLDEN[which].1);
            for (at, byte) in changes {
                let len = value.len();
                value[at % len] = byte;
            }
            value.truncate(kept % (value.len() * 4) + 1);
            check_one_form::<BucketRecord>(&value);
            check_one_form::<ObjectRecord>(&value);
            check_one_form::<ManifestRecord>(&value);
            check_one_form::<SmallBodyRecord>(&value);
            check_one_form::<UploadRecord>(&value);
            check_one_form::<UploadIndexRecord>(&value);
            check_one_form::<HeldRecord>(&value);
            check_one_form::<PartRecord>(&value);
            check_one_form::<CompletionRecord>(&value);
            check_one_form::<ExtentRecord>(&value);
            check_one_form::<FreedRecord>(&value);
            check_one_form::<UsageRecord>(&value);
            check_one_form::<CountersRecord>(&value);
            check_one_form::<ScrubRecord>(&value);
            check_one_form::<LifecycleRecord>(&value);
            check_one_form::<AbortJobRecord>(&value);
            check_one_form::<AbortSelectionRecord>(&value);
            check_one_form::<AbortBucketRecord>(&value);
        }
    }

    /// One golden file of each marker.
    const GOLDEN: [(&str, &str); 18] = [
        ("aj", include_str!("golden/abort-job.v1.hex")),
        ("as", include_str!("golden/abort-selection.v1.hex")),
        ("ab", include_str!("golden/abort-bucket.v1.hex")),
        ("sc", include_str!("golden/scrub.v1.hex")),
        ("lc", include_str!("golden/lifecycle.v1.hex")),
        ("bu", include_str!("golden/bucket.v2.hex")),
        ("ob", include_str!("golden/object-small.v1.hex")),
        ("mf", include_str!("golden/manifest.v1.hex")),
        ("sb", include_str!("golden/small-body.v1.hex")),
        ("up", include_str!("golden/upload.v1.hex")),
        ("ui", include_str!("golden/upload-index.v1.hex")),
        ("he", include_str!("golden/held.v2.hex")),
        ("pa", include_str!("golden/part.v1.hex")),
        ("co", include_str!("golden/completion.v1.hex")),
        ("ex", include_str!("golden/extent.v1.hex")),
        ("fr", include_str!("golden/freed.v1.hex")),
        ("us", include_str!("golden/usage.v1.hex")),
        ("cn", include_str!("golden/counters.v1.hex")),
    ];

    #[test]
    fn every_marker_is_its_own() {
        let mut markers: Vec<Vec<u8>> =
            GOLDEN.iter().map(|(_, golden)| unhex(golden)[..2].to_vec()).collect();
        assert_eq!(markers, GOLDEN.map(|(marker, _)| marker.as_bytes().to_vec()));
        markers.sort();
        markers.dedup();
        assert_eq!(markers.len(), GOLDEN.len());
    }
}
