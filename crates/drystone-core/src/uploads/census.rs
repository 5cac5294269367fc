//! Census: what unfinished uploads hold, bucket by bucket and by age, found by a walk in small steps.
//!
//! Bytes by age cannot be kept up to date where uploads change, because an upload grows older while nothing
//! happens to it; and counting all uploads for whoever asks would let a scrape of a million uploads hold up the
//! server. So somebody walks in the background, a page at a time, at whatever pace he likes, and shows the last whole
//! count. A page reads the index by age and what uploads hold side by side, both in the order of the ids: two scans,
//! and no look-up for each upload.
//!
//! Uploads that are created or end during a walk may be counted or not; every other one is counted once.

use std::collections::HashMap;

use crate::buckets::list::read_name;
use crate::error::Error;
use crate::lifecycle::configure::rules_of;
use crate::lifecycle::rules::Rules;
use crate::meta::door::{Order, View};
use crate::meta::records::{BucketRecord, FreedRecord, HeldRecord, Record, UploadIndexRecord};
use crate::meta::tables::{self, Table, Within};
use crate::names::{BucketName, Timestamp};
use crate::store::Store;

/// Rows that one step reads.
const PAGE_ROWS: usize = 1_000;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Classes of age, from young to old: the name, and the age in milliseconds that it ends before.
pub const AGE_CLASSES: [(&str, u64); 5] =
    [("<1h", HOUR_MS), ("<1d", DAY_MS), ("<7d", 7 * DAY_MS), ("<30d", 30 * DAY_MS), ("older", u64::MAX)];

/// A whole count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// When the walk ended.
    pub finished: Timestamp,
    /// Every bucket, also those without uploads, in the order of their names.
    pub buckets: Vec<(BucketName, Unfinished)>,
    /// What waits to be given back to the file system.
    pub reclaim: ReclaimQueue,
}

/// What unfinished uploads hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Uploads in progress.
    pub uploads: u64,
    /// Sum of the sizes of their parts in bytes, by the age of the upload since its initiation; in the order of
    /// [`AGE_CLASSES`].
    pub bytes_by_age: [u64; AGE_CLASSES.len()],
    /// When the oldest was initiated.
    pub oldest: Option<Timestamp>,
    /// When the oldest was initiated that no lifecycle rule will ever abort.
    pub oldest_without_rule: Option<Timestamp>,
}

impl Unfinished {
    /// Sum of the sizes of all parts in bytes.
    pub fn held_bytes(&self) -> u64 {
        self.bytes_by_age.iter().sum()
    }

    /// Adds what another bucket's uploads hold.
    pub fn add(&mut self, other: &Self) {
        self.uploads += other.uploads;
        self.bytes_by_age.iter_mut().zip(other.bytes_by_age).for_each(|(mine, theirs)| *mine += theirs);
        self.oldest = earlier(self.oldest, other.oldest);
        self.oldest_without_rule = earlier(self.oldest_without_rule, other.oldest_without_rule);
    }

    fn count(&mut self, initiated: Timestamp, bytes: u64, now: Timestamp, has_rule: bool) {
        self.uploads += 1;
        let age = now.0.saturating_sub(initiated.0);
        if let Some((_, sum)) =
            AGE_CLASSES.iter().zip(&mut self.bytes_by_age).find(|((_, below), _)| age < *below)
        {
            *sum += bytes;
        }
        self.oldest = earlier(self.oldest, Some(initiated));
        if !has_rule {
            self.oldest_without_rule = earlier(self.oldest_without_rule, Some(initiated));
        }
    }
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// What is on the reclaim list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReclaimQueue {
    /// Extents.
    pub extents: u64,
    /// Their payload in bytes.
    pub bytes: u64,
}

/// A walk that is under way. It takes some hundred bytes for each bucket, and nothing for an upload.
#[derive(Debug)]
pub struct CensusWalk {
    now: Timestamp,
    buckets: HashMap<u64, Counted>,
    reclaim: ReclaimQueue,
    /// The row behind which the next step begins, and thereby in which table.
    after: Vec<u8>,
}

#[derive(Debug)]
struct Counted {
    name: BucketName,
    rules: Rules,
    unfinished: Unfinished,
}

/// What a step of a walk found.
#[derive(Debug)]
pub enum CensusStep {
    /// There is more.
    More(CensusWalk),
    /// It was the last.
    Whole(Census),
}

