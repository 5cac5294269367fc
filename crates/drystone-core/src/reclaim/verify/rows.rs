//! Rows against rows: every row has the rows that it leans on, and every counter counts right.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use bytes::Bytes;

use crate::data::door::ExtentId;
use crate::error::Error;
use crate::meta::door::{Order, View};
use crate::meta::records::{
    CompletionRecord, CountersRecord, ExtentRecord, FreedRecord, LifecycleRecord, Record, SmallBodyRecord,
    UploadIndexRecord, UsageRecord,
};
use crate::meta::tables::{self, Table, Within, load};
use crate::names::UploadId;
use crate::reclaim::recover::subtract;
use crate::reclaim::verify::named::Names;
use crate::reclaim::verify::{Walk, bucket_of};

/// Byte ranges by volume.
type Ranges = BTreeMap<u64, Vec<Range<u64>>>;

impl Walk<'_> {
    /// Verifies every row that the walk over objects and uploads did not.
    pub(super) fn rows(&mut self) -> Result<(), Error> {
        let store = self.store;
        let view = &*store.meta.snapshot();
        self.abort_jobs(view)?;
        self.counters(view)?;
        self.usages(view)?;
        self.lifecycles(view)?;
        self.upload_rows(view)?;
        self.completions(view)?;
        self.small_bodies(view)?;
        self.manifests(view)?;
        let mut owned = Ranges::new();
        self.extents(view, &mut owned)?;
        self.reclaim(view, &mut owned)?;
        self.volumes(owned)
    }

    /// What gives out numbers and times must be past all that it gave out.
    fn counters(&mut self, view: &dyn View) -> Result<(), Error> {
        let read = load::<CountersRecord>(view, &tables::counters());
        let Some(kept) = self.report.sound("the store's counters", read)? else { return Ok(()) };
        let kept = kept.unwrap_or_default();
        if kept.last < self.named.last_number {
            let (last, used) = (kept.last, self.named.last_number);
            self.report
                .problem(format!("the store's counters: {last} is the last number, but {used} is in use"));
        }
        if kept.latest < self.named.latest {
            self.report.problem("the store's counters: an upload is later than the latest time".into());
        }
        Ok(())
    }

    fn usages(&mut self, view: &dyn View) -> Result<(), Error> {
        let mut condemned = HashSet::new();
        for row in all(view, Table::Condemned) {
            condemned.extend(self.report.sound("a condemned bucket", tables::read_number_key(&row?.0))?);
        }
        for row in all(view, Table::Usage) {
            let (key, value) = row?;
            let read =
                tables::read_number_key(&key).and_then(|id| Ok((id, UsageRecord::decode(&key, value)?)));
            let Some((id, kept)) = self.report.sound("a bucket's usage", read)? else { continue };
            let counted = self.named.usages.remove(&id).unwrap_or_default();
            if kept != counted {
                self.report.problem(format!(
                    "bucket number {id}: its usage says {kept:?}, but it holds {counted:?}"
                ));
            }
            if !self.buckets.contains_key(&id) && !condemned.contains(&id) {
                self.report.problem(format!("bucket number {id}: it has a usage, but does not exist"));
            }
        }
        for (id, counted) in std::mem::take(&mut self.named.usages) {
            self.report.problem(format!("bucket number {id}: it has no usage, but holds {counted:?}"));
        }
        Ok(())
    }

    fn lifecycles(&mut self, view: &dyn View) -> Result<(), Error> {
        for row in all(view, Table::Lifecycle) {
            let (key, value) = row?;
            let read =
                tables::read_number_key(&key).and_then(|id| Ok((id, LifecycleRecord::decode(&key, value)?)));
            let Some((id, kept)) = self.report.sound("a bucket's lifecycle rules", read)? else { continue };
            let kept = kept.count();
            if self.rules.remove(&id).is_some_and(|said| said != kept) {
                self.report.problem(format!(
                    "bucket number {id}: it has another number of lifecycle rules than {kept}"
                ));
            }
            if !self.buckets.contains_key(&id) {
                self.report
                    .problem(format!("bucket number {id}: it has lifecycle rules, but does not exist"));
            }
        }
        for (id, said) in std::mem::take(&mut self.rules).into_iter().filter(|(_, said)| *said > 0) {
            self.report.problem(format!(
                "bucket number {id}: its {said} lifecycle rules have no sound row; set its rules again"
            ));
        }
        Ok(())
    }

    /// The rows around an upload: its index, what it holds, its parts. Each leans on the upload's own.
    fn upload_rows(&mut self, view: &dyn View) -> Result<(), Error> {
        for row in all(view, Table::Uploads) {
            let (key, _) = row?;
            // A row that does not read was reported on the walk.
            let Ok((object, id)) = tables::read_upload_key(&key) else { continue };
            let what = format!("upload {id} of {}", object.escape_debug());
            let index = load::<UploadIndexRecord>(view, &tables::upload_by_age(&id));
            let Some(index) = self.report.sound(&what, index)? else { continue };
            let want = UploadIndexRecord { bucket: bucket_of(&key), key: object.into() };
            if index != Some(want) {
                self.report.problem(format!("{what}: it does not stand in the index by age"));
            }
        }
        for row in all(view, Table::UploadsByAge) {
            let (key, value) = row?;
            let what = format!("row {} of uploads by age", key.escape_ascii());
            let read =
                tables::read_upload_id(&key).and_then(|id| Ok((id, UploadIndexRecord::decode(&key, value)?)));
            let Some((id, index)) = self.report.sound(&what, read)? else { continue };
            if view.get(&tables::upload(index.bucket, &index.key, &id))?.is_none() {
                self.report.problem(format!("{what}: its upload does not exist"));
            }
        }
        for table in [Table::Held, Table::Parts] {
            for row in all(view, table) {
                let (key, _) = row?;
                let id = key.get(1..).and_then(|id| id.first_chunk()).map(|id| UploadId::from_bytes(*id));
                let owner = id.map(|id| view.get(&tables::upload_by_age(&id))).transpose()?.flatten();
                if owner.is_none() {
                    self.report.problem(format!(
                        "row {} of {table:?}: its upload does not exist",
                        key.escape_ascii()
                    ));
                }
            }
        }
        Ok(())
    }

    /// A completion record without its index would never be forgotten.
    fn completions(&mut self, view: &dyn View) -> Result<(), Error> {
        for row in all(view, Table::Completed) {
            let (key, value) = row?;
            let what = format!("row {} of completions", key.escape_ascii());
            let read =
                tables::read_upload_id(&key).and_then(|id| Ok((id, CompletionRecord::decode(&key, value)?)));
            let Some((id, record)) = self.report.sound(&what, read)? else { continue };
            if view.get(&tables::completed_by_age(record.completed, &id))?.is_none() {
                self.report.problem(format!("{what}: it does not stand in the index by age"));
            }
        }
        for row in all(view, Table::CompletedByAge) {
            let (key, _) = row?;
            let what = format!("row {} of completions by age", key.escape_ascii());
            let Some(id) = self.report.sound(&what, tables::read_upload_id(&key))? else { continue };
            if view.get(&tables::completed(&id))?.is_none() {
                self.report.problem(format!("{what}: its completion does not exist"));
            }
        }
        Ok(())
    }

    fn small_bodies(&mut self, view: &dyn View) -> Result<(), Error> {
        for row in all(view, Table::Bodies) {
            let (key, value) = row?;
            let read =
                tables::read_number_key(&key).and_then(|id| Ok((id, SmallBodyRecord::decode(&key, value)?)));
            let Some((id, body)) = self.report.sound("a small body", read)? else { continue };
            self.report.small_bytes += body.bytes.len() as u64;
            let refs = self.named.small_bodies.get(&id).map_or(0, |names| names.refs);
            if refs != body.refs {
                let kept = body.refs;
                self.report.problem(format!("small body {id}: {kept} references are recorded, {refs} exist"));
            }
        }
        Ok(())
    }

    fn manifests(&mut self, view: &dyn View) -> Result<(), Error> {
        for row in all(view, Table::Manifests) {
            let Some(id) = self.report.sound("a manifest", tables::read_number_key(&row?.0))? else {
                continue;
            };
            let refs = self.named.manifests.get(&id).copied().unwrap_or(0);
            if refs != 1 {
                self.report.problem(format!("manifest {id}: {refs} objects name it instead of one"));
            }
        }
        Ok(())
    }

    fn extents(&mut self, view: &dyn View, owned: &mut Ranges) -> Result<(), Error> {
        let mut seen = 0;
        for row in all(view, Table::Extents) {
            let Some((id, record)) = self.extent_row::<ExtentRecord>(row?)? else { continue };
            let bytes = self.owns(owned, id, record.len);
            let Some((extent, Names { refs, by_object })) = self.named.extents.get(&id).copied() else {
                self.report.orphaned_bytes += bytes;
                self.report.problem(format!("extent {id:?}: it has an owner's row, but nothing names it"));
                continue;
            };
            seen += 1;
            if by_object {
                self.report.live_bytes += bytes;
            } else {
                self.report.in_progress_bytes += bytes;
            }
            if refs != record.refs {
                let kept = record.refs;
                self.report.problem(format!("extent {id:?}: {kept} references are recorded, {refs} exist"));
            }
            if (extent.len, extent.token) != (record.len, record.token) {
                self.report
                    .problem(format!("extent {id:?}: its row and its names describe different extents"));
            }
        }
        let named = self.named.extents.len();
        if seen != named {
            self.report.problem(format!("{} extents are named but have no sound row", named - seen));
        }
        Ok(())
    }

    fn reclaim(&mut self, view: &dyn View, owned: &mut Ranges) -> Result<(), Error> {
        for row in all(view, Table::Reclaim) {
            let Some((id, record)) = self.extent_row::<FreedRecord>(row?)? else { continue };
            self.report.reclaimable_bytes += self.owns(owned, id, record.len);
            if self.named.extents.contains_key(&id) {
                self.report.problem(format!("extent {id:?}: it waits to be freed, but something names it"));
            }
        }
        Ok(())
    }

    fn extent_row<R: Record>(
        &mut self,
        (key, value): (Bytes, Bytes),
    ) -> Result<Option<(ExtentId, R)>, Error> {
        let read = tables::read_extent_key(&key).and_then(|id| Ok((id, R::decode(&key, value)?)));
        self.report.sound("an extent", read)
    }

    /// Takes note that an extent's range has an owner; its length with checks and padding.
    fn owns(&self, owned: &mut Ranges, id: ExtentId, len: u64) -> u64 {
        let footprint = self.store.data.footprint(id, len);
        let bytes = footprint.end - footprint.start;
        owned.entry(id.volume).or_default().push(footprint);
        bytes
    }

    fn volumes(&mut self, mut owned: Ranges) -> Result<(), Error> {
        let suspects: HashSet<u64> = self.store.data.suspects().into_iter().collect();
        let (mut left, mut left_in) = (0, 0);
        for volume in self.store.data.volumes() {
            let mut owned = owned.remove(&volume).unwrap_or_default();
            owned.sort_by_key(|range| range.start);
            if suspects.contains(&volume) {
                // Written to when the last process ended without a clean stop: what nobody names there is
                // what requests left that were never answered, and recovery punches exactly that.
                let owned: u64 = owned.iter().map(|range| range.end - range.start).sum();
                let unowned = self.store.data.taken(volume)?.saturating_sub(owned);
                left += unowned;
                left_in += u64::from(unowned > 0);
                continue;
            }
            for range in subtract(&self.store.data.allocated(volume)?, &owned) {
                self.report.orphaned_bytes += range.end - range.start;
                self.report.problem(format!("volume {volume}: nobody names the bytes {range:?}"));
            }
        }
        if left > 0 {
            self.report.reclaimable_bytes += left;
            self.report.notes.push(format!(
                "the last process did not stop in order: {left} bytes in {left_in} of the volumes that it wrote to have \
                 no owner, left by requests that were never answered; the next start gives them back, so they count \
                 as reclaimable"
            ));
        }
        Ok(())
    }
}

/// Every row of `table`, in order.
pub(super) fn all(view: &dyn View, table: Table) -> impl Iterator<Item = crate::meta::door::Row> + '_ {
    let within = Within::prefix(tables::all(table));
    view.scan(within.range(), Order::Ascending)
}
