//! Sequences of operations against a model of a page: maps of bodies by key, and of parts by upload.
//!
//! Whatever the order, the store answers what the model answers, lists what the model holds, and at the
//! end every byte has a name. A failing sequence is shrunk to its shortest form and printed.

use std::collections::BTreeMap;
use std::sync::Arc;

use drystone_core::names::Timestamp;
use drystone_core::objects::ObjectReader;
use drystone_core::objects::conditions::WriteCondition;
use drystone_core::objects::get::Span;
use drystone_core::objects::list::{From, ListEntry, ListObjects};
use drystone_core::objects::put::PutObject;
use drystone_core::uploads::complete::{CompleteUpload, PART_BYTES_MIN};
use drystone_core::uploads::list::{ListUploads, UploadEntry, UploadsFrom};
use drystone_core::uploads::part_copy::UploadPartCopy;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::test_runner::Config;

use crate::world::{
    BUCKET, Upload, World, abort, bucket, bytes, complete, copy, get, md5, owner, part, part_copy, put, read,
    refusal,
};
use drystone_sim::clock::MORNING;

/// Few keys, so that operations meet.
const KEYS: [&str; 4] = ["a", "a\0", "a/b", "é"];

/// Sizes on both sides of every border.
const SIZES: [u64; 6] = [0, 1, 8192, 8193, 70_000, PART_BYTES_MIN];

type Body = Arc<Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Put { key: usize, size: usize, if_absent: bool },
    Delete { key: usize },
    Copy { from: usize, to: usize },
    Create { key: usize },
    Part { upload: usize, number: u64, size: usize },
    PartCopy { upload: usize, number: u64, from: usize, cut: u64 },
    Complete { upload: usize, skip: usize, if_absent: bool },
    Again { upload: usize },
    Abort { upload: usize },
    Read { key: usize },
    Leave { reader: usize },
    Clock { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let (key, size, upload) = (|| 0..KEYS.len(), || 0..SIZES.len(), || any::<usize>());
    prop_oneof![
        4 => (key(), size(), any::<bool>()).prop_map(|(key, size, if_absent)| Step::Put { key, size, if_absent }),
        2 => key().prop_map(|key| Step::Delete { key }),
        2 => (key(), key()).prop_map(|(from, to)| Step::Copy { from, to }),
        3 => key().prop_map(|key| Step::Create { key }),
        6 => (upload(), 1..5_u64, size()).prop_map(|(upload, number, size)| Step::Part { upload, number, size }),
        3 => (upload(), 1..5_u64, key(), 0..10_000_u64)
            .prop_map(|(upload, number, from, cut)| Step::PartCopy { upload, number, from, cut }),
        3 => (upload(), 0..8_usize, any::<bool>())
            .prop_map(|(upload, skip, if_absent)| Step::Complete { upload, skip, if_absent }),
        1 => upload().prop_map(|upload| Step::Again { upload }),
        2 => upload().prop_map(|upload| Step::Abort { upload }),
        2 => key().prop_map(|key| Step::Read { key }),
        2 => any::<usize>().prop_map(|reader| Step::Leave { reader }),
        1 => prop_oneof![Just(0), MORNING.0 - 100_000..MORNING.0 + 100_000].prop_map(|ms| Step::Clock { ms }),
    ]
}

/// An upload as the model knows it.
struct Known {
    upload: Upload,
    parts: BTreeMap<u64, Body>,
    open: bool,
    /// What Complete was sent when it succeeded.
    completed: Option<CompleteUpload>,
}

struct Model {
    world: World,
    objects: BTreeMap<&'static str, Body>,
    uploads: Vec<Known>,
    readers: Vec<(ObjectReader, Body)>,
    bodies: u64,
}

impl Model {
    fn new() -> Self {
        let (objects, uploads, readers) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { world: World::new(), objects, uploads, readers, bodies: 0 }
    }

    /// A body that no other has the bytes of.
    fn body(&mut self, size: usize) -> Body {
        self.bodies += 1;
        Arc::new(bytes(SIZES[size], self.bodies))
    }

