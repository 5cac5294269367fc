//! One batch of a running job.
//!
//! (1) In a snapshot, look at a page of the bucket's uploads behind the job's place and choose those that
//! match. (2) In one transaction, judge each again as it is now, abort it, and keep the job's new place and its
//! counts. So a crash or a restart repeats nothing and forgets nothing, an upload that got a part meanwhile is
//! spared, and the count of a receipt is exact. Without the second look a part that was acknowledged between
//! (1) and (2) would be lost.

use std::ops::Bound;

use bytes::Bytes;

use crate::abort_jobs::job::{Counts, Job, JobId, Rows, State};
use crate::abort_jobs::selection::Conditions;
use crate::access::Caller;
use crate::audit::{Cause, Deed, Event};
use crate::error::Error;
use crate::meta::door::{MetaError, Order, Tx, View};
use crate::meta::records::{AbortBucketRecord, BucketRecord, HeldRecord, Record, UploadRecord};
use crate::meta::tables::{self, Within, load, save};
use crate::names::{AccountId, BucketName, ObjectKey, Timestamp};
use crate::objects::list::not_a_key;
use crate::planted::{Mistake, planted};
use crate::reclaim::ownership::SEGMENTS_PER_COMMIT;
use crate::store::Store;
use crate::uploads::abort::remove_upload;
use crate::uploads::upload::held;

/// Most uploads that one transaction aborts. The lane takes 25 microseconds for each of them (measured), so that
/// other commands wait some 6 milliseconds for a batch without parts.
pub const UPLOADS_PER_COMMIT: usize = 256;
/// Most rows of uploads that one batch looks at.
const ROWS_PER_BATCH: usize = 4_096;
/// Longest error that is kept, in characters.
const ERROR_CHARS_MAX: usize = 500;

/// What a batch did. What became of each upload is told to the [audit](crate::audit).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Advanced {
    /// What it aborted.
    pub aborted: Counts,
    /// The uploads that it could not abort: which, and why.
    pub failed: Vec<String>,
    /// The job afterwards; `None` when nothing was done, because it does not run any more.
    pub job: Option<Job>,
}

/// Where a job is: in which bucket, and behind which row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    bucket: u64,
    position: Bytes,
}

impl Place {
    /// After everything in `bucket`.
    fn behind(bucket: u64) -> Self {
        Self { bucket: bucket.saturating_add(1), position: Bytes::new() }
    }
}

/// An upload that seemed to match, or could not be read.
#[derive(Clone, Debug)]
struct Candidate {
    row: Bytes,
    /// Why it cannot be aborted.
    damage: Option<String>,
}

/// What one transaction is to do.
#[derive(Clone, Debug)]
struct Batch {
    id: JobId,
    from: Place,
    /// The bucket's number and name; `None` when no bucket is left.
    within: Option<(u64, BucketName)>,
    candidates: Vec<Candidate>,
    /// Where the job is when all candidates are done.
    to: Place,
}

impl Store {
    /// Carries out the next batch of a running job.
    ///
    /// # Errors
    /// [`Error::Meta`]; the job stays where it was. A damaged upload is counted instead, and passed by.
    pub async fn advance_abort_job(&self, id: JobId) -> Result<Advanced, Error> {
        let Some(mut batch) = plan(&*self.meta.snapshot(), id)? else { return Ok(Advanced::default()) };
        let now = self.clock.now();
        loop {
            let tried = batch.clone();
            let decide = move |tx: &mut dyn Tx, events: &mut Vec<Event>| carry_out(tx, events, &tried, now);
            match self.commit_and_tell(decide).await {
                // One of them cannot be read whole: the first half goes alone, down to the one.
                Err(Error::Meta(error @ MetaError::Corrupt { .. })) if batch.halve(&error) => {}
                outcome => return outcome,
            }
        }
    }
}

