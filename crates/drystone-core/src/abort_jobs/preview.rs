//! Preview: counts what a selection matches, and freezes it into a job that aborts nothing yet.
//!
//! It walks the uploads of each bucket a page at a time, each in a snapshot of its own, and lets others run in
//! between: 10^6 uploads need the memory of one page and keep no old state of the metadata alive.

use std::collections::BTreeMap;
use std::task::Poll;

use bytes::Bytes;

use crate::abort_jobs::advance::matching;
use crate::abort_jobs::job::{Counts, Job, JobError, JobId, Rows, State};
use crate::abort_jobs::selection::{Conditions, Selection};
use crate::abort_jobs::show::states;
use crate::access::Caller;
use crate::buckets::list::ListBuckets;
use crate::error::Error;
use crate::meta::door::{MetaError, Order, Tx, View};
use crate::meta::records::{
    AbortBucketRecord, AbortJobRecord, AbortSelectionRecord, BucketRecord, CountersRecord,
};
use crate::meta::tables::{self, Within, load, next_number, save};
use crate::names::{BucketName, Timestamp};
use crate::store::{Store, bucket_for};

/// Jobs that are kept; the oldest that does not run makes room for a new one.
pub const JOBS_MAX: usize = 100;
/// Most buckets of one job with uploads that match: as many as an account at AWS may have. Each is a row of the
/// transaction that makes the job, and of the one that forgets it.
pub const BUCKETS_MAX: usize = 10_000;
/// Rows of uploads that are looked at in one snapshot.
const PAGE_ROWS: usize = 512;
/// Buckets whose names are read in one snapshot.
const PAGE_BUCKETS: usize = 1_000;
/// What the rows of a job and of one bucket of it take on disk at most, in bytes: names, counts, and once again
/// for the engine's journal.
const ROW_BYTES: u64 = 512;

/// Buckets with uploads that match, by their numbers.
type Matching = BTreeMap<u64, AbortBucketRecord>;

impl Store {
    /// Counts the uploads that `selection` matches now, and keeps it as a job in the state
    /// [`State::Previewed`].
    ///
    /// # Errors
    /// [`JobError::Selection`], [`JobError::AllRunning`]; [`Error::NoSuchBucket`], [`Error::AccessDenied`] for a
    /// named bucket, [`Error::NoSpace`], [`Error::Meta`].
    pub async fn preview_abort_job(&self, caller: &Caller, selection: Selection) -> Result<Job, JobError> {
        let now = self.clock.now();
        let conditions = {
            let counters: Option<CountersRecord> = load(&*self.meta.snapshot(), &tables::counters())?;
            selection.freeze(now, counters.unwrap_or_default().last)?
        };
        let matching = if selection.buckets.is_empty() {
            self.match_all(caller, &conditions).await?
        } else {
            self.match_named(caller, &selection.buckets, &conditions).await?
        };
        let mut planned = Counts::default();
        matching.values().for_each(|bucket| planned.plus(bucket.planned));
        self.room_for_rows((matching.len() + selection.buckets.len()) as u64 * ROW_BYTES)?;
        let job = AbortJobRecord {
            state: State::Previewed,
            started: Timestamp(0),
            finished: Timestamp(0),
            planned,
            aborted: Counts::default(),
            failed: 0,
            last_error: "".into(),
            bucket: 0,
            position: Bytes::new(),
        };
        let Selection { buckets, age, .. } = selection;
        let owner = caller.account.clone();
        let selection = AbortSelectionRecord { owner, created: now, age, conditions, buckets };
        let kept = self.commit(Vec::new(), move |tx: &mut dyn Tx| {
            let running = make_room(tx)?;
            if running >= JOBS_MAX {
                return Ok(Err(JobError::AllRunning(running)));
            }
            let id = JobId(next_number(tx)?);
            save(tx, tables::abort_job(id), &job);
            save(tx, tables::abort_selection(id), &selection);
            for (bucket, record) in &matching {
                save(tx, tables::abort_bucket(id, *bucket), record);
            }
            Ok(Ok(Rows { selection: selection.clone(), job: job.clone() }.into_job(id)))
        });
        kept.await?
    }

