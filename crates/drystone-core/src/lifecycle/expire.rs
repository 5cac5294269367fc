//! Expiry: uploads that are due by a rule are aborted.
//!
//! A run walks the uploads of all buckets in the order of their initiation and stops at the first that is too
//! young for every rule, so it looks at no upload that cannot be due. What it found is decided again in the
//! transaction that aborts it: a part that came meanwhile, a Complete or a changed rule wins.

use std::collections::HashMap;

use crate::audit::{Cause, Deed, Event};
use crate::buckets::list::read_name;
use crate::error::Error;
use crate::lifecycle::configure::rules_of;
use crate::lifecycle::rules::{AbortPlan, Rules};
use crate::meta::door::{Order, Tx, View};
use crate::meta::records::{BucketRecord, Record, UploadIndexRecord};
use crate::meta::tables::{self, Table, Within, load};
use crate::names::{BucketName, ObjectKey, Timestamp, UploadId};
use crate::objects::list::not_a_key;
use crate::reclaim::ownership::SEGMENTS_PER_COMMIT;
use crate::store::{Frees, Store};
use crate::uploads::abort::{Aborted, remove_upload};
use crate::uploads::upload::held;

/// Rows of the index that are read at once.
const PAGE_ROWS: usize = 512;

/// An upload that was aborted by a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: Box<str>,
    /// Its id.
    pub upload_id: UploadId,
    /// The rule, and since when it was due.
    pub plan: AbortPlan,
    /// What that freed.
    pub aborted: Aborted,
}

impl Expired {
    fn event(&self) -> Result<Event, Error> {
        let key = ObjectKey::parse(&self.key).map_err(|_| not_a_key(self.key.as_bytes()))?;
        Ok(Event {
            deed: Deed::Aborted(Cause::Rule(self.plan.rule.clone())),
            caller: None,
            bucket: self.bucket.clone(),
            upload: Some((key, self.upload_id)),
            parts: self.aborted.parts.into(),
            bytes: self.aborted.bytes,
        })
    }
}

/// An upload that may be due.
#[derive(Clone, Debug)]
struct Candidate {
    id: UploadId,
    bucket: u64,
    name: BucketName,
    key: Box<str>,
}

impl Store {
    /// Aborts every upload that is due by a rule of its bucket, and tells of each.
    ///
    /// # Errors
    /// [`Error::Meta`]; what was not aborted is due at the next run.
    pub async fn expire_uploads(&self, mut tell: impl FnMut(Expired) + Send) -> Result<(), Error> {
        let now = self.clock.now();
        let (governed, youngest) = {
            let rules = all_rules(&*self.meta.snapshot())?;
            let least_age = rules.values().filter_map(|(_, rules)| rules.least_age_ms()).min();
            let Some(least_age) = least_age else { return Ok(()) };
            (rules, Timestamp(now.0.saturating_sub(least_age)))
        };
        let mut after = tables::all(Table::UploadsByAge);
        loop {
            let mut due = {
                let view = self.meta.snapshot();
                let Some(page) = page(&*view, &governed, after, youngest, now)? else { return Ok(()) };
                after = page.last;
                page.due
            };
            while !due.is_empty() {
                let batch = std::mem::take(&mut due);
                let decide = move |tx: &mut dyn Tx, events: &mut Vec<Event>| {
                    let (expired, rest) = abort_some(tx, &batch, now)?;
                    for one in &expired {
                        events.push(one.event()?);
                    }
                    Ok((expired, rest))
                };
                let (expired, rest) = self.commit_and_tell(Frees::Extents, decide).await?;
                expired.into_iter().for_each(&mut tell);
                due = rest;
            }
        }
    }
}

/// A page of the index.
struct Page {
    /// What is due.
    due: Vec<Candidate>,
    /// Its last row, behind which the next page begins.
    last: Vec<u8>,
}

/// Names and rules of the buckets that have rules, by their numbers.
type Governed = HashMap<u64, (BucketName, Rules)>;

fn all_rules(view: &dyn View) -> Result<Governed, Error> {
    let mut governed = Governed::new();
    for row in view.scan(Within::prefix(tables::all(Table::Buckets)).range(), Order::Ascending) {
        let (key, value) = row?;
        let bucket = BucketRecord::decode(&key, value)?;
        let rules = rules_of(view, &bucket)?;
        if rules.least_age_ms().is_some() {
            governed.insert(bucket.id, (read_name(&key)?, rules));
        }
    }
    Ok(governed)
}

/// The page of the index behind `after`; `None` at the end.
fn page(
    view: &dyn View,
    governed: &Governed,
    after: Vec<u8>,
    youngest: Timestamp,
    now: Timestamp,
) -> Result<Option<Page>, Error> {
    let within = Within::after(&tables::all(Table::UploadsByAge), after);
    let mut due = Vec::new();
    let mut last = None;
    for row in view.scan(within.range(), Order::Ascending).take(PAGE_ROWS) {
        let (row, value) = row?;
        let id = tables::read_upload_id(&row)?;
        if id.initiated() > youngest {
            break;
        }
        let UploadIndexRecord { bucket, key } = UploadIndexRecord::decode(&row, value)?;
        last = Some(row.to_vec());
        let Some((name, rules)) = governed.get(&bucket) else { continue };
        let candidate = Candidate { id, bucket, name: name.clone(), key };
        if plan_of(view, rules, &candidate)?.is_some_and(|plan| plan.due <= now) {
            due.push(candidate);
        }
    }
    Ok(last.map(|last| Page { due, last }))
}

fn plan_of(
    view: &(impl View + ?Sized),
    rules: &Rules,
    upload: &Candidate,
) -> Result<Option<AbortPlan>, Error> {
    Ok(rules.plan(&upload.key, upload.id.initiated(), held(view, &upload.id)?.last_activity))
}

/// Aborts those that are still there and still due, until the transaction is full; what it did, and the rest.
fn abort_some(
    tx: &mut dyn Tx,
    due: &[Candidate],
    now: Timestamp,
) -> Result<(Vec<Expired>, Vec<Candidate>), Error> {
    let mut expired = Vec::new();
    let mut released = 0;
    let mut rest = due.iter();
    while released < SEGMENTS_PER_COMMIT
        && let Some(upload) = rest.next()
    {
        let Candidate { id, bucket, ref name, ref key } = *upload;
        if tx.get(&tables::upload(bucket, key, &id))?.is_none() {
            continue;
        }
        // A bucket that was deleted meanwhile takes its uploads with it, also those that are still there.
        let now_there = load::<BucketRecord>(tx, &tables::bucket(name))?.filter(|now| now.id == bucket);
        let Some(record) = now_there else { continue };
        let plan = plan_of(tx, &rules_of(tx, &record)?, upload)?;
        let Some(plan) = plan.filter(|plan| plan.due <= now) else { continue };
        let (aborted, segments) = remove_upload(tx, bucket, key, &id)?;
        released += segments + aborted.parts as usize;
        expired.push(Expired { bucket: name.clone(), key: key.clone(), upload_id: id, plan, aborted });
    }
    Ok((expired, rest.cloned().collect()))
}
