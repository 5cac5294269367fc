//! Who owns which bytes, and how much of everything there is.

use crate::meta::records::{Reader, Record, Writer};
use crate::names::Timestamp;

/// An extent with an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtentRecord {
    /// Length of its payload in bytes.
    pub len: u64,
    /// Its token.
    pub token: u64,
    /// How many segments name it; never 0.
    pub refs: u32,
}

impl Record for ExtentRecord {
    const MARKER: [u8; 2] = *b"ex";
    const VERSION: u8 = 1;

    fn write(&self, to: &mut Writer) {
        to.u64(self.len);
        to.u64(self.token);
        to.u32(self.refs);
    }

    fn read(_: u8, from: &mut Reader) -> Result<Self, &'static str> {
        Ok(Self { len: from.u64()?, token: from.u64()?, refs: from.u32()? })
    }
}

/// An extent that lost its last owner and is not yet back at the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreedRecord {
    /// Length of its payload in bytes.
    pub len: u64,
}

impl Record for FreedRecord {
    const MARKER: [u8; 2] = *b"fr";
    const VERSION: u8 = 1;

    fn write(&self, to: &mut Writer) {
        to.u64(self.len);
    }

    fn read(_: u8, from: &mut Reader) -> Result<Self, &'static str> {
        Ok(Self { len: from.u64()? })
    }
}

/// What a bucket holds; changed in the transaction that changes the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct UsageRecord {
    /// Objects.
    pub objects: u64,
    /// Sum of their sizes in bytes.
    pub bytes: u64,
    /// Uploads in progress.
    pub uploads: u64,
    /// Their parts.
    pub parts: u64,
    /// Sum of the parts' sizes in bytes.
    pub held_bytes: u64,
}

impl Record for UsageRecord {
    const MARKER: [u8; 2] = *b"us";
    const VERSION: u8 = 1;

    fn write(&self, to: &mut Writer) {
        to.u64(self.objects);
        to.u64(self.bytes);
        to.u64(self.uploads);
        to.u64(self.parts);
        to.u64(self.held_bytes);
    }

    fn read(_: u8, from: &mut Reader) -> Result<Self, &'static str> {
        Ok(Self {
            objects: from.u64()?,
            bytes: from.u64()?,
            uploads: from.u64()?,
            parts: from.u64()?,
            held_bytes: from.u64()?,
        })
    }
}

/// The store's sequence: what gives everything its number and its place in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CountersRecord {
    /// The last number given out.
    pub last: u64,
    /// The latest time given to an upload; a clock that jumps back never goes below it.
    pub latest: Timestamp,
}

impl Record for CountersRecord {
    const MARKER: [u8; 2] = *b"cn";
    const VERSION: u8 = 1;

    fn write(&self, to: &mut Writer) {
        to.u64(self.last);
        to.u64(self.latest.0);
    }

    fn read(_: u8, from: &mut Reader) -> Result<Self, &'static str> {
        Ok(Self { last: from.u64()?, latest: Timestamp(from.u64()?) })
    }
}