impl Batch {
    /// Leaves the second half of the candidates to the next batch; of a last one, takes `error` for its damage.
    /// `false` when that is known already, so that something else is damaged.
    fn halve(&mut self, error: &MetaError) -> bool {
        let Some((bucket, _)) = self.within else { return false };
        self.candidates.truncate((self.candidates.len() / 2).max(1));
        let Some(last) = self.candidates.last_mut() else { return false };
        let to = Place { bucket, position: last.row.clone() };
        if to == self.to {
            let known = last.damage.replace(error.to_string());
            return known.is_none();
        }
        self.to = to;
        true
    }
}

/// Looks at what comes next; `None` when the job does not run.
fn plan(view: &dyn View, id: JobId) -> Result<Option<Batch>, Error> {
    let running = Rows::load(view, id)?.filter(|rows| rows.job.state == State::Running);
    let Some(Rows { selection, job }) = running else { return Ok(None) };
    let from = Place { bucket: job.bucket, position: job.position };
    let Some((bucket, record)) = next_bucket(view, id, from.bucket)? else {
        return Ok(Some(Batch { id, within: None, candidates: Vec::new(), to: from.clone(), from }));
    };
    let prefix = tables::uploads_prefix(bucket, &selection.conditions.prefix);
    let begun = bucket == from.bucket && !from.position.is_empty();
    let rows = Within::after(&prefix, if begun { from.position.to_vec() } else { prefix.clone() });
    let to = from.clone();
    let mut batch = Batch { id, from, within: Some((bucket, record.name)), candidates: Vec::new(), to };
    for (seen, row) in (1..).zip(view.scan(rows.range(), Order::Ascending)) {
        let (row, value) = row?;
        batch.to = Place { bucket, position: row.clone() };
        match matching(view, &selection.conditions, &row, value) {
            Ok(None) => {}
            Ok(Some(_)) => batch.candidates.push(Candidate { row, damage: None }),
            Err(Error::Meta(error @ MetaError::Corrupt { .. })) => {
                batch.candidates.push(Candidate { row, damage: Some(error.to_string()) });
            }
            Err(error) => return Err(error),
        }
        if batch.candidates.len() == UPLOADS_PER_COMMIT || seen == ROWS_PER_BATCH {
            return Ok(Some(batch));
        }
    }
    batch.to = Place::behind(bucket);
    Ok(Some(batch))
}

/// Does what was planned, if the job is still there and runs.
fn carry_out(
    tx: &mut dyn Tx,
    events: &mut Vec<Event>,
    batch: &Batch,
    now: Timestamp,
) -> Result<Advanced, Error> {
    let running = Rows::load(tx, batch.id)?.filter(|rows| rows.job.state == State::Running);
    let Some(mut rows) = running else { return Ok(Advanced::default()) };
    let mut advanced = Advanced::default();
    if (rows.job.bucket, &rows.job.position) != (batch.from.bucket, &batch.from.position) {
        return Ok(advanced);
    }
    let place = match &batch.within {
        None => {
            rows.job.state = if rows.job.failed == 0 { State::Done } else { State::Failed };
            rows.job.finished = now;
            batch.to.clone()
        }
        Some((bucket, name)) if lives(tx, *bucket, name, &rows.selection.owner)? => {
            abort_some(tx, events, batch, (*bucket, name), &mut rows, &mut advanced)?
        }
        // Its uploads went with it, or are about to.
        Some((bucket, _)) => Place::behind(*bucket),
    };
    (rows.job.bucket, rows.job.position) = (place.bucket, place.position);
    save(tx, tables::abort_job(batch.id), &rows.job);
    advanced.job = Some(rows.into_job(batch.id));
    Ok(advanced)
}

/// Whether the bucket is the one that was previewed, and still the owner's.
fn lives(tx: &dyn Tx, bucket: u64, name: &BucketName, owner: &AccountId) -> Result<bool, Error> {
    let there: Option<BucketRecord> = load(tx, &tables::bucket(name))?;
    Ok(there.is_some_and(|there| there.id == bucket && there.owner == *owner))
}