    /// Counts in every bucket of the caller's.
    async fn match_all(&self, caller: &Caller, conditions: &Conditions) -> Result<Matching, JobError> {
        let mut matching = Matching::new();
        let mut after = None;
        loop {
            let request = ListBuckets { prefix: String::new(), after, max: PAGE_BUCKETS };
            let page = self.list_buckets(caller, &request)?;
            for bucket in &page.buckets {
                self.match_bucket(caller, &bucket.name, conditions, &mut matching).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(matching);
            }
        }
    }

    /// Counts in the buckets that were named, each of which must be there.
    async fn match_named(
        &self,
        caller: &Caller,
        names: &[BucketName],
        conditions: &Conditions,
    ) -> Result<Matching, JobError> {
        let mut matching = Matching::new();
        for name in names {
            self.head_bucket(caller, name)?;
        }
        for name in names {
            self.match_bucket(caller, name, conditions, &mut matching).await?;
        }
        Ok(matching)
    }

    /// Counts in one bucket; one that was deleted meanwhile holds nothing.
    async fn match_bucket(
        &self,
        caller: &Caller,
        name: &BucketName,
        conditions: &Conditions,
        matching: &mut Matching,
    ) -> Result<(), JobError> {
        let bucket = match bucket_for(&*self.meta.snapshot(), name, caller) {
            Ok(bucket) => bucket,
            Err(Error::NoSuchBucket(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let planned = self.count_matching(&bucket, conditions).await?;
        if planned.uploads == 0 {
            return Ok(());
        }
        if matching.len() >= BUCKETS_MAX && !matching.contains_key(&bucket.id) {
            return Err(JobError::Selection(format!(
                "Uploads in more than {BUCKETS_MAX} buckets match: name the buckets, and make a job for some at a time"
            )));
        }
        let record = AbortBucketRecord { name: name.clone(), planned, aborted: Counts::default() };
        matching.insert(bucket.id, record);
        Ok(())
    }

    async fn count_matching(&self, bucket: &BucketRecord, conditions: &Conditions) -> Result<Counts, Error> {
        let prefix = tables::uploads_prefix(bucket.id, &conditions.prefix);
        let mut counts = Counts::default();
        let mut after = prefix.clone();
        loop {
            let last = {
                let view = self.meta.snapshot();
                count_page(&*view, &Within::after(&prefix, after), conditions, &mut counts)?
            };
            let Some(last) = last else { return Ok(counts) };
            after = last;
            let_others_run().await;
        }
    }
}

/// Counts a page of rows; the key of its last row, `None` when there was none.
fn count_page(
    view: &dyn View,
    within: &Within,
    conditions: &Conditions,
    counts: &mut Counts,
) -> Result<Option<Vec<u8>>, Error> {
    let mut last = None;
    for row in view.scan(within.range(), Order::Ascending).take(PAGE_ROWS) {
        let (key, value) = row?;
        last = Some(key.to_vec());
        match matching(view, conditions, &key, value) {
            Ok(Some(held)) => counts.add(held.parts, held.bytes),
            // What is damaged is named by the job when it comes there.
            Ok(None) | Err(Error::Meta(MetaError::Corrupt { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(last)
}

/// Forgets the oldest job that does not run, when as many are kept as may be; how many run.
fn make_room(tx: &mut dyn Tx) -> Result<usize, Error> {
    let jobs = states(tx, Order::Ascending)?;
    let running = jobs.iter().filter(|(_, state)| *state == State::Running).count();
    let excess = (jobs.len() + 1).saturating_sub(JOBS_MAX);
    let idle = jobs.iter().filter(|(_, state)| *state != State::Running);
    for (id, _) in idle.take(excess) {
        forget(tx, *id)?;
    }
    Ok(running)
}

fn forget(tx: &mut dyn Tx, id: JobId) -> Result<(), Error> {
    let buckets: Vec<Vec<u8>> = {
        let rows = Within::prefix(tables::abort_buckets_of(id));
        tx.scan(rows.range(), Order::Ascending)
            .map(|row| Ok(row?.0.to_vec()))
            .collect::<Result<_, Error>>()?
    };
    tx.delete(tables::abort_job(id));
    tx.delete(tables::abort_selection(id));
    buckets.into_iter().for_each(|row| tx.delete(row));
    Ok(())
}

/// Gives the thread to whoever waits for it.
async fn let_others_run() {
    let mut waited = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
