//! Starting a job, and cancelling it.
//!
//! Both are one transaction each, like every batch: a job that is cancelled stops before the next batch, never
//! in the middle of one, and a job is started once.

use crate::abort_jobs::job::{Job, JobError, JobId, Rows, State};
use crate::access::Caller;
use crate::error::Error;
use crate::meta::door::{Tx, View};
use crate::meta::tables::{self, save};
use crate::store::Store;

impl Store {
    /// Starts a previewed job. The worker that waits at [`Store::abort_job_wanted`] carries it out.
    ///
    /// # Errors
    /// [`JobError::NoSuchJob`], [`JobError::NotPreviewed`], [`Error::Meta`].
    pub async fn start_abort_job(&self, caller: &Caller, id: JobId) -> Result<Job, JobError> {
        let (caller, now) = (caller.clone(), self.clock.now());
        let started = self.commit(Vec::new(), move |tx: &mut dyn Tx| {
            let mut rows = match rows_for(tx, &caller, id)? {
                Ok(rows) => rows,
                Err(refusal) => return Ok(Err(refusal)),
            };
            if rows.job.state != State::Previewed {
                return Ok(Err(JobError::NotPreviewed(id, rows.job.state)));
            }
            rows.job.state = State::Running;
            rows.job.started = now;
            save(tx, tables::abort_job(id), &rows.job);
            Ok(Ok(rows.into_job(id)))
        });
        let job = started.await??;
        self.want_abort_job();
        Ok(job)
    }

    /// Cancels a job; one that has ended stays as it is. What is aborted stays aborted.
    ///
    /// # Errors
    /// [`JobError::NoSuchJob`], [`Error::Meta`].
    pub async fn cancel_abort_job(&self, caller: &Caller, id: JobId) -> Result<Job, JobError> {
        let (caller, now) = (caller.clone(), self.clock.now());
        let cancelled = self.commit(Vec::new(), move |tx: &mut dyn Tx| {
            let mut rows = match rows_for(tx, &caller, id)? {
                Ok(rows) => rows,
                Err(refusal) => return Ok(Err(refusal)),
            };
            if !rows.job.state.is_end() {
                rows.job.state = State::Cancelled;
                rows.job.finished = now;
                save(tx, tables::abort_job(id), &rows.job);
            }
            Ok(Ok(rows.into_job(id)))
        });
        cancelled.await?
    }
}

/// The rows of a job of the caller's; another account's does not exist for them.
pub(crate) fn rows_for(
    view: &(impl View + ?Sized),
    caller: &Caller,
    id: JobId,
) -> Result<Result<Rows, JobError>, Error> {
    let rows = Rows::load(view, id)?.filter(|rows| rows.selection.owner == caller.account);
    Ok(rows.ok_or_else(|| JobError::NoSuchJob(id.to_string())))
}
