//! The rows of abort jobs: each job has its two, and its buckets add up to it.

use std::collections::BTreeMap;

use crate::abort_jobs::job::{Counts, JobId};
use crate::error::Error;
use crate::meta::door::View;
use crate::meta::records::{AbortBucketRecord, AbortJobRecord, AbortSelectionRecord, Record};
use crate::meta::tables::{self, Table};
use crate::reclaim::verify::Walk;
use crate::reclaim::verify::rows::all;

/// What the rows of a job's buckets say together.
#[derive(Default)]
struct Sums {
    planned: Counts,
    aborted: Counts,
}

impl Walk<'_> {
    /// Without its selection nobody would know what a job may abort; with a bucket too few or too many its
    /// receipt would be wrong.
    pub(super) fn abort_jobs(&mut self, view: &dyn View) -> Result<(), Error> {
        let mut sums: BTreeMap<JobId, Sums> = BTreeMap::new();
        for row in all(view, Table::AbortBuckets) {
            let (key, value) = row?;
            let read = tables::read_abort_bucket_key(&key)
                .and_then(|(id, _)| Ok((id, AbortBucketRecord::decode(&key, value)?)));
            let Some((id, record)) = self.report.sound("a bucket of an abort job", read)? else { continue };
            let sum = sums.entry(id).or_default();
            sum.planned.plus(record.planned);
            sum.aborted.plus(record.aborted);
        }
        for row in all(view, Table::AbortJobs) {
            let (key, value) = row?;
            self.report.abort_jobs += 1;
            let read = tables::read_number_key(&key)
                .and_then(|id| Ok((JobId(id), AbortJobRecord::decode(&key, value)?)));
            let Some((id, job)) = self.report.sound("an abort job", read)? else { continue };
            self.named.number(id.0);
            if view.get(&tables::abort_selection(id))?.is_none() {
                self.report.problem(format!("abort job {id}: its selection is missing"));
            }
            let sum = sums.remove(&id).unwrap_or_default();
            for (what, said, sum) in
                [("planned", job.planned, sum.planned), ("aborted", job.aborted, sum.aborted)]
            {
                if said != sum {
                    self.report
                        .problem(format!("abort job {id}: it {what} {said:?}, but its buckets say {sum:?}"));
                }
            }
        }
        for id in sums.into_keys() {
            self.report.problem(format!("abort job {id}: it has buckets, but does not exist"));
        }
        for row in all(view, Table::AbortSelections) {
            let (key, value) = row?;
            let read = tables::read_number_key(&key)
                .and_then(|id| AbortSelectionRecord::decode(&key, value).map(|_| JobId(id)));
            let Some(id) = self.report.sound("the selection of an abort job", read)? else { continue };
            if view.get(&tables::abort_job(id))?.is_none() {
                self.report.problem(format!("abort job {id}: it has a selection, but does not exist"));
            }
        }
        Ok(())
    }
}