impl Store {
    /// Begins a walk.
    ///
    /// # Errors
    /// [`Error::Meta`].
    pub fn begin_census(&self) -> Result<CensusWalk, Error> {
        let view = self.meta.snapshot();
        let mut buckets = HashMap::new();
        for row in view.scan(Within::prefix(tables::all(Table::Buckets)).range(), Order::Ascending) {
            let (key, value) = row?;
            let bucket = BucketRecord::decode(&key, value)?;
            // Rules that cannot be read abort nothing, and one damaged row must not blind for all other buckets;
            // who carries the rules out complains of it.
            let rules = rules_of(&*view, &bucket).unwrap_or_default();
            let unfinished = Unfinished::default();
            buckets.insert(bucket.id, Counted { name: read_name(&key)?, rules, unfinished });
        }
        let after = tables::all(Table::UploadsByAge);
        Ok(CensusWalk { now: self.clock.now(), buckets, reclaim: ReclaimQueue::default(), after })
    }

    /// Takes the next step of a walk, which reads a page of a thousand rows at most.
    ///
    /// # Errors
    /// [`Error::Meta`]; the walk is lost, begin another one.
    pub fn census_step(&self, mut walk: CensusWalk) -> Result<CensusStep, Error> {
        let view = self.meta.snapshot();
        if walk.after.first() == Some(&(Table::UploadsByAge as u8)) {
            walk.after = match walk.count_uploads(&*view)? {
                Some(last) => last,
                None => tables::all(Table::Reclaim),
            };
            return Ok(CensusStep::More(walk));
        }
        match walk.count_reclaim(&*view)? {
            Some(last) => {
                walk.after = last;
                Ok(CensusStep::More(walk))
            }
            None => Ok(CensusStep::Whole(walk.end(self.clock.now()))),
        }
    }
}

impl CensusWalk {
    /// Counts a page of uploads; its last row, or `None` when there is none.
    fn count_uploads(&mut self, view: &dyn View) -> Result<Option<Vec<u8>>, Error> {
        let index = Within::after(&tables::all(Table::UploadsByAge), self.after.clone());
        let held_after = [&[Table::Held as u8], self.after.get(1..).unwrap_or_default()].concat();
        let held = Within::after(&tables::all(Table::Held), held_after);
        let mut held = view.scan(held.range(), Order::Ascending).peekable();
        let mut last = None;
        for row in view.scan(index.range(), Order::Ascending).take(PAGE_ROWS) {
            let (key, value) = row?;
            let id = key.get(1..).unwrap_or_default();
            // The same view shows both rows of an upload or none; one that was lost counts as empty, and `verify`
            // says so.
            let mut bytes = 0;
            while let Some(row) =
                held.next_if(|row| row.as_ref().is_ok_and(|(key, _)| key.get(1..) <= Some(id)))
            {
                let (key, value) = row?;
                if key.get(1..) == Some(id) {
                    bytes = HeldRecord::decode(&key, value)?.bytes;
                }
            }
            let upload = UploadIndexRecord::decode(&key, value)?;
            // A bucket that is not there was deleted, and its uploads are being freed, or is new.
            if let Some(bucket) = self.buckets.get_mut(&upload.bucket) {
                let initiated = tables::read_upload_id(&key)?.initiated();
                bucket.unfinished.count(initiated, bytes, self.now, bucket.rules.cover(&upload.key));
            }
            last = Some(key.to_vec());
        }
        Ok(last)
    }

    /// Counts a page of the reclaim list; its last row, or `None` when there is none.
    fn count_reclaim(&mut self, view: &dyn View) -> Result<Option<Vec<u8>>, Error> {
        let within = Within::after(&tables::all(Table::Reclaim), self.after.clone());
        let mut last = None;
        for row in view.scan(within.range(), Order::Ascending).take(PAGE_ROWS) {
            let (key, value) = row?;
            self.reclaim.extents += 1;
            self.reclaim.bytes += FreedRecord::decode(&key, value)?.len;
            last = Some(key.to_vec());
        }
        Ok(last)
    }

    fn end(self, finished: Timestamp) -> Census {
        let buckets = self.buckets.into_values().map(|counted| (counted.name, counted.unfinished));
        let mut buckets: Vec<_> = buckets.collect();
        buckets.sort_unstable_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        Census { finished, buckets, reclaim: self.reclaim }
    }
}
