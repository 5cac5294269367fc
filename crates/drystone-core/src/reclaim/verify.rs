//! Proof that nothing is missing and nothing is left over.
//!
//! Every object and part is read through the same verifying reader as clients use and compared with
//! its recorded CRC64NVME; every reference is counted against the owners' rows; every byte that the
//! volumes take is matched with an owner; every usage counter is counted again. It changes nothing.

use std::collections::HashMap;

use crate::buckets::list::read_name;
use crate::checksum::{Algorithm, Hasher};
use crate::data::door::ExtentId;
use crate::error::Error;
use crate::meta::door::{MetaError, Order, View};
use crate::meta::records::{
    BodyPlace, BucketRecord, ExtentRecord, FreedRecord, HeldRecord, ManifestRecord, ObjectRecord, PartRecord,
    Place, Record, Segment, SmallBodyRecord, UploadRecord, UsageRecord,
};
use crate::meta::tables::{self, Table, Within, load};
use crate::names::UploadId;
use crate::objects::ObjectReader;
use crate::reclaim::recover::{owned_ranges, subtract};
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
    /// Bytes in volumes that published objects name, with checks and padding.
    pub live_bytes: u64,
    /// Bytes in volumes that only parts of uploads in progress name, with checks and padding.
    pub in_progress_bytes: u64,
    /// Bytes in volumes that wait to be given back, with checks and padding.
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

/// Who names a place.
#[derive(Clone, Copy, Default)]
struct Named {
    refs: u32,
    by_object: bool,
}

#[derive(Default)]
struct Names {
    extents: HashMap<ExtentId, Named>,
    rows: HashMap<u64, Named>,
    manifests: HashMap<u64, u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Namer {
    Object,
    Part,
}

impl Names {
    fn add(&mut self, segments: &[Segment], namer: Namer) {
        for segment in segments {
            let named = match segment.place {
                Place::Row(id) => self.rows.entry(id).or_default(),
                Place::Extent(extent) => self.extents.entry(extent.id).or_default(),
            };
            named.refs += 1;
            named.by_object |= namer == Namer::Object;
        }
    }
}

impl Store {
    /// Verifies the whole store, which must not be serving. `progress` is told the bytes read so far.
    ///
    /// # Errors
    /// [`Error::Meta`] or [`Error::Data`] when the store cannot be walked at all; damage that can be
    /// named is in the report instead.
    pub async fn verify(&self, progress: &(dyn Fn(u64) + Sync)) -> Result<Report, Error> {
        let mut report = Report::default();
        let mut names = Names::default();
        let mut usages: HashMap<u64, UsageRecord> = HashMap::new();
        self.verify_objects(&mut report, &mut names, &mut usages, progress).await?;
        self.verify_uploads(&mut report, &mut names, &mut usages, progress).await?;
        let view = self.meta.snapshot();
        verify_usage(&*view, &mut report, &usages)?;
        verify_rows(&*view, &mut report, &names)?;
        self.verify_extents(&*view, &mut report, &names)?;
        self.verify_volumes(&*view, &mut report)?;
        Ok(report)
    }

