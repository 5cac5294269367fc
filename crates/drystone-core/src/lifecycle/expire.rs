//! Expiry: uploads that are due by a rule are aborted.
//!
//! A run walks the uploads of all buckets in the order of their initiation and stops at the first that is too
//! young for every rule, so it looks at no upload that cannot be due. What it found is decided again in the
//! transaction that aborts it: a part that came meanwhile, a Complete or a changed rule wins.
//!
//! Damage stays where it is: an upload, a bucket or its rules that cannot be read keep what belongs to them, the run
//! goes on with all others, and its end tells of the first damage that it met.

use std::collections::HashMap;

use bytes::Bytes;

use crate::audit::{Cause, Deed, Event};
use crate::buckets::list::read_name;
use crate::error::Error;
use crate::lifecycle::configure::rules_of;
use crate::lifecycle::rules::{AbortPlan, Rules};
use crate::meta::door::{MetaError, Order, Tx, View};
use crate::meta::records::{BucketRecord, Record, UploadIndexRecord};
use crate::meta::tables::{self, Table, Within, load};
use crate::names::{BucketName, ObjectKey, Timestamp, UploadId};
use crate::objects::list::not_a_key;
use crate::reclaim::ownership::SEGMENTS_PER_COMMIT;
use crate::store::Store;
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
    /// [`Error::Meta`]; what was not aborted is due at the next run. After [`MetaError::Corrupt`] everything was aborted
    /// that the damage does not concern.
    pub async fn expire_uploads(&self, mut tell: impl FnMut(Expired) + Send) -> Result<(), Error> {
        let now = self.clock.now();
        let mut damage = Damage::default();
        let governed = all_rules(&*self.meta.snapshot(), &mut damage)?;
        let least_age = governed.values().filter_map(|(_, rules)| rules.least_age_ms()).min();
        let Some(least_age) = least_age else { return damage.end() };
        let youngest = Timestamp(now.0.saturating_sub(least_age));
        let mut after = tables::all(Table::UploadsByAge);
        loop {
            let page = page(&*self.meta.snapshot(), &governed, after, youngest, now, &mut damage)?;
            let Some(page) = page else { return damage.end() };
            after = page.last;
            let mut batches = vec![page.due];
            while let Some(batch) = batches.pop() {
                match self.abort_due(batch.clone(), now).await {
                    Ok((expired, rest)) => {
                        expired.into_iter().for_each(&mut tell);
                        batches.extend((!rest.is_empty()).then_some(rest));
                    }
                    // One by one, all are aborted but those that are damaged.
                    Err(error) if batch.len() > 1 && is_damage(&error) => {
                        batches.extend(batch.chunks(1).map(<[_]>::to_vec));
                    }
                    Err(error) => damage.noted::<()>(Err(error)).map(drop)?,
                }
            }
        }
    }

    /// Aborts in one transaction what is still due, as much as fits; what it did, and the rest.
    async fn abort_due(
        &self,
        due: Vec<Candidate>,
        now: Timestamp,
    ) -> Result<(Vec<Expired>, Vec<Candidate>), Error> {
        let decide = move |tx: &mut dyn Tx, events: &mut Vec<Event>| {
            let (expired, rest) = abort_some(tx, &due, now)?;
            for one in &expired {
                events.push(one.event()?);
            }
            Ok((expired, rest))
        };
        self.commit_and_tell(decide).await
    }
}

/// The first damage that a run met.
#[derive(Default)]
struct Damage(Option<Error>);

impl Damage {
    /// `None` for what is damaged, which is remembered; any other error ends the run.
    fn noted<T>(&mut self, read: Result<T, Error>) -> Result<Option<T>, Error> {
        match read {
            Err(error) if is_damage(&error) => {
                self.0.get_or_insert(error);
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    fn end(self) -> Result<(), Error> {
        self.0.map_or(Ok(()), Err)
    }
}

fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Meta(MetaError::Corrupt { .. }))
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

fn all_rules(view: &dyn View, damage: &mut Damage) -> Result<Governed, Error> {
    let mut governed = Governed::new();
    for row in view.scan(Within::prefix(tables::all(Table::Buckets)).range(), Order::Ascending) {
        let (key, value) = row?;
        let read = BucketRecord::decode(&key, value).map_err(Error::from).and_then(|bucket| {
            let rules = rules_of(view, &bucket)?;
            Ok((bucket.id, (read_name(&key)?, rules)))
        });
        governed.extend(damage.noted(read)?.filter(|(_, (_, rules))| rules.least_age_ms().is_some()));
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
    damage: &mut Damage,
) -> Result<Option<Page>, Error> {
    let within = Within::after(&tables::all(Table::UploadsByAge), after);
    let mut due = Vec::new();
    let mut last = None;
    for row in view.scan(within.range(), Order::Ascending).take(PAGE_ROWS) {
        let (row, value) = row?;
        let id = damage.noted(tables::read_upload_id(&row).map_err(Error::from))?;
        if id.is_some_and(|id| id.initiated() > youngest) {
            break;
        }
        last = Some(row.to_vec());
        let Some(id) = id else { continue };
        due.extend(damage.noted(candidate(view, governed, id, (&row, value), now))?.flatten());
    }
    Ok(last.map(|last| Page { due, last }))
}

/// The upload of a row of the index, where it is due.
fn candidate(
    view: &dyn View,
    governed: &Governed,
    id: UploadId,
    (row, value): (&[u8], Bytes),
    now: Timestamp,
) -> Result<Option<Candidate>, Error> {
    let UploadIndexRecord { bucket, key } = UploadIndexRecord::decode(row, value)?;
    let Some((name, rules)) = governed.get(&bucket) else { return Ok(None) };
    let candidate = Candidate { id, bucket, name: name.clone(), key };
    let plan = plan_of(view, rules, &candidate)?;
    Ok(plan.is_some_and(|plan| plan.due <= now).then_some(candidate))
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
