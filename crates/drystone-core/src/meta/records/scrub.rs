//! How far the scrub is.

use bytes::Bytes;

use crate::meta::records::{Reader, Record, Writer};
use crate::names::Timestamp;

/// The scrub's place and what it has found: one row.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ScrubRecord {
    /// When the pass began, or the first one was put off to.
    pub started: Timestamp,
    /// When it ended; 0 while it goes on.
    pub finished: Timestamp,
    /// Bytes that it has compared with their checksums.
    pub checked: u64,
    /// Bodies that it has found damaged.
    pub damaged: u64,
    /// Bytes of the body after `position` that are done already.
    pub offset: u64,
    /// Key of the last row that is done; empty at the beginning.
    pub position: Bytes,
}

impl Record for ScrubRecord {
    const MARKER: [u8; 2] = *b"sc";
    const VERSION: u8 = 1;

    fn write(&self, to: &mut Writer) {
        to.u64(self.started.0);
        to.u64(self.finished.0);
        to.u64(self.checked);
        to.u64(self.damaged);
        to.u64(self.offset);
        to.raw(&self.position);
    }

    fn read(_: u8, from: &mut Reader) -> Result<Self, &'static str> {
        Ok(Self {
            started: Timestamp(from.u64()?),
            finished: Timestamp(from.u64()?),
            checked: from.u64()?,
            damaged: from.u64()?,
            offset: from.u64()?,
            position: from.rest(),
        })
    }
}
