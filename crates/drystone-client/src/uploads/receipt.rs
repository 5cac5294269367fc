//! What was aborted, and what was not: the record that a clean-up leaves.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::failure::Failure;
use crate::moment;
use crate::uploads::outcome::Outcome;
use crate::uploads::upload::Upload;

/// Uploads, their parts, and the bytes of those.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Sum {
    /// Number of uploads.
    pub uploads: u64,
    /// Number of their parts.
    pub parts: u64,
    /// The parts' bytes.
    pub bytes: u64,
}

impl Sum {
    /// Counts an upload.
    pub fn add(&mut self, upload: &Upload) {
        self.uploads += 1;
        self.parts += upload.parts();
        self.bytes = self.bytes.saturating_add(upload.bytes());
    }

    /// Adds another sum.
    pub fn add_all(&mut self, other: Self) {
        self.uploads += other.uploads;
        self.parts += other.parts;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// How the uploads were aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Means {
    /// One request, or several, for each.
    Requests,
    /// A job that the server ran.
    Job,
}

/// Which uploads were meant, as absolute as it was when they were chosen.
#[derive(Clone, Debug, Serialize)]
pub struct Meant {
    /// What was named, as `s3://bucket/prefix`; empty for all buckets.
    pub targets: Vec<String>,
    /// The one upload that was named.
    pub id: Option<String>,
    /// Whether `--all` was spelled out.
    pub all: bool,
    /// Only uploads that were initiated before this time.
    #[serde(serialize_with = "moment::json::time_or_null")]
    pub initiated_before: Option<Timestamp>,
    /// Only uploads without a sign of life since this time.
    #[serde(serialize_with = "moment::json::time_or_null")]
    pub idle_since_before: Option<Timestamp>,
}

/// One upload and what became of it.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// The upload as it was planned.
    #[serde(flatten)]
    pub upload: Upload,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it is not aborted.
    pub error: Option<String>,
}

impl Entry {
    /// An upload's entry.
    pub fn new(upload: Upload, outcome: Outcome) -> Self {
        let error = outcome.why();
        Self { upload, outcome, error }
    }
}

/// The record of a clean-up.
#[derive(Debug, Serialize)]
pub struct Receipt {
    /// The program and its version.
    pub tool: &'static str,
    /// The server's address.
    pub server: String,
    /// Which uploads were meant.
    pub meant: Meant,
    /// How they were aborted.
    pub means: Means,
    /// When the command began.
    #[serde(serialize_with = "moment::json::time")]
    pub started: Timestamp,
    /// When it ended.
    #[serde(serialize_with = "moment::json::time")]
    pub finished: Timestamp,
    /// What was to be aborted.
    pub planned: Sum,
    /// What was aborted.
    pub aborted: Sum,
    /// Uploads that were no more when their turn came.
    pub already_gone: u64,
    /// Uploads that were left alone because they had changed.
    pub spared: u64,
    /// Uploads that could not be aborted.
    pub failed: u64,
    /// Uploads whose turn did not come.
    pub not_tried: u64,
    /// Whether a second listing showed none of the aborted ones; null when there was none.
    pub proven: Option<bool>,
    /// Whether somebody stopped the command.
    pub interrupted: bool,
    /// The jobs that the server ran, with its own receipts.
    pub jobs: Vec<serde_json::Value>,
    /// Each upload; empty where the server ran a job.
    pub uploads: Vec<Entry>,
}

/// Program and version.
const TOOL: &str = concat!("drystone ", env!("CARGO_PKG_VERSION"));

impl Receipt {
    /// The record of a clean-up that has aborted nothing yet.
    pub fn begin(server: &str, meant: Meant, means: Means, started: Timestamp, planned: Sum) -> Self {
        Self {
            tool: TOOL,
            server: server.to_owned(),
            meant,
            means,
            started,
            finished: started,
            planned,
            aborted: Sum::default(),
            already_gone: 0,
            spared: 0,
            failed: 0,
            not_tried: 0,
            proven: None,
            interrupted: false,
            jobs: Vec::new(),
            uploads: Vec::new(),
        }
    }

    /// Counts the entries.
    pub fn count(&mut self) {
        (self.already_gone, self.spared, self.failed, self.not_tried) = (0, 0, 0, 0);
        self.aborted = Sum::default();
        for entry in &self.uploads {
            match entry.outcome {
                Outcome::Aborted => self.aborted.add(&entry.upload),
                Outcome::AlreadyGone => self.already_gone += 1,
                Outcome::Spared(_) => self.spared += 1,
                Outcome::Failed(_) => self.failed += 1,
                Outcome::NotTried => self.not_tried += 1,
            }
        }
    }
}

/// The file for the receipt: made before anything is aborted, so that an abort without a record cannot happen.
#[derive(Debug)]
pub struct ReceiptFile {
    file: File,
    path: PathBuf,
}

impl ReceiptFile {
    /// Makes the file, which must not exist: an older receipt is never overwritten.
    ///
    /// # Errors
    /// When it exists or cannot be made.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let made = OpenOptions::new().write(true).create_new(true).open(path);
        let file = made.map_err(|error| {
            Failure::Usage(format!(
                "make the receipt {}: {error}; name a new file in a folder of yours",
                path.display()
            ))
        })?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Writes the receipt.
    ///
    /// # Errors
    /// When the file takes no more.
    pub fn write(mut self, receipt: &Receipt) -> Result<(), Failure> {
        let failed =
            |source| Failure::File { doing: format!("write the receipt {}", self.path.display()), source };
        let mut text = serde_json::to_vec_pretty(receipt).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        self.file.write_all(&text).and_then(|()| self.file.flush()).map_err(failed)
    }

    /// Removes the file again: nothing was aborted.
    pub fn discard(self) {
        // An empty file that stays is no receipt of anything.
        drop(std::fs::remove_file(&self.path));
    }
}
