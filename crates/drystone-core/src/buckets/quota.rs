//! Quotas: what a bucket may hold, unfinished uploads included, and how many uploads it may have open.
//!
//! A quota is compared twice. Before a body is read, so that a client need not send what cannot be kept; and in the
//! transaction that would add it, where nobody can add anything beside it. What is refused changes nothing: an
//! upload whose part does not fit stays open, with all parts that it has, until room is made. Only growth is
//! refused: with a quota that was lowered below what a bucket holds, uploads can still be completed, which moves
//! bytes and adds none, and everything can be replaced by something no larger.

use std::collections::HashMap;

use crate::error::Error;
use crate::meta::door::{MetaError, View};
use crate::meta::records::UsageRecord;
use crate::meta::tables::{self, load};
use crate::names::BucketName;

/// What a bucket may hold; without a limit by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Most bytes of its objects and of the parts of its unfinished uploads together.
    pub bytes_max: Option<u64>,
    /// Most uploads in progress.
    pub uploads_max: Option<u64>,
}

/// The quotas of all buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Of every bucket that has none of its own.
    pub others: Quota,
    /// Of single buckets.
    pub own: HashMap<BucketName, Quota>,
}

/// Which limit of a quota something did not fit under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaLimit {
    /// Bytes.
    Bytes {
        /// What the bucket would hold.
        needed: u64,
        /// What it may hold.
        max: u64,
    },
    /// Uploads in progress.
    Uploads {
        /// How many there may be.
        max: u64,
    },
}

impl std::fmt::Display for QuotaLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes { needed, max } => write!(
                f,
                "it would hold {needed} bytes with its unfinished uploads, and may hold {max}: delete objects or abort \
                 uploads, and try again"
            ),
            Self::Uploads { max } => {
                write!(
                    f,
                    "it has {max} uploads in progress, which is all it may have: complete or abort some, and try again"
                )
            }
        }
    }
}

impl Quotas {
    /// The quota of `bucket`.
    pub(crate) fn of(&self, bucket: &BucketName) -> Quota {
        self.own.get(bucket).copied().unwrap_or(self.others)
    }
}

/// What a bucket held before a transaction added to it; nothing is read for a bucket without a quota.
pub(crate) struct Before<'b> {
    quota: Quota,
    bucket: (u64, &'b BucketName),
    usage: Option<UsageRecord>,
}

impl Quota {
    /// Looks at what the bucket of this number and name holds, before a transaction adds to it.
    pub(crate) fn before<'b>(
        self,
        view: &(impl View + ?Sized),
        id: u64,
        name: &'b BucketName,
    ) -> Result<Before<'b>, MetaError> {
        let is_set = self != Self::default();
        let usage = if is_set { Some(load(view, &tables::usage(id))?.unwrap_or_default()) } else { None };
        Ok(Before { quota: self, bucket: (id, name), usage })
    }
}

impl Before<'_> {
    /// Refuses what the transaction has added, if the bucket may not hold it.
    ///
    /// # Errors
    /// [`Error::QuotaExceeded`].
    pub(crate) fn check(&self, view: &(impl View + ?Sized)) -> Result<(), Error> {
        let Some(before) = &self.usage else { return Ok(()) };
        let after: UsageRecord = load(view, &tables::usage(self.bucket.0))?.unwrap_or_default();
        self.compare(before, &after)
    }

    /// Refuses `bytes` that are going to take the place of `replaced` bytes, before they are sent.
    ///
    /// # Errors
    /// [`Error::QuotaExceeded`].
    pub(crate) fn check_early(
        &self,
        bytes: u64,
        replaced: impl FnOnce() -> Result<u64, Error>,
    ) -> Result<(), Error> {
        let Some(before) = &self.usage else { return Ok(()) };
        let mut after = *before;
        after.bytes = after.bytes.saturating_add(bytes).saturating_sub(replaced()?);
        self.compare(before, &after)
    }

    fn compare(&self, before: &UsageRecord, after: &UsageRecord) -> Result<(), Error> {
        let total = |usage: &UsageRecord| usage.bytes.saturating_add(usage.held_bytes);
        let refuse = |limit| Err(Error::QuotaExceeded { bucket: self.bucket.1.clone(), limit });
        let needed = total(after);
        match self.quota.bytes_max {
            Some(max) if needed > max && needed > total(before) => refuse(QuotaLimit::Bytes { needed, max }),
            _ => match self.quota.uploads_max {
                Some(max) if after.uploads > max && after.uploads > before.uploads => {
                    refuse(QuotaLimit::Uploads { max })
                }
                _ => Ok(()),
            },
        }
    }
}
