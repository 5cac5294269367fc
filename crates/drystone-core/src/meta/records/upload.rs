//! Buckets and what is in progress in them.

use crate::checksum::{Algorithm, Checksum, ChecksumType};
use crate::meta::records::object::{
    read_attributes, read_checksum, read_checksum_type, read_info, read_segments, write_attributes,
    write_checksum, write_info, write_segments,
};
use crate::meta::records::{Reader, Record, Segment, Writer};
use crate::names::{AccountId, Timestamp};
use crate::objects::object::{Attributes, ObjectInfo};

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRecord {
    /// Number under which its rows are kept; never used again after the bucket is deleted.
    pub id: u64,
    /// The owner.
    pub owner: AccountId,
    /// When it was created.
    pub created: Timestamp,
    /// The region it was created with; `None` for the default.
    pub region: Option<Box<str>>,
    /// How many rules its row of the table `lifecycle` holds, 0 when it has none: so that the loss of that row
    /// is noticed. `None` in a bucket that version 1 wrote, which did not say.
    pub lifecycle_rules: Option<u16>,
}

/// In place of a number of lifecycle rules, of which there are at most 1,000: it is not known.
const NOT_KNOWN: u16 = u16::MAX;

impl Record for BucketRecord {
    const MARKER: [u8; 2] = *b"bu";
    const VERSION: u8 = 2;

    fn write(&self, to: &mut Writer) {
        to.u64(self.id);
        to.text(self.owner.as_str());
        to.u64(self.created.0);
        to.text(self.region.as_deref().unwrap_or_default());
        to.u16(self.lifecycle_rules.unwrap_or(NOT_KNOWN));
    }

    fn read(version: u8, from: &mut Reader) -> Result<Self, &'static str> {
        Ok(Self {
            id: from.u64()?,
            owner: AccountId::new(from.text()?),
            created: Timestamp(from.u64()?),
            region: Some(from.text()?).filter(|region| !region.is_empty()),
            lifecycle_rules: match version {
                1 => None,
                _ => Some(from.u16()?).filter(|rules| *rules != NOT_KNOWN),
            },
        })
    }
}

/// An upload in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRecord {
    /// When it was initiated.
    pub initiated: Timestamp,
    /// Who initiated it.
    pub initiator: AccountId,
    /// The checksum algorithm it was created with; `None` for S3's default, CRC64NVME.
    pub algorithm: Option<Algorithm>,
    /// The checksum type of the object it will be.
    pub kind: ChecksumType,
    /// What the object will keep.
    pub attributes: Attributes,
}

impl Record for UploadRecord {
    const MARKER: [u8; 2] = *b"up";
    const VERSION: u8 = 1;

    fn write(&self, to: &mut Writer) {
        to.u64(self.initiated.0);
        to.text(self.initiator.as_str());
        to.u8(self.algorithm.map_or(0, |a| a as u8));
        to.u8(self.kind as u8);
        write_attributes(to, &self.attributes);
    }

    fn read(_: u8, from: &mut Reader) -> Result<Self, &'static str> {
        Ok(Self {
            initiated: Timestamp(from.u64()?),
            initiator: AccountId::new(from.text()?),
            algorithm: match from.u8()? {
                0 => None,
                number => Some(Algorithm::from_number(number).ok_or("it has an unknown checksum algorithm")?),
            },
            kind: read_checksum_type(from)?,
            attributes: read_attributes(from)?,
        })
    }
}

/// Which upload an id belongs to; the rows of this table stand in the order of initiation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadIndexRecord {
    /// The bucket.
    pub bucket: u64,
    /// The key.
    pub key: Box<str>,
}

impl Record for UploadIndexRecord {
    const MARKER: [u8; 2] = *b"ui";
    const VERSION: u8 = 1;

    fn write(&self, to: &mut Writer) {
        to.u64(self.bucket);
        to.text(&self.key);
    }

    fn read(_: u8, from: &mut Reader) -> Result<Self, &'static str> {
        Ok(Self { bucket: from.u64()?, key: from.text()? })
    }
}

/// What an upload holds; kept apart from [`UploadRecord`] because every part changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct HeldRecord {
    /// Number of parts.
    pub parts: u32,
    /// Sum of their sizes in bytes.
    pub bytes: u64,
    /// Segments of their bodies.
    pub segments: u32,
    /// When the upload was created or the last part was stored.
    pub last_activity: Timestamp,
}

impl Record for HeldRecord {
    const MARKER: [u8; 2] = *b"he";
    const VERSION: u8 = 2;

    fn write(&self, to: &mut Writer) {
        to.u32(self.parts);
        to.u64(self.bytes);
        to.u32(self.segments);
        to.u64(self.last_activity.0);
    }

    fn read(version: u8, from: &mut Reader) -> Result<Self, &'static str> {
        let (parts, bytes) = (from.u32()?, from.u64()?);
        // Version 1 did not count them: one for each part, as uploaded parts have.
        let segments = if version == 1 { parts } else { from.u32()? };
        Ok(Self { parts, bytes, segments, last_activity: Timestamp(from.u64()?) })
    }
}

/// A part of an upload in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRecord {
    /// Size in bytes.
    pub size: u64,
    /// MD5 of its bytes: its entity tag.
    pub md5: [u8; 16],
    /// CRC64NVME of its bytes.
    pub crc64: u64,
    /// The checksum that the client chose, if any.
    pub checksum: Option<Checksum>,
    /// When it was stored.
    pub modified: Timestamp,
    /// Where its bytes are, in order; none for an empty part.
    pub segments: Vec<Segment>,
}

impl Record for PartRecord {
    const MARKER: [u8; 2] = *b"pa";
    const VERSION: u8 = 1;

    fn write(&self, to: &mut Writer) {
        to.u64(self.size);
        to.raw(&self.md5);
        to.u64(self.crc64);
        write_checksum(to, self.checksum);
        to.u64(self.modified.0);
        write_segments(to, &self.segments);
    }

    fn read(_: u8, from: &mut Reader) -> Result<Self, &'static str> {
        Ok(Self {
            size: from.u64()?,
            md5: from.array()?,
            crc64: from.u64()?,
            checksum: read_checksum(from)?,
            modified: Timestamp(from.u64()?),
            segments: read_segments(from)?,
        })
    }
}

/// How an upload was completed, so that a client whose reply was lost gets the same answer again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletionRecord {
    /// The bucket.
    pub bucket: u64,
    /// The key.
    pub key: Box<str>,
    /// SHA-256 of the list of parts that was sent.
    pub parts_sha256: [u8; 32],
    /// When it was completed.
    pub completed: Timestamp,
    /// The object as it was published.
    pub info: ObjectInfo,
}

impl Record for CompletionRecord {
    const MARKER: [u8; 2] = *b"co";
    const VERSION: u8 = 1;

    fn write(&self, to: &mut Writer) {
        to.u64(self.bucket);
        to.text(&self.key);
        to.raw(&self.parts_sha256);
        to.u64(self.completed.0);
        write_info(to, &self.info);
    }

    fn read(_: u8, from: &mut Reader) -> Result<Self, &'static str> {
        Ok(Self {
            bucket: from.u64()?,
            key: from.text()?,
            parts_sha256: from.array()?,
            completed: Timestamp(from.u64()?),
            info: read_info(from)?,
        })
    }
}
