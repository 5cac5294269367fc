//! Proof that nothing is missing and nothing is left over.
//!
//! Every object and part is read through the same verifying reader as clients use and compared with
//! its recorded CRC64NVME (in this file); every row must have the rows that it leans on, every
//! reference is counted against the owners' rows, every byte that the volumes take is matched with an
//! owner, every counter is counted again (in `rows`). Damage is named in the report and does not end
//! the walk. It changes nothing.

mod abort_jobs;
mod named;
mod rows;

use std::collections::{BTreeMap, HashMap};

use crate::buckets::list::read_name;
use crate::checksum::{Algorithm, Hasher};
use crate::error::Error;
use crate::meta::door::{MetaError, Order};
use crate::meta::records::{
    BodyPlace, BucketRecord, HeldRecord, ManifestRecord, ObjectRecord, PartRecord, Record, Segment,
    UploadRecord,
};
use crate::meta::tables::{self, Table, Within, load};
use crate::names::{BucketName, UploadId};
use crate::objects::ObjectReader;
use crate::reclaim::verify::named::{Named, Namer};
use crate::store::{Chain, Store};

/// Most problems that a report lists; the rest are counted.
const PROBLEMS_MAX: usize = 1000;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Buckets.
    pub buckets: u64,
    /// Objects.
    pub objects: u64,
    /// Uploads in progress.
    pub uploads: u64,
    /// Their parts.
    pub parts: u64,
    /// Abort jobs that are kept.
    pub abort_jobs: u64,
    /// Bytes in volumes that published objects name, with checks and padding.
    pub live_bytes: u64,
    /// Bytes in volumes that only parts of uploads in progress name, with checks and padding.
    pub in_progress_bytes: u64,
    /// Bytes in volumes that wait to be given back, with checks and padding; also those that a crash left
    /// and that the next start gives back by rule.
    pub reclaimable_bytes: u64,
    /// Bytes in volumes that nobody names.
    pub orphaned_bytes: u64,
    /// Bytes of small bodies, which live in the metadata.
    pub small_bytes: u64,
    /// Bytes that were read and compared with their checksums.
    pub checked_bytes: u64,
    /// What is wrong, at most [`PROBLEMS_MAX`](self) of them.
    pub problems: Vec<String>,
    /// How many problems there are.
    pub problem_count: u64,
    /// What is as it may be, but needs an explanation.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether everything is as it must be.
    pub fn is_clean(&self) -> bool {
        self.problem_count == 0 && self.orphaned_bytes == 0
    }

    fn problem(&mut self, text: String) {
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(text);
        }
    }
}

impl Report {
    /// What was read, unless it is damaged: then that is a problem and the walk goes on.
    fn sound<T>(&mut self, what: &str, read: Result<T, MetaError>) -> Result<Option<T>, Error> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(error @ MetaError::Corrupt { .. }) => {
                self.problem(format!("{what}: {error}"));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A walk over the store, and what it has found so far.
struct Walk<'s> {
    store: &'s Store,
    progress: &'s (dyn Fn(u64) + Sync),
    report: Report,
    /// Buckets by their numbers.
    buckets: HashMap<u64, BucketName>,
    /// How many lifecycle rules each bucket says it has, where it says so. Ordered, so that two reports of one
    /// store are the same.
    rules: BTreeMap<u64, u16>,
    named: Named,
}

impl Store {
    /// Verifies the whole store, which must not be serving. `progress` is told the bytes read so far.
    ///
    /// # Errors
    /// [`Error::Meta`] or [`Error::Data`] when the store cannot be walked at all; damage that can be
    /// named is in the report instead.
    pub async fn verify(&self, progress: &(dyn Fn(u64) + Sync)) -> Result<Report, Error> {
        let mut walk = Walk {
            store: self,
            progress,
            report: Report::default(),
            buckets: HashMap::new(),
            rules: BTreeMap::new(),
            named: Named::default(),
        };
        walk.buckets()?;
        walk.objects().await?;
        walk.uploads().await?;
        walk.rows()?;
        Ok(walk.report)
    }