/// Aborts the candidates that are still there and still match, until the transaction is full; where that is.
fn abort_some(
    tx: &mut dyn Tx,
    events: &mut Vec<Event>,
    batch: &Batch,
    (bucket, name): (u64, &BucketName),
    rows: &mut Rows,
    advanced: &mut Advanced,
) -> Result<Place, Error> {
    let mut released = 0;
    let mut place = batch.to.clone();
    let mut done = None;
    for candidate in &batch.candidates {
        if released >= SEGMENTS_PER_COMMIT
            && let Some(position) = done
        {
            place = Place { bucket, position };
            break;
        }
        done = Some(candidate.row.clone());
        let Some(value) = tx.get(&candidate.row)? else { continue };
        if let Some(damage) = &candidate.damage {
            let error = format!("{} could not be aborted: {damage}", shown(name, &candidate.row));
            rows.job.failed = rows.job.failed.saturating_add(1);
            rows.job.last_error = error.chars().take(ERROR_CHARS_MAX).collect::<String>().into();
            advanced.failed.push(error);
            continue;
        }
        let still = matching(tx, &rows.selection.conditions, &candidate.row, value)?.is_some();
        if !still && !planted(Mistake::JobJudgesOnce) {
            continue;
        }
        let (key, upload_id) = tables::read_upload_key(&candidate.row)?;
        let (aborted, segments) = remove_upload(tx, bucket, &key, &upload_id)?;
        released += segments + aborted.parts as usize;
        advanced.aborted.add(aborted.parts, aborted.bytes);
        let key = ObjectKey::parse(&key).map_err(|_| not_a_key(&candidate.row))?;
        events.push(Event {
            deed: Deed::Aborted(Cause::Job(batch.id.to_string().into())),
            caller: Some(Caller::of(rows.selection.owner.clone())),
            bucket: name.clone(),
            upload: Some((key, upload_id)),
            parts: aborted.parts.into(),
            bytes: aborted.bytes,
        });
    }
    rows.job.aborted.plus(advanced.aborted);
    let row = tables::abort_bucket(batch.id, bucket);
    let mut record: AbortBucketRecord = load(tx, &row)?.ok_or_else(|| MetaError::Corrupt {
        key: row.escape_ascii().to_string(),
        why: "an abort job has no row for a bucket of its own",
    })?;
    record.aborted.plus(advanced.aborted);
    save(tx, row, &record);
    Ok(place)
}

/// What a person calls the upload in `row`.
fn shown(bucket: &BucketName, row: &[u8]) -> String {
    match tables::read_upload_key(row) {
        Ok((key, id)) => format!("upload {id} of {bucket}/{}", key.escape_debug()),
        Err(_) => format!("the upload in row {} of {bucket}", row.escape_ascii()),
    }
}

/// The first bucket from `bucket` on in which the job has something to do.
fn next_bucket(view: &dyn View, id: JobId, bucket: u64) -> Result<Option<(u64, AbortBucketRecord)>, Error> {
    let all = Within::prefix(tables::abort_buckets_of(id));
    let from = tables::abort_bucket(id, bucket);
    let (_, end) = all.range();
    let first = view.scan((Bound::Included(&from), end), Order::Ascending).next();
    let Some((key, value)) = first.transpose()? else { return Ok(None) };
    Ok(Some((tables::read_abort_bucket_key(&key)?.1, AbortBucketRecord::decode(&key, value)?)))
}

/// What the upload in `row` holds, if it matches.
pub(crate) fn matching(
    view: &(impl View + ?Sized),
    conditions: &Conditions,
    row: &[u8],
    value: Bytes,
) -> Result<Option<HeldRecord>, Error> {
    let id = tables::read_upload_id(row)?;
    let upload = UploadRecord::decode(row, value)?;
    if !conditions.may_hold(&id, &upload.initiator) {
        return Ok(None);
    }
    Ok(Some(held(view, &id)?).filter(|held| conditions.hold_for(held)))
}
