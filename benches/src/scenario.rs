//! The workloads, grouped by what they share: objects that are put, read and deleted; objects that are deleted
//! 1,000 at a time; one long stream; an upload in parts; uploads of 10,000 parts; listings; uploads that are
//! aborted; memory under many uploads; a bulk abort.
//!
//! A scenario makes what its workloads need, measures those that are wanted, and removes what it made.

mod objects;
mod batch;
mod stream;
mod multipart;
mod bytes_back;
mod many_parts;
mod list;
mod uploads;
mod memory;
mod abort_jobs;

use std::time::Duration;

use crate::failure::Failure;
use crate::measurement::Workload;
use crate::stage::Stage;

pub use self::abort_jobs::ABORT_JOB;
pub use self::memory::MEMORY;

/// How long a step that is done a fixed number of times may take.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Objects of 4 KiB.
    SmallObjects,
    /// Objects of 64 KiB.
    MediumObjects,
    /// Objects of 1 MiB.
    LargeObjects,
    /// Small objects that are deleted 1,000 at a time.
    Batch,
    /// One object of 1 GiB in one piece.
    Stream,
    /// One object of 1 GiB in parts.
    Multipart,
    /// Uploads of 10,000 parts.
    ManyParts,
    /// Listings.
    List,
    /// Uploads that are created and aborted.
    Uploads,
    /// Many long uploads at once.
    Memory,
    /// A bulk abort of very many uploads.
    AbortJobs,
}

impl Scenario {
    /// All, in the order in which they are played.
    pub const ALL: [Self; 11] = [
        Self::SmallObjects,
        Self::MediumObjects,
        Self::LargeObjects,
        Self::Batch,
        Self::Stream,
        Self::Multipart,
        Self::ManyParts,
        Self::List,
        Self::Uploads,
        Self::Memory,
        Self::AbortJobs,
    ];

    /// Its workloads, in order.
    pub fn workloads(self) -> &'static [Workload] {
        match self {
            Self::SmallObjects => objects::SMALL.workloads(),
            Self::MediumObjects => objects::MEDIUM.workloads(),
            Self::LargeObjects => objects::LARGE.workloads(),
            Self::Batch => &batch::WORKLOADS,
            Self::Stream => &stream::WORKLOADS,
            Self::Multipart => &multipart::WORKLOADS,
            Self::ManyParts => &many_parts::WORKLOADS,
            Self::List => &list::WORKLOADS,
            Self::Uploads => &uploads::WORKLOADS,
            Self::Memory => &memory::WORKLOADS,
            Self::AbortJobs => &abort_jobs::WORKLOADS,
        }
    }

    /// Whether a plain file server can play it.
    pub fn is_plain(self) -> bool {
        matches!(
            self,
            Self::SmallObjects | Self::MediumObjects | Self::LargeObjects | Self::Stream | Self::Memory
        )
    }

    /// Plays it on `stage`.
    ///
    /// # Errors
    /// [`Failure`]: what it needs could not be made, or a workload could not be measured.
    pub async fn play(self, stage: &Stage<'_>) -> Result<(), Failure> {
        match self {
            Self::SmallObjects => objects::play(stage, &objects::SMALL).await,
            Self::MediumObjects => objects::play(stage, &objects::MEDIUM).await,
            Self::LargeObjects => objects::play(stage, &objects::LARGE).await,
            Self::Batch => batch::play(stage).await,
            Self::Stream => stream::play(stage).await,
            Self::Multipart => multipart::play(stage).await,
            Self::ManyParts => many_parts::play(stage).await,
            Self::List => list::play(stage).await,
            Self::Uploads => uploads::play(stage).await,
            Self::Memory => memory::play(stage).await,
            Self::AbortJobs => abort_jobs::play(stage).await,
        }
    }
}