    fn check(&mut self, step: &Step) {
        match *step {
            Step::Put { key, size, if_absent } => self.put(KEYS[key], size, if_absent),
            Step::Delete { key } => {
                self.world.delete(KEYS[key]);
                self.objects.remove(KEYS[key]);
            }
            Step::Copy { from, to } => self.copy(KEYS[from], KEYS[to]),
            Step::Create { key } => {
                let upload = self.world.create_upload(KEYS[key]);
                self.uploads.push(Known { upload, parts: BTreeMap::new(), open: true, completed: None });
            }
            Step::Clock { ms } => self.world.clock.set(Timestamp(ms)),
            Step::Read { key } => self.read(KEYS[key]),
            Step::Leave { reader } if !self.readers.is_empty() => {
                let (reader, body) = self.readers.swap_remove(reader % self.readers.len());
                assert_eq!(read(reader), *body, "a reader reads what it found");
            }
            Step::Part { upload, .. }
            | Step::PartCopy { upload, .. }
            | Step::Complete { upload, .. }
            | Step::Again { upload }
            | Step::Abort { upload }
                if !self.uploads.is_empty() =>
            {
                self.check_upload(upload % self.uploads.len(), step);
            }
            _ => {}
        }
        self.world.settle();
        self.check_listings();
    }

    fn put(&mut self, key: &'static str, size: usize, if_absent: bool) {
        let body = self.body(size);
        let condition = if if_absent { WriteCondition::IfAbsent } else { WriteCondition::None };
        let written = self.world.try_put(PutObject { condition, ..put(key, &body) });
        if if_absent && self.objects.contains_key(key) {
            assert_eq!(refusal(written), "PreconditionFailed");
        } else {
            assert_eq!(written.unwrap().etag.md5, md5(&body));
            self.objects.insert(key, body);
        }
    }

    fn copy(&mut self, from: &'static str, to: &'static str) {
        let copied = self.world.try_copy(copy(from, to));
        match self.objects.get(from).cloned() {
            _ if from == to => assert_eq!(refusal(copied), "InvalidRequest"),
            None => assert_eq!(refusal(copied), "NoSuchKey"),
            Some(body) => {
                assert_eq!(copied.unwrap().size, body.len() as u64);
                self.objects.insert(to, body);
            }
        }
    }

    fn read(&mut self, key: &'static str) {
        let opened = self.world.store.get_object(&owner(), &get(key, Span::Whole));
        match self.objects.get(key) {
            None => assert_eq!(refusal(opened.map(drop)), "NoSuchKey"),
            Some(body) => {
                assert_eq!(self.world.get(key), **body);
                self.readers.push((opened.unwrap().1, Arc::clone(body)));
            }
        }
    }

    fn check_upload(&mut self, at: usize, step: &Step) {
        match *step {
            Step::Part { number, size, .. } => {
                let body = self.body(size);
                let known = &mut self.uploads[at];
                let stored = self.world.try_part(part(&known.upload, number, &body));
                if known.open {
                    assert_eq!(stored.unwrap().etag.md5, md5(&body));
                    known.parts.insert(number, body);
                } else {
                    assert_eq!(refusal(stored), "NoSuchUpload");
                }
            }
            Step::PartCopy { number, from, cut, .. } => self.part_copy(at, number, KEYS[from], cut),
            Step::Complete { skip, if_absent, .. } => self.complete(at, skip, if_absent),
            Step::Again { .. } => {
                if let Some(request) = self.uploads[at].completed.clone() {
                    self.world.try_complete(request).expect("an identical Complete is answered again");
                }
            }
            _ => {
                let known = &mut self.uploads[at];
                let aborted = self.world.run(self.world.store.abort_upload(&owner(), abort(&known.upload)));
                if known.open {
                    let held: usize = known.parts.values().map(|body| body.len()).sum();
                    assert_eq!(aborted.unwrap().bytes, held as u64);
                    known.open = false;
                } else {
                    assert_eq!(refusal(aborted), "NoSuchUpload");
                }
            }
        }
    }

    fn part_copy(&mut self, at: usize, number: u64, from: &'static str, cut: u64) {
        let known = &mut self.uploads[at];
        let source = self.objects.get(from);
        // The source without `cut` bytes at its beginning; whole if it is not longer than that.
        let cut =
            source.filter(|body| cut > 0 && body.len() as u64 > cut).map(|body| cut..=body.len() as u64 - 1);
        let request = UploadPartCopy { range: cut.clone(), ..part_copy(from, &known.upload, number) };
        let stored = self.world.try_part_copy(request);
        match source {
            _ if !known.open => assert_eq!(refusal(stored), "NoSuchUpload"),
            None => assert_eq!(refusal(stored), "NoSuchKey"),
            Some(body) => {
                let body = body[cut.map_or(0, |cut| *cut.start() as usize)..].to_vec();
                assert_eq!(stored.unwrap().etag.md5, md5(&body));
                known.parts.insert(number, Arc::new(body));
            }
        }
    }

