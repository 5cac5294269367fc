//! The workloads, grouped by what they share: objects that are put, read and deleted; objects that are deleted
//! 1,000 at a time; one long stream; an upload in parts; uploads of 10,000 parts; listings; listings of keys with many
//! versions; uploads that are aborted; connections that rest; memory under many uploads; very many open uploads; a
//! store of very many keys.
//!
//! A scenario makes what its workloads need, measures those that are wanted, and removes what it made.

mod objects;
mod batch;
mod stream;
mod multipart;
mod bytes_back;
mod many_parts;
mod list;
mod versions;
mod uploads;
mod idle;
mod memory;
mod abort_jobs;
mod many_uploads;
mod start;
mod grown;

use std::time::Duration;

use crate::failure::Failure;
use crate::measurement::Workload;
use crate::stage::Stage;

pub use self::memory::MEMORY;

/// How long a step that is done a fixed number of times may take.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);

/// How long it may take to make or remove what a very large store holds.
const LONG_PATIENCE: Duration = Duration::from_hours(6);

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
    /// A listing of keys with many versions.
    Versions,
    /// Uploads that are created and aborted.
    Uploads,
    /// Many long uploads at once.
    Memory,
    /// Connections that rest.
    Idle,
    /// Very many open uploads.
    ManyUploads,
    /// A store of very many keys.
    Grown,
}

impl Scenario {
    /// All, in the order in which they are played.
    pub const ALL: [Self; 14] = [
        Self::SmallObjects,
        Self::MediumObjects,
        Self::LargeObjects,
        Self::Batch,
        Self::Stream,
        Self::Multipart,
        Self::ManyParts,
        Self::List,
        Self::Versions,
        Self::Uploads,
        Self::Idle,
        Self::Memory,
        Self::ManyUploads,
        Self::Grown,
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
            Self::Versions => &versions::WORKLOADS,
            Self::Uploads => &uploads::WORKLOADS,
            Self::Memory => &memory::WORKLOADS,
            Self::Idle => &idle::WORKLOADS,
            Self::ManyUploads => &many_uploads::WORKLOADS,
            Self::Grown => &grown::WORKLOADS,
        }
    }

    /// Whether a plain file server can play it.
    pub fn is_plain(self) -> bool {
        matches!(
            self,
            Self::SmallObjects
                | Self::MediumObjects
                | Self::LargeObjects
                | Self::Stream
                | Self::Idle
                | Self::Memory
        )
    }

    /// Whether it writes many times what the others do, and is played only when it is asked for.
    pub fn is_long(self) -> bool {
        matches!(self, Self::Versions | Self::Memory | Self::ManyUploads | Self::Grown)
    }

    /// Whether it shows what size does: of the store, and of its list of uploads.
    pub fn is_growth(self) -> bool {
        matches!(self, Self::ManyUploads | Self::Grown)
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
            Self::Versions => versions::play(stage).await,
            Self::Uploads => uploads::play(stage).await,
            Self::Memory => memory::play(stage).await,
            Self::Idle => idle::play(stage).await,
            Self::ManyUploads => many_uploads::play(stage).await,
            Self::Grown => grown::play(stage).await,
        }
    }
}
