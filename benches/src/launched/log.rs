//! What a process of ours says, in a file that does not fill the disk.
//!
//! A server has a line for each request: 20 GB of them while 10^8 objects are put. Only the end is ever shown, so what is
//! there is thrown away whenever it has become too much.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// How long a log becomes before it is emptied, in bytes; what is said until the next look comes on top.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How often its length is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How much of it is shown when something went wrong, in bytes.
const SHOWN_BYTES: usize = 4_000;

/// A file for the output of a process.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// Whoever watches its length ends with this.
    _watched: SyncSender<()>,
}

impl Log {
    /// Opens `path`, or makes it; what is said is added to what is there.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        Self::of_at_most(path, BYTES_MAX)
    }

    fn of_at_most(path: PathBuf, max: u64) -> Result<Self> {
        // In append mode each write goes to the end, wherever that is by then.
        let file = File::options().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("open {}", path.display()))?;
        let watched = file.try_clone().context("share a log")?;
        let (ends, ended) = sync_channel::<()>(0);
        let watch = move || {
            while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                if empty_beyond(max, &watched).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("log".into()).spawn(watch).context("start a thread")?;
        Ok(Self { path, file, _watched: ends })
    }

    /// A handle for a process to write to.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn share(&self) -> Result<File> {
        self.file.try_clone().context("share a log")
    }

    /// The end of what was said.
    pub(super) fn end(&self) -> String {
        let text = fs::read(&self.path).unwrap_or_default();
        let from = text.len().saturating_sub(SHOWN_BYTES);
        String::from_utf8_lossy(text.get(from..).unwrap_or_default()).into_owned()
    }
}

fn empty_beyond(max: u64, file: &File) -> io::Result<()> {
    if file.metadata()?.len() > max { file.set_len(0) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_log_that_became_too_long_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::of_at_most(folder.path().join("log"), 1_000).unwrap();
        let mut process = log.share().unwrap();
        process.write_all(&[b'x'; 1_000]).unwrap();
        process.write_all(b"y").unwrap();
        while process.metadata().unwrap().len() > 1_000 {
            thread::yield_now();
        }
        process.write_all(b"the last words").unwrap();
        assert_eq!(log.end(), "the last words");
    }

    #[test]
    fn a_log_that_is_not_too_long_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::options().create(true).append(true).open(folder.path().join("log")).unwrap();
        (&file).write_all(&[b'x'; 1_000]).unwrap();
        empty_beyond(1_000, &file).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 1_000);
        empty_beyond(999, &file).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 0);
    }
}
