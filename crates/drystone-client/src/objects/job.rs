//! One file or object that is to be copied, whichever way.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_sdk_s3::Client;
use serde::Serialize;

use crate::failure::Failure;
use crate::objects::place::Place;
use crate::target::Target;
use crate::transfer::about::About;
use crate::transfer::broken::Broken;
use crate::transfer::download::{self, Span};
use crate::transfer::found::Found;
use crate::transfer::mover::Mover;
use crate::transfer::source::SourceFile;
use crate::transfer::{copy, upload};

/// What is to be done. The client is that of the bucket that is written to, or read from when none is.
#[derive(Clone, Debug)]
pub enum Job {
    /// A file to an object.
    Upload {
        /// Its bucket's client.
        client: Client,
        /// The file.
        path: PathBuf,
        /// The object.
        to: Target,
        /// What it will say about itself.
        about: About,
    },
    /// Standard input to an object.
    UploadStream {
        /// Its bucket's client.
        client: Client,
        /// The object.
        to: Target,
        /// What it will say about itself.
        about: About,
        /// The bytes that will come, if somebody knows.
        expected: Option<u64>,
    },
    /// An object to a file.
    Download {
        /// Its bucket's client.
        client: Client,
        /// The object.
        from: Target,
        /// What is known of it.
        found: Found,
        /// The file.
        path: PathBuf,
    },
    /// An object to standard output.
    DownloadStream {
        /// Its bucket's client.
        client: Client,
        /// The object.
        from: Target,
        /// What is known of it.
        found: Found,
    },
    /// An object to an object.
    Copy {
        /// The client of the source's bucket.
        source: Client,
        /// The client of the target's bucket.
        client: Client,
        /// The source.
        from: Target,
        /// What is known of it.
        found: Found,
        /// The target.
        to: Target,
    },
}

/// What was done, for people and as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// `upload`, `download` or `copy`, as in the AWS CLI.
    pub kind: &'static str,
    /// From where.
    pub from: String,
    /// To where.
    pub to: String,
    /// The bytes of it; null when nobody knows yet.
    pub bytes: Option<u64>,
    /// Whether it was only shown.
    pub dryrun: bool,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printable = crate::output::printable;
        write!(f, "{}: {} to {}", self.kind, printable(&self.from), printable(&self.to))
    }
}

impl Job {
    /// The bytes that will be moved, as far as they are known.
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Self::Upload { path, .. } => fs::metadata(path).ok().map(|about| about.len()),
            Self::UploadStream { expected, .. } => *expected,
            Self::Download { found, .. } | Self::DownloadStream { found, .. } | Self::Copy { found, .. } => {
                Some(found.bytes)
            }
        }
    }

    /// The line that tells of it.
    pub fn line(&self) -> Line {
        let stream = || "-".to_owned();
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        let (kind, from, to) = match self {
            Self::Upload { path, to, .. } => ("upload", shown(path), to.to_string()),
            Self::UploadStream { to, .. } => ("upload", stream(), to.to_string()),
            Self::Download { from, path, .. } => ("download", from.to_string(), shown(path)),
            Self::DownloadStream { from, .. } => ("download", from.to_string(), stream()),
            Self::Copy { from, to, .. } => ("copy", from.to_string(), to.to_string()),
        };
        Line { kind, from, to, bytes: self.bytes(), dryrun: false }
    }

    /// Whether it writes to standard output, so that nothing else may.
    pub fn takes_output(&self) -> bool {
        matches!(self, Self::DownloadStream { .. })
    }

    /// Does it; the bytes that were moved.
    ///
    /// # Errors
    /// Why not, and what became of an upload.
    pub async fn run(self, mover: &Mover) -> Result<u64, Broken> {
        match self {
            Self::Upload { client, path, to, about } => {
                let source = SourceFile::open(&path).await?;
                upload::file(mover, &client, &source, &to, about).await
            }
            Self::UploadStream { client, to, about, expected } => {
                upload::stream(mover, &client, io::stdin(), expected, &to, about).await
            }
            Self::Download { client, from, found, path } => match special(&path)? {
                None => Ok(download::to_file(mover, &client, &from, &found, &path).await?),
                Some(file) => Ok(to_stream(mover, &client, &from, found, file).await?),
            },
            Self::DownloadStream { client, from, found } => {
                Ok(to_stream(mover, &client, &from, found, io::stdout()).await?)
            }
            Self::Copy { source, client, from, found, to } => {
                let found = if found.bytes > copy::SINGLE_BYTES_MAX {
                    // What the object says about itself stands in no listing, and a copy by parts must say it anew.
                    mover.stop.unless(Found::look(&source, &from)).await?
                } else {
                    found
                };
                copy::copy(mover, &client, &from, &found, &to).await
            }
        }
    }
}

async fn to_stream(
    mover: &Mover,
    client: &Client,
    from: &Target,
    found: Found,
    stream: impl io::Write + Send + 'static,
) -> Result<u64, Failure> {
    let span = Span { offset: 0, bytes: found.bytes };
    download::to_stream(mover, client, from, &found, span, stream).await
}

/// The open file, where the path is a pipe or a device: it is written to, and never replaced by a file.
fn special(path: &Path) -> Result<Option<fs::File>, Failure> {
    match fs::metadata(path) {
        Ok(about) if !about.is_file() && !about.is_dir() => {
            let opened = fs::OpenOptions::new().write(true).open(path);
            let doing = || format!("write {}", Place::Local(path.to_owned()));
            opened.map(Some).map_err(|source| Failure::File { doing: doing(), source })
        }
        _ => Ok(None),
    }
}
