//! What an operation can refuse with: kinds that tell the caller what to do.
//!
//! The server maps each variant to one S3 error code in one table; nothing here knows HTTP. Each
//! variant carries the names that the client needs to mend its request.

use crate::body::BodyError;
use crate::buckets::quota::QuotaLimit;
use crate::checksum::{Algorithm, ChecksumType};
use crate::data::door::DataError;
use crate::meta::door::MetaError;
use crate::names::{BucketName, ETag, NameError, ObjectKey, PartNumber};

/// Which precondition failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `If-Match` (or `x-amz-copy-source-if-match`).
    IfMatch,
    /// `If-None-Match`.
    IfNoneMatch,
    /// `If-Modified-Since`.
    IfModifiedSince,
    /// `If-Unmodified-Since`.
    IfUnmodifiedSince,
    /// `x-amz-if-match-initiated-time`.
    IfMatchInitiatedTime,
}

impl Condition {
    /// The header's name, as S3's error body shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::IfMatch => "If-Match",
            Self::IfNoneMatch => "If-None-Match",
            Self::IfModifiedSince => "If-Modified-Since",
            Self::IfUnmodifiedSince => "If-Unmodified-Since",
            Self::IfMatchInitiatedTime => "x-amz-if-match-initiated-time",
        }
    }
}

/// Why an operation did nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name is not one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The bucket does not exist.
    #[error("the bucket {0} does not exist")]
    NoSuchBucket(BucketName),
    /// The bucket belongs to the caller already.
    #[error("the bucket {0} exists and belongs to you")]
    BucketAlreadyOwnedByYou(BucketName),
    /// The bucket belongs to another account.
    #[error("the bucket {0} exists and belongs to another account; choose another name")]
    BucketAlreadyExists(BucketName),
    /// The bucket holds objects.
    #[error("the bucket {0} is not empty; delete its objects first")]
    BucketNotEmpty(BucketName),
    /// The caller does not own the bucket.
    #[error("access denied")]
    AccessDenied,
    /// The object does not exist.
    #[error("the key {0} does not exist")]
    NoSuchKey(ObjectKey),
    /// The upload does not exist: never made, completed or aborted.
    #[error("the upload {upload_id} does not exist; it may have been completed or aborted")]
    NoSuchUpload {
        /// The id as it came in.
        upload_id: String,
    },
    /// A precondition of a write, a copy or an abort does not hold.
    #[error("the precondition {} does not hold", .0.name())]
    PreconditionFailed(Condition),
    /// A read's condition says that the client's copy is still good.
    #[error("not modified")]
    NotModified {
        /// ETag of the object.
        etag: ETag,
        /// When it was last modified.
        modified: crate::names::Timestamp,
    },
    /// Another write or delete of the key won the race against a conditional one.
    #[error("a conflicting operation on the key happened at the same time; try again")]
    ConditionalRequestConflict,
    /// A part other than the last is smaller than 5 MiB.
    #[error("part {part} has {size} bytes; every part but the last needs at least {min}")]
    EntityTooSmall {
        /// The part.
        part: PartNumber,
        /// Its ETag.
        etag: ETag,
        /// Its size in bytes.
        size: u64,
        /// The smallest size allowed, in bytes.
        min: u64,
    },
    /// A body, part or object is larger than S3 allows.
    #[error("{size} bytes are more than the {max} allowed")]
    EntityTooLarge {
        /// The size in bytes.
        size: u64,
        /// The largest size allowed, in bytes.
        max: u64,
    },
    /// A listed part was not uploaded, or with another ETag or checksum.
    #[error("part {part} was not uploaded or its entity tag or checksum does not match")]
    InvalidPart {
        /// The upload.
        upload_id: String,
        /// The part's number as listed.
        part: PartNumber,
        /// The ETag as listed.
        etag: String,
    },
    /// The listed parts do not ascend.
    #[error("part {part} is not in ascending order")]
    InvalidPartOrder {
        /// The upload.
        upload_id: String,
        /// The first part that is out of order.
        part: PartNumber,
    },
    /// A range lies outside the object.
    #[error("the range is not satisfiable for an object of {size} bytes")]
    InvalidRange {
        /// Size of the object in bytes.
        size: u64,
    },
    /// The part number asked for is not one of the object's.
    #[error("the object has {parts} parts; part {asked} does not exist")]
    InvalidPartNumber {
        /// The part asked for.
        asked: PartNumber,
        /// How many parts the object has.
        parts: u16,
    },
    /// The body's MD5 is not the announced one.
    #[error("the Content-MD5 you specified does not match the body")]
    BadContentMd5 {
        /// The announced MD5.
        expected: [u8; 16],
        /// The body's MD5.
        computed: [u8; 16],
    },
    /// The body's SHA-256 is not the signed one.
    #[error("the x-amz-content-sha256 you signed does not match the body")]
    ContentSha256Mismatch {
        /// The signed SHA-256.
        expected: [u8; 32],
        /// The body's SHA-256.
        computed: [u8; 32],
    },
    /// A checksum is not the announced one.
    #[error("the {} you specified does not match the calculated checksum", .0.name())]
    ChecksumMismatch(Algorithm),
    /// Complete lists a part with a checksum of another algorithm than the upload was created with.
    #[error("the {} you specified for part {part} is not the upload's checksum", .algorithm.name())]
    PartChecksumMismatch {
        /// The part's number.
        part: PartNumber,
        /// The algorithm that Complete lists.
        algorithm: Algorithm,
    },
    /// Complete names another checksum type than the upload was created with, which is given here;
    /// `None` when it was created without a choice, which no type goes with.
    #[error("the upload was created with checksum type {}", .0.map_or("null", ChecksumType::name))]
    ChecksumTypeMismatch(Option<ChecksumType>),
    /// An argument has a value that S3 refuses.
    #[error("{why}")]
    InvalidArgument {
        /// The argument's name.
        name: &'static str,
        /// Its value as it came in.
        value: String,
        /// What was expected.
        why: String,
    },
    /// The request contradicts itself or the object's state.
    #[error("{0}")]
    InvalidRequest(String),
    /// Not built.
    #[error("{0} is not implemented")]
    NotImplemented(String),
    /// The file system cannot hold the body, or the metadata of the request.
    #[error("{needed} bytes are needed and {available} are available; free some space and try again")]
    NoSpace {
        /// Bytes that the request needs.
        needed: u64,
        /// Bytes that it may use.
        available: u64,
    },
    /// The bucket may not hold that much, or not that many uploads. Nothing has changed; an upload stays open.
    #[error("the bucket {bucket} is over its quota: {limit}")]
    QuotaExceeded {
        /// The bucket.
        bucket: BucketName,
        /// What it did not fit under.
        limit: QuotaLimit,
    },
    /// The body broke its promise.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// Stored bytes could not be written or read.
    #[error("stored data failed")]
    Data(#[source] DataError),
    /// Metadata could not be written or read.
    #[error("metadata failed")]
    Meta(#[source] MetaError),
}

impl From<DataError> for Error {
    fn from(error: DataError) -> Self {
        match error {
            DataError::NoSpace { needed, available } => Self::NoSpace { needed, available },
            other => Self::Data(other),
        }
    }
}

impl From<MetaError> for Error {
    fn from(error: MetaError) -> Self {
        match error {
            MetaError::Full { needed, available } => Self::NoSpace { needed, available },
            MetaError::Extent(error) => error.into(),
            other => Self::Meta(other),
        }
    }
}
