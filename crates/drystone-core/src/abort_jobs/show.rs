//! How far jobs are, and what they did.

use crate::abort_jobs::control::rows_for;
use crate::abort_jobs::job::{BucketAborts, Job, JobError, JobId, Rows, State};
use crate::access::Caller;
use crate::error::Error;
use crate::meta::door::{Order, View};
use crate::meta::records::{AbortBucketRecord, AbortJobRecord, Record};
use crate::meta::tables::{self, Table, Within};
use crate::store::Store;

/// What a job did, after its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The job.
    pub job: Job,
    /// Its buckets in which something was aborted, in the order of their numbers.
    pub buckets: Vec<BucketAborts>,
}

impl Store {
    /// A job of the caller's.
    ///
    /// # Errors
    /// [`JobError::NoSuchJob`], [`Error::Meta`].
    pub fn abort_job(&self, caller: &Caller, id: JobId) -> Result<Job, JobError> {
        Ok(rows_for(&*self.meta.snapshot(), caller, id)??.into_job(id))
    }

    /// The caller's jobs, the newest first; at most
    /// [`JOBS_MAX`](crate::abort_jobs::preview::JOBS_MAX).
    ///
    /// # Errors
    /// [`Error::Meta`].
    pub fn abort_jobs(&self, caller: &Caller) -> Result<Vec<Job>, JobError> {
        let view = self.meta.snapshot();
        let mut jobs = Vec::new();
        for (id, _) in states(&*view, Order::Descending)? {
            if let Some(rows) = Rows::load(&*view, id)?
                && rows.selection.owner == caller.account
            {
                jobs.push(rows.into_job(id));
            }
        }
        Ok(jobs)
    }

    /// What a job of the caller's did.
    ///
    /// # Errors
    /// [`JobError::NoSuchJob`], [`JobError::NotEnded`], [`Error::Meta`].
    pub fn abort_receipt(&self, caller: &Caller, id: JobId) -> Result<Receipt, JobError> {
        let view = self.meta.snapshot();
        let job = rows_for(&*view, caller, id)??.into_job(id);
        if !job.state.is_end() {
            return Err(JobError::NotEnded(id, job.state));
        }
        let mut buckets = Vec::new();
        for row in view.scan(Within::prefix(tables::abort_buckets_of(id)).range(), Order::Ascending) {
            let (key, value) = row?;
            let AbortBucketRecord { name, aborted, .. } = AbortBucketRecord::decode(&key, value)?;
            if aborted.uploads > 0 {
                buckets.push(BucketAborts { bucket: name, aborted });
            }
        }
        Ok(Receipt { job, buckets })
    }

    /// The jobs that were started and have not ended, the oldest first, of all accounts: for the worker.
    ///
    /// # Errors
    /// [`Error::Meta`].
    pub fn running_abort_jobs(&self) -> Result<Vec<JobId>, Error> {
        let states = states(&*self.meta.snapshot(), Order::Ascending)?;
        Ok(states.into_iter().filter(|(_, state)| *state == State::Running).map(|(id, _)| id).collect())
    }
}

/// All jobs that are kept.
pub(crate) fn states(view: &(impl View + ?Sized), order: Order) -> Result<Vec<(JobId, State)>, Error> {
    let read = |row: crate::meta::door::Row| {
        let (key, value) = row?;
        Ok((JobId(tables::read_number_key(&key)?), AbortJobRecord::decode(&key, value)?.state))
    };
    view.scan(Within::prefix(tables::all(Table::AbortJobs)).range(), order).map(read).collect()
}