    /// The rows after `after` that begin with `prefix`, a bounded page of them, so that no scan is held
    /// open while bodies are read.
    fn page(&self, prefix: &[u8], after: Vec<u8>) -> Result<Vec<(bytes::Bytes, bytes::Bytes)>, Error> {
        const PAGE_ROWS: usize = 512;
        let view = self.meta.snapshot();
        let rows = view.scan(Within::after(prefix, after).range(), Order::Ascending);
        Ok(rows.take(PAGE_ROWS).collect::<Result<_, _>>()?)
    }
}

impl Walk<'_> {
    fn buckets(&mut self) -> Result<(), Error> {
        let view = self.store.meta.snapshot();
        for row in view.scan(Within::prefix(tables::all(Table::Buckets)).range(), Order::Ascending) {
            let (key, value) = row?;
            self.report.buckets += 1;
            let what = format!("bucket {}", key.get(1..).unwrap_or_default().escape_ascii());
            let read = read_name(&key).and_then(|name| Ok((name, BucketRecord::decode(&key, value)?)));
            let Some((name, bucket)) = self.report.sound(&what, read)? else { continue };
            self.named.number(bucket.id);
            self.rules.extend(bucket.lifecycle_rules.map(|rules| (bucket.id, rules)));
            if let Some(other) = self.buckets.insert(bucket.id, name) {
                self.report.problem(format!("{what}: it has the number of bucket {other}"));
            }
        }
        Ok(())
    }

    async fn objects(&mut self) -> Result<(), Error> {
        let table = tables::all(Table::Current);
        let mut after = table.clone();
        loop {
            let page = self.store.page(&table, after)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = last.to_vec();
            for (key, value) in page {
                let id = bucket_of(&key);
                let shown = key.get(9..).unwrap_or_default().escape_ascii();
                let what = match self.buckets.get(&id) {
                    Some(bucket) => format!("object {bucket}/{shown}"),
                    None => format!("object {shown} of bucket number {id}"),
                };
                if !self.buckets.contains_key(&id) {
                    self.report.problem(format!("{what}: its bucket does not exist"));
                }
                self.report.objects += 1;
                let Some(object) = self.report.sound(&what, ObjectRecord::decode(&key, value))? else {
                    continue;
                };
                self.object(&what, id, &object).await?;
            }
        }
    }

    async fn object(&mut self, what: &str, bucket: u64, object: &ObjectRecord) -> Result<(), Error> {
        self.named.number(object.sequence);
        let usage = self.named.usage(bucket);
        usage.objects += 1;
        usage.bytes += object.info.size;
        let segments = self.segments_of(what, object)?;
        self.named.add(&segments, Namer::Object);
        self.body(what, &segments, object.info.size, object.info.crc64).await;
        Ok(())
    }

    /// Where the object's bytes are; an incomplete answer is a problem already.
    fn segments_of(&mut self, what: &str, object: &ObjectRecord) -> Result<Vec<Segment>, Error> {
        let id = match &object.body {
            BodyPlace::Empty => return Ok(Vec::new()),
            BodyPlace::One(segment) => return Ok(vec![*segment]),
            BodyPlace::Manifest(id) => *id,
        };
        self.named.number(id);
        *self.named.manifests.entry(id).or_default() += 1;
        let read = load::<ManifestRecord>(&*self.store.meta.snapshot(), &tables::manifest(id));
        let manifest = match self.report.sound(what, read)? {
            Some(Some(manifest)) => manifest,
            Some(None) => {
                self.report.problem(format!("{what}: its manifest is missing"));
                return Ok(Vec::new());
            }
            None => return Ok(Vec::new()),
        };
        if manifest.parts.len() != usize::from(object.info.parts) {
            let (parts, listed) = (object.info.parts, manifest.parts.len());
            self.report.problem(format!("{what}: it has {parts} parts, but its manifest lists {listed}"));
        }
        for part in &manifest.parts {
            let bytes: u64 = part.segments.iter().map(|segment| segment.len).sum();
            if bytes != part.size {
                let (number, size) = (part.part, part.size);
                self.report.problem(format!("{what}: part {number} has {bytes} bytes instead of {size}"));
            }
        }
        Ok(manifest.parts.into_iter().flat_map(|part| part.segments).collect())
    }