    /// Completes with all parts but, now and then, one.
    fn complete(&mut self, at: usize, skip: usize, if_absent: bool) {
        let known = &mut self.uploads[at];
        let key = KEYS.into_iter().find(|key| *key == known.upload.key).unwrap();
        let listed: Vec<_> = known
            .parts
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != skip)
            .map(|(_, part)| part)
            .collect();
        let tags: Vec<_> = listed
            .iter()
            .map(|(number, body)| (**number, drystone_core::names::ETag { md5: md5(body), parts: 0 }))
            .collect();
        let condition = if if_absent { WriteCondition::IfAbsent } else { WriteCondition::None };
        let request = CompleteUpload { condition, ..complete(&known.upload, &tags) };
        let completed = self.world.try_complete(request.clone());
        let too_small = |bodies: &[(&u64, &Body)]| {
            bodies
                .split_last()
                .is_some_and(|(_, rest)| rest.iter().any(|(_, b)| (b.len() as u64) < PART_BYTES_MIN))
        };
        if let Some(earlier) = &known.completed {
            let same = earlier.parts.len() == request.parts.len();
            assert!(!same || completed.is_ok(), "the same list gets the same answer: {completed:?}");
        } else if !known.open {
            assert_eq!(refusal(completed), "NoSuchUpload");
        } else if listed.is_empty() {
            assert_eq!(refusal(completed), "InvalidRequest");
        } else if too_small(&listed) {
            assert_eq!(refusal(completed), "EntityTooSmall");
        } else if if_absent && self.objects.contains_key(key) {
            assert_eq!(refusal(completed), "PreconditionFailed");
        } else {
            let body: Vec<u8> = listed.iter().flat_map(|(_, body)| body.iter().copied()).collect();
            assert_eq!(completed.unwrap().size, body.len() as u64);
            self.objects.insert(key, Arc::new(body));
            known.open = false;
            known.completed = Some(request);
        }
    }

    fn check_listings(&self) {
        let request = ListObjects {
            bucket: bucket(BUCKET),
            prefix: String::new(),
            delimiter: None,
            from: From::Start,
            max: 1000,
        };
        let page = self.world.store.list_objects(&owner(), &request).unwrap();
        let listed: Vec<_> = page
            .entries
            .iter()
            .map(|entry| match entry {
                ListEntry::Object(object) => (object.key.as_str(), object.size),
                ListEntry::Prefix(_) => panic!("nothing rolls up without a delimiter"),
            })
            .collect();
        let held: Vec<_> = self.objects.iter().map(|(key, body)| (*key, body.len() as u64)).collect();
        assert_eq!(listed, held);
        let request = ListUploads {
            bucket: bucket(BUCKET),
            prefix: String::new(),
            delimiter: None,
            from: UploadsFrom::Start,
            max: 1000,
        };
        let page = self.world.store.list_uploads(&owner(), &request).unwrap();
        let listed: Vec<_> = page
            .entries
            .into_iter()
            .map(|entry| match entry {
                UploadEntry::Upload(upload) => (upload.upload_id.to_string(), upload.held.bytes),
                UploadEntry::Prefix(_) => panic!("nothing rolls up without a delimiter"),
            })
            .collect();
        let mut open: Vec<_> = self.uploads.iter().filter(|known| known.open).collect();
        open.sort_by(|a, b| a.upload.key.cmp(&b.upload.key));
        let held = open.iter().map(|known| {
            (known.upload.id.clone(), known.parts.values().map(|body| body.len() as u64).sum::<u64>())
        });
        assert_eq!(listed, held.collect::<Vec<_>>());
    }

    /// Everything that the model holds is in the store, byte by byte, and nothing else is.
    fn finish(mut self) {
        for (reader, body) in self.readers.drain(..) {
            assert_eq!(read(reader), *body, "a reader reads what it found");
        }
        for (key, body) in &self.objects {
            assert_eq!(self.world.get(key), **body);
        }
        self.world.settle();
        let report = self.world.verify();
        assert_eq!(report.objects, self.objects.len() as u64);
        assert_eq!(
            report.parts,
            self.uploads.iter().filter(|u| u.open).map(|u| u.parts.len() as u64).sum::<u64>()
        );
    }
}

proptest! {
    #![proptest_config(Config { cases: 32, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_store_answers_what_the_model_answers(steps in proptest::collection::vec(step(), 1..60)) {
        let mut model = Model::new();
        for step in steps {
            model.check(&step);
        }
        model.finish();
    }
}
