//! Sums over uploads.

use std::collections::HashSet;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use crate::moment::{self, Age};
use crate::output::counted;
use crate::size::Size;
use crate::uploads::upload::Upload;

/// What many uploads hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Number of buckets that they are in.
    pub buckets: u64,
    /// Number of uploads.
    pub uploads: u64,
    /// Their parts.
    pub parts: u64,
    /// The bytes of those.
    pub bytes: u64,
    /// Uploads whose parts are not known, and so not counted above.
    pub unknown: u64,
    /// When the oldest was created.
    #[serde(serialize_with = "moment::json::time_or_null")]
    pub oldest: Option<Timestamp>,
    #[serde(skip)]
    names: HashSet<String>,
}

impl Totals {
    /// Counts an upload.
    pub fn add(&mut self, upload: &Upload) {
        if !self.names.contains(&upload.bucket) {
            self.names.insert(upload.bucket.clone());
            self.buckets += 1;
        }
        self.uploads += 1;
        self.parts += upload.parts();
        self.bytes = self.bytes.saturating_add(upload.bytes());
        self.unknown += u64::from(upload.held.is_none());
        self.oldest = match (self.oldest, upload.initiated) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// The sums of these uploads.
    pub fn of<'a>(uploads: impl IntoIterator<Item = &'a Upload>) -> Self {
        let mut totals = Self::default();
        uploads.into_iter().for_each(|upload| totals.add(upload));
        totals
    }

    /// In words: `2 uploads with 7 parts and 35.0 MiB in 1 bucket; the oldest was started 3d 4h ago`.
    pub fn sentence(&self, now: Timestamp) -> String {
        let mut text = format!(
            "{} with {} and {} in {}",
            counted(self.uploads, "upload"),
            counted(self.parts, "part"),
            Size(self.bytes),
            counted(self.buckets, "bucket")
        );
        if self.unknown > 0 {
            // Writing to a String cannot fail.
            let _ = write!(text, ", not counting the parts of {}", counted(self.unknown, "upload"));
        }
        if let Some(then) = self.oldest {
            let _ = write!(text, "; the oldest was started {} ago", Age { now, then });
        }
        text
    }
}
