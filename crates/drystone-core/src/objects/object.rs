//! What is known of an object besides its bytes.

use crate::checksum::{Checksum, ChecksumType};
use crate::names::{ETag, ObjectKey, Timestamp};

/// What the client asked to keep and to give back with the object: lower-case names and values, in
/// the order they came: system metadata (`content-type`, ...), `x-amz-meta-*`, `x-amz-storage-class`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Attributes(pub Vec<(Box<str>, Box<str>)>);

impl Attributes {
    /// Most bytes of user metadata: names without `x-amz-meta-` plus values (S3 User Guide,
    /// "Working with object metadata": 2 KB).
    pub const USER_BYTES_MAX: usize = 2 * 1024;

    /// The value of `name`, which is lower-case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| &**n == name).map(|(_, value)| &**value)
    }
}

/// An object's checksum as S3 shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectChecksum {
    /// The value.
    pub value: Checksum,
    /// Of the whole object or of its parts' checksums.
    pub kind: ChecksumType,
    /// Number of parts, shown after the value (`value-N`) when the kind is composite.
    pub parts: u16,
}

/// An object without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Size in bytes.
    pub size: u64,
    /// Entity tag.
    pub etag: ETag,
    /// When it was written.
    pub modified: Timestamp,
    /// What the client asked to keep.
    pub attributes: Attributes,
    /// The checksum that the client chose, or CRC64NVME.
    pub checksum: ObjectChecksum,
    /// CRC64NVME of all bytes, always known.
    pub crc64: u64,
    /// Number of parts that a multipart object was completed from; 0 for one written in one piece.
    pub parts: u16,
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: ObjectKey,
    /// Size in bytes.
    pub size: u64,
    /// Entity tag.
    pub etag: ETag,
    /// When it was written.
    pub modified: Timestamp,
    /// The checksum's algorithm and type.
    pub checksum: ObjectChecksum,
    /// `x-amz-storage-class` as given, if it was.
    pub storage_class: Option<Box<str>>,
}
