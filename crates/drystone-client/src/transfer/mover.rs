//! What all transfers of a command share: lanes, progress, the wish to stop, and the uploads that are open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::progress::{Counting, Progress};
use crate::stop::Stop;
use crate::transfer::broken::abort_command;
use crate::transfer::lanes::Lanes;

/// The shared means of a command's transfers. Clones share them.
#[derive(Clone, Debug)]
pub struct Mover {
    /// How much may be in flight.
    pub lanes: Lanes,
    /// Whether to go on.
    pub stop: Stop,
    /// What is seen of it.
    pub meter: Meter,
    /// Uploads that are neither completed nor aborted yet.
    pub open: OpenUploads,
}

/// A bar of bytes, whose end moves as more to do is found.
#[derive(Clone, Debug, Default)]
pub struct Meter(Option<Arc<Bar>>);

#[derive(Debug)]
struct Bar {
    progress: Progress,
    expected: Mutex<u64>,
}

impl Meter {
    /// A bar on a terminal; nothing elsewhere.
    pub fn start(doing: &'static str) -> Self {
        let progress = Progress::start(doing, Counting::Bytes(0));
        Self(Some(Arc::new(Bar { progress, expected: Mutex::new(0) })))
    }

    /// No bar.
    pub fn none() -> Self {
        Self(None)
    }

    /// There are so many more bytes to move.
    pub fn expect(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            let mut expected = bar.expected.lock().unwrap_or_else(PoisonError::into_inner);
            *expected = expected.saturating_add(bytes);
            bar.progress.set_total(*expected);
        }
    }

    /// So many more bytes have arrived.
    pub fn add(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.progress.add(bytes);
        }
    }

    /// Does something that prints, with the bar out of its way.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) => bar.progress.aside(print),
            None => print(),
        }
    }
}

/// The uploads that this process has begun and not ended yet: what is left if it has to end now.
#[derive(Clone, Debug, Default)]
pub struct OpenUploads(Arc<Mutex<BTreeMap<String, (String, String)>>>);

impl OpenUploads {
    /// An upload has begun.
    pub fn began(&self, id: &str, bucket: &str, key: &str) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(id.to_owned(), (bucket.to_owned(), key.to_owned()));
    }

    /// It has ended, or somebody has been told that it has not.
    pub fn ended(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// The commands that abort those that are open.
    pub fn abort_commands(&self, options: &str) -> Vec<String> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().map(|(id, (bucket, key))| abort_command(bucket, key, id, options)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_named_until_it_has_ended() {
        let open = OpenUploads::default();
        open.began("i1", "photos", "a");
        open.began("i2", "photos", "b");
        open.ended("i1");
        assert_eq!(open.abort_commands(""), ["drystone uploads abort s3://photos/b --id i2"]);
    }
}
