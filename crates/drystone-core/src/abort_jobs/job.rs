//! What a job is, and why one is refused.

use std::fmt;

use crate::abort_jobs::selection::{Age, Conditions};
use crate::error::Error;
use crate::meta::door::{MetaError, View};
use crate::meta::records::{AbortJobRecord, AbortSelectionRecord};
use crate::meta::tables::{self, load};
use crate::names::{AccountId, BucketName, Timestamp};

/// A job's number: from the store's sequence, so that a later one is larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

impl JobId {
    /// Parses the form that [`Display`](fmt::Display) writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Self(text.parse().ok()?);
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was counted; nothing is aborted before it is started.
    Previewed,
    /// It was started.
    Running,
    /// It came to its end, and everything that it selects is gone.
    Done,
    /// It was cancelled; what it had aborted stays aborted.
    Cancelled,
    /// It came to its end, and some uploads could not be aborted.
    Failed,
}

impl State {
    /// The state's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Previewed => "previewed",
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing more will happen.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled | Self::Failed)
    }
}

/// How many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Uploads.
    pub uploads: u64,
    /// Their parts.
    pub parts: u64,
    /// Bytes of the parts.
    pub bytes: u64,
}

impl Counts {
    /// Counts one more upload, with so many parts of so many bytes together.
    pub(crate) fn add(&mut self, parts: u32, bytes: u64) {
        self.plus(Self { uploads: 1, parts: parts.into(), bytes });
    }

    /// Counts what another has counted. Saturates: `verify` compares sums and would say so.
    pub(crate) fn plus(&mut self, other: Self) {
        self.uploads = self.uploads.saturating_add(other.uploads);
        self.parts = self.parts.saturating_add(other.parts);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// A job, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// How far it is.
    pub state: State,
    /// Whose it is: it reaches this account's buckets only.
    pub owner: AccountId,
    /// The buckets that were named; none for all of the owner's.
    pub buckets: Vec<BucketName>,
    /// Whether it was asked to do without a cut-off.
    pub age: Age,
    /// Its conditions, frozen.
    pub conditions: Conditions,
    /// When it was previewed.
    pub created: Timestamp,
    /// When it was started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// What the preview counted.
    pub planned: Counts,
    /// What is aborted so far.
    pub aborted: Counts,
    /// Uploads that could not be aborted.
    pub failed: u64,
    /// Which upload failed last, and why.
    pub last_error: Option<Box<str>>,
}

/// What a job did in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketAborts {
    /// The bucket's name when it was previewed.
    pub bucket: BucketName,
    /// What was aborted in it.
    pub aborted: Counts,
}

/// Why nothing was done about a job.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// There is none with this id, or it is another account's, or it was forgotten.
    #[error("the abort job {0} does not exist; the last 100 are kept")]
    NoSuchJob(String),
    /// It was started, cancelled or has ended.
    #[error("the abort job {0} is {state} and can be started only when it is previewed; preview the selection again", state = .1.name())]
    NotPreviewed(JobId, State),
    /// It has not ended.
    #[error("the abort job {0} is {state} and has no receipt before it has ended; ask again later", state = .1.name())]
    NotEnded(JobId, State),
    /// Every job that is kept is running.
    #[error("{0} abort jobs are running, as many as are kept; wait for one to end, or cancel one")]
    AllRunning(usize),
    /// The selection cannot be meant, or is too large.
    #[error("{0}")]
    Selection(String),
    /// As of any other operation.
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<MetaError> for JobError {
    fn from(error: MetaError) -> Self {
        Self::Store(error.into())
    }
}

/// A job's two rows.
pub(crate) struct Rows {
    /// What does not change.
    pub(crate) selection: AbortSelectionRecord,
    /// What does.
    pub(crate) job: AbortJobRecord,
}

impl Rows {
    /// The rows of the job `id`, which has both or none.
    pub(crate) fn load(view: &(impl View + ?Sized), id: JobId) -> Result<Option<Self>, MetaError> {
        let row = tables::abort_job(id);
        let (job, selection) = (load(view, &row)?, load(view, &tables::abort_selection(id))?);
        match (job, selection) {
            (Some(job), Some(selection)) => Ok(Some(Self { selection, job })),
            (None, None) => Ok(None),
            _ => Err(MetaError::Corrupt {
                key: row.escape_ascii().to_string(),
                why: "an abort job has only one of its two rows",
            }),
        }
    }

    /// Puts the job together.
    pub(crate) fn into_job(self, id: JobId) -> Job {
        let Self { selection, job } = self;
        let moment = |time: Timestamp| Some(time).filter(|time| time.0 != 0);
        Job {
            id,
            state: job.state,
            owner: selection.owner,
            buckets: selection.buckets,
            age: selection.age,
            conditions: selection.conditions,
            created: selection.created,
            started: moment(job.started),
            finished: moment(job.finished),
            planned: job.planned,
            aborted: job.aborted,
            failed: job.failed,
            last_error: Some(job.last_error).filter(|error| !error.is_empty()),
        }
    }
}