    async fn uploads(&mut self) -> Result<(), Error> {
        let table = tables::all(Table::Uploads);
        let mut after = table.clone();
        loop {
            let page = self.store.page(&table, after)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = last.to_vec();
            for (key, value) in page {
                self.report.uploads += 1;
                let shown = format!("upload in row {}", key.escape_ascii());
                let Some((object, id)) = self.report.sound(&shown, tables::read_upload_key(&key))? else {
                    continue;
                };
                let what = format!("upload {id} of {}", object.escape_debug());
                if let Some(record) = self.report.sound(&what, UploadRecord::decode(&key, value))?
                    && record.initiated != id.initiated()
                {
                    self.report.problem(format!("{what}: its id and its time of initiation differ"));
                }
                self.named.upload(&id);
                let held = self.parts(&id, &what).await?;
                let usage = self.named.usage(bucket_of(&key));
                usage.uploads += 1;
                usage.parts += u64::from(held.parts);
                usage.held_bytes += held.bytes;
            }
        }
    }

    /// Verifies an upload's parts; what they hold together.
    async fn parts(&mut self, id: &UploadId, what: &str) -> Result<HeldRecord, Error> {
        let mut counted = HeldRecord::default();
        let prefix = tables::parts_of(id);
        // An upload has at most 10,000 parts: one list of rows, without their bytes.
        let rows: Vec<_> = {
            let view = self.store.meta.snapshot();
            view.scan(Within::prefix(prefix).range(), Order::Ascending).collect::<Result<_, _>>()?
        };
        for (key, value) in rows {
            self.report.parts += 1;
            let read =
                tables::read_part_key(&key).and_then(|number| Ok((number, PartRecord::decode(&key, value)?)));
            let Some((number, part)) = self.report.sound(what, read)? else { continue };
            counted.parts += 1;
            counted.bytes += part.size;
            counted.segments += part.segments.len() as u32;
            self.named.add(&part.segments, Namer::Part);
            self.body(&format!("{what}, part {number}"), &part.segments, part.size, part.crc64).await;
        }
        let read = load::<HeldRecord>(&*self.store.meta.snapshot(), &tables::held(id));
        match self.report.sound(what, read)? {
            Some(Some(kept)) if kept != (HeldRecord { last_activity: kept.last_activity, ..counted }) => {
                self.report.problem(format!(
                    "{what}: it counts {} parts of {} bytes in {} segments, but holds {} of {} in {}",
                    kept.parts, kept.bytes, kept.segments, counted.parts, counted.bytes, counted.segments
                ));
            }
            Some(None) => self.report.problem(format!("{what}: nothing says what it holds")),
            Some(Some(_)) | None => {}
        }
        Ok(counted)
    }

    /// Reads a body and compares it with what is recorded of it.
    async fn body(&mut self, what: &str, segments: &[Segment], size: u64, crc64: u64) {
        let mut hasher = Hasher::new(Algorithm::Crc64Nvme);
        let mut read = 0;
        let opened = {
            let finding = self.store.pins.enter();
            ObjectReader::open(self.store, &*self.store.meta.snapshot(), &finding, segments)
        };
        let outcome = async {
            let mut reader = opened?;
            while let Some(piece) = reader.next().await.transpose()? {
                read += piece.len() as u64;
                hasher.update(&piece);
            }
            Ok::<_, Error>(())
        }
        .await;
        self.report.checked_bytes += read;
        (self.progress)(self.report.checked_bytes);
        match outcome {
            Err(error) => self.report.problem(format!("{what}: {}", Chain(&error))),
            Ok(()) if read != size => {
                self.report.problem(format!("{what}: it has {read} bytes instead of {size}"));
            }
            Ok(()) if hasher.finish().as_u64() != crc64 => {
                self.report.problem(format!("{what}: its bytes do not match its CRC64NVME"));
            }
            Ok(()) => {}
        }
    }
}

/// Bucket number of a row of `current` or `uploads`.
fn bucket_of(key: &[u8]) -> u64 {
    key.get(1..9).and_then(|n| n.try_into().ok()).map_or(0, u64::from_be_bytes)
}