    async fn verify_objects(
        &self,
        report: &mut Report,
        names: &mut Names,
        usages: &mut HashMap<u64, UsageRecord>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Error> {
        let buckets: Vec<_> = {
            let view = self.meta.snapshot();
            view.scan(Within::prefix(tables::all(Table::Buckets)).range(), Order::Ascending)
                .collect::<Result<_, _>>()?
        };
        for (key, value) in buckets {
            let (name, bucket) = (read_name(&key)?, BucketRecord::decode(&key, value)?);
            report.buckets += 1;
            usages.entry(bucket.id).or_default();
            // Rows are taken a page at a time, so that no scan is held open while bodies are read.
            let mut after = tables::current(bucket.id, "");
            loop {
                let prefix = tables::current(bucket.id, "");
                let page = self.page(&prefix, after)?;
                let Some((last, _)) = page.last() else { break };
                after = last.to_vec();
                for (key, value) in page {
                    let shown = key.get(9..).unwrap_or_default().escape_ascii().to_string();
                    let what = format!("object {name}/{shown}");
                    let object = match ObjectRecord::decode(&key, value) {
                        Ok(object) => object,
                        Err(error) => {
                            report.problem(format!("{what}: {error}"));
                            continue;
                        }
                    };
                    report.objects += 1;
                    let usage = usages.entry(bucket.id).or_default();
                    usage.objects += 1;
                    usage.bytes += object.info.size;
                    let segments = self.segments_to_verify(&object.body, names, report, &what)?;
                    names.add(&segments, Namer::Object);
                    self.verify_body(report, &what, &segments, object.info.size, object.info.crc64, progress)
                        .await;
                }
            }
        }
        Ok(())
    }

    fn segments_to_verify(
        &self,
        body: &BodyPlace,
        names: &mut Names,
        report: &mut Report,
        what: &str,
    ) -> Result<Vec<Segment>, Error> {
        let BodyPlace::Manifest(id) = body else {
            return Ok(match body {
                BodyPlace::One(segment) => vec![*segment],
                _ => Vec::new(),
            });
        };
        *names.manifests.entry(*id).or_default() += 1;
        match load::<ManifestRecord>(&*self.meta.snapshot(), &tables::manifest(*id)) {
            Ok(Some(manifest)) => Ok(manifest.parts.into_iter().flat_map(|part| part.segments).collect()),
            Ok(None) => {
                report.problem(format!("{what}: its manifest is missing"));
                Ok(Vec::new())
            }
            Err(error @ MetaError::Corrupt { .. }) => {
                report.problem(format!("{what}: {error}"));
                Ok(Vec::new())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn verify_uploads(
        &self,
        report: &mut Report,
        names: &mut Names,
        usages: &mut HashMap<u64, UsageRecord>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Error> {
        let mut after = tables::all(Table::Uploads);
        loop {
            let page = self.page(&tables::all(Table::Uploads), after)?;
            let Some((last, _)) = page.last() else { break };
            after = last.to_vec();
            for (key, value) in page {
                let (object, id) = tables::read_upload_key(&key)?;
                let bucket = key.get(1..9).and_then(|n| n.try_into().ok()).map_or(0, u64::from_be_bytes);
                let what = format!("upload {id} of {}", object.escape_debug());
                if let Err(error) = UploadRecord::decode(&key, value) {
                    report.problem(format!("{what}: {error}"));
                }
                report.uploads += 1;
                let held = self.verify_parts(report, names, &id, &what, progress).await?;
                let usage = usages.entry(bucket).or_default();
                usage.uploads += 1;
                usage.parts += u64::from(held.parts);
                usage.held_bytes += held.bytes;
            }
        }
        let view = self.meta.snapshot();
        for row in view.scan(Within::prefix(tables::all(Table::Parts)).range(), Order::Ascending) {
            let (key, _) = row?;
            let id = key.get(1..21).and_then(|id| id.try_into().ok()).map(UploadId::from_bytes);
            let owner = id.map(|id| view.get(&tables::upload_by_age(&id))).transpose()?.flatten();
            if owner.is_none() {
                report.problem(format!("part {}: its upload does not exist", key.escape_ascii()));
            }
        }
        Ok(())
    }

    async fn verify_parts(
        &self,
        report: &mut Report,
        names: &mut Names,
        id: &UploadId,
        what: &str,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<HeldRecord, Error> {
        let mut counted = HeldRecord::default();
        let prefix = tables::parts_of(id);
        // An upload has at most 10,000 parts: one list of rows, without their bytes.
        let rows: Vec<_> = {
            let view = self.meta.snapshot();
            view.scan(Within::prefix(prefix).range(), Order::Ascending).collect::<Result<_, _>>()?
        };
        for (key, value) in rows {
            let part = PartRecord::decode(&key, value)?;
            report.parts += 1;
            counted.parts += 1;
            counted.bytes += part.size;
            names.add(&part.segments, Namer::Part);
            let what = format!("{what}, part {}", tables::read_part_key(&key)?);
            self.verify_body(report, &what, &part.segments, part.size, part.crc64, progress).await;
        }
        let kept: HeldRecord = load(&*self.meta.snapshot(), &tables::held(id))?.unwrap_or_default();
        if (kept.parts, kept.bytes) != (counted.parts, counted.bytes) {
            report.problem(format!(
                "{what}: it counts {} parts and {} bytes, but holds {} and {}",
                kept.parts, kept.bytes, counted.parts, counted.bytes
            ));
        }
        Ok(counted)
    }

    /// Reads a body and compares it with what is recorded of it.
    async fn verify_body(
        &self,
        report: &mut Report,
        what: &str,
        segments: &[Segment],
        size: u64,
        crc64: u64,
        progress: &(dyn Fn(u64) + Sync),
    ) {
        let mut hasher = Hasher::new(Algorithm::Crc64Nvme);
        let mut read = 0;
        let opened = {
            let finding = self.pins.enter();
            ObjectReader::open(self, &*self.meta.snapshot(), &finding, segments)
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
        report.checked_bytes += read;
        progress(report.checked_bytes);
        match outcome {
            Err(error) => report.problem(format!("{what}: {}", Chain(&error))),
            Ok(()) if read != size => {
                report.problem(format!("{what}: it has {read} bytes instead of {size}"));
            }
            Ok(()) if hasher.finish().as_u64() != crc64 => {
                report.problem(format!("{what}: its bytes do not match its CRC64NVME"));
            }
            Ok(()) => {}
        }
    }

    fn verify_extents(&self, view: &dyn View, report: &mut Report, names: &Names) -> Result<(), Error> {
        let mut seen = 0;
        for row in view.scan(Within::prefix(tables::all(Table::Extents)).range(), Order::Ascending) {
            let (key, value) = row?;
            let id = tables::read_extent_key(&key)?;
            let record = ExtentRecord::decode(&key, value)?;
            let footprint = self.data.footprint(id, record.len);
            let bytes = footprint.end - footprint.start;
            match names.extents.get(&id) {
                None => {
                    report.orphaned_bytes += bytes;
                    report.problem(format!("extent {id:?}: it has an owner's row, but nothing names it"));
                }
                Some(named) => {
                    seen += 1;
                    if named.by_object {
                        report.live_bytes += bytes;
                    } else {
                        report.in_progress_bytes += bytes;
                    }
                    if named.refs != record.refs {
                        report.problem(format!(
                            "extent {id:?}: {} references are recorded, {} exist",
                            record.refs, named.refs
                        ));
                    }
                }
            }
        }
        if seen != names.extents.len() {
            report.problem(format!("{} extents are named but have no row", names.extents.len() - seen));
        }
        for row in view.scan(Within::prefix(tables::all(Table::Reclaim)).range(), Order::Ascending) {
            let (key, value) = row?;
            let id = tables::read_extent_key(&key)?;
            let footprint = self.data.footprint(id, FreedRecord::decode(&key, value)?.len);
            report.reclaimable_bytes += footprint.end - footprint.start;
            if names.extents.contains_key(&id) {
                report.problem(format!("extent {id:?}: it waits to be freed, but something names it"));
            }
        }
        Ok(())
    }

    fn verify_volumes(&self, view: &dyn View, report: &mut Report) -> Result<(), Error> {
        for volume in self.data.volumes() {
            let owned = owned_ranges(view, &*self.data, volume)?;
            for range in subtract(&self.data.allocated(volume)?, &owned) {
                report.orphaned_bytes += range.end - range.start;
                report.problem(format!("volume {volume}: nobody names the bytes {range:?}"));
            }
        }
        Ok(())
    }

    /// The rows after `after` that begin with `prefix`, a bounded page of them.
    fn page(&self, prefix: &[u8], after: Vec<u8>) -> Result<Vec<(bytes::Bytes, bytes::Bytes)>, Error> {
        const PAGE_ROWS: usize = 512;
        let view = self.meta.snapshot();
        let rows = view.scan(Within::after(prefix, after).range(), Order::Ascending);
        Ok(rows.take(PAGE_ROWS).collect::<Result<_, _>>()?)
    }
}

fn verify_usage(
    view: &dyn View,
    report: &mut Report,
    counted: &HashMap<u64, UsageRecord>,
) -> Result<(), Error> {
    for (bucket, counted) in counted {
        let kept: UsageRecord = load(view, &tables::usage(*bucket))?.unwrap_or_default();
        if kept != *counted {
            report.problem(format!("bucket id {bucket}: its usage says {kept:?}, but it holds {counted:?}"));
        }
    }
    Ok(())
}

fn verify_rows(view: &dyn View, report: &mut Report, names: &Names) -> Result<(), Error> {
    for row in view.scan(Within::prefix(tables::all(Table::Bodies)).range(), Order::Ascending) {
        let (key, value) = row?;
        let id = tables::read_number_key(&key)?;
        let body = SmallBodyRecord::decode(&key, value)?;
        report.small_bytes += body.bytes.len() as u64;
        let refs = names.rows.get(&id).map_or(0, |named| named.refs);
        if refs != body.refs {
            report.problem(format!("small body {id}: {} references are recorded, {refs} exist", body.refs));
        }
    }
    for row in view.scan(Within::prefix(tables::all(Table::Manifests)).range(), Order::Ascending) {
        let id = tables::read_number_key(&row?.0)?;
        let refs = names.manifests.get(&id).copied().unwrap_or(0);
        if refs != 1 {
            report.problem(format!("manifest {id}: {refs} objects name it instead of one"));
        }
    }
    Ok(())
}
