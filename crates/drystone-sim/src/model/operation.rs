//! Everything that a client can ask for, as data, so that sequences of it can be made up and enumerated.

/// A bucket and a key in it.
pub type Place = (&'static str, &'static str);

/// When to write or delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// Where nothing is (`If-None-Match: *`); of a delete: always.
    IfAbsent,
    /// Over what is there now (`If-Match` with its tag, or with some tag when nothing is there).
    IfCurrent,
    /// Over something that is not there (`If-Match` with another tag).
    IfOther,
}

/// Which parts a Complete lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// All that there are.
    All,
    /// The one with the smallest number.
    First,
    /// The one with the largest number.
    Last,
    /// All, the first of them with a tag that it does not have.
    Stale,
    /// What the last successful Complete of this upload listed; all if there was none.
    Again,
}

/// What a client asks for. Uploads are named by when they were created: 0 is the first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the words of the S3 calls")]
pub enum Operation {
    /// CreateBucket.
    CreateBucket { bucket: &'static str },
    /// DeleteBucket.
    DeleteBucket { bucket: &'static str },
    /// PutObject with a new body of `size` bytes.
    Put { to: Place, size: u64, when: When },
    /// DeleteObject.
    Delete { at: Place, when: When },
    /// DeleteObjects.
    DeleteMany { bucket: &'static str, keys: Vec<&'static str> },
    /// CopyObject.
    Copy { from: Place, to: Place, when: When },
    /// CreateMultipartUpload.
    Create { to: Place },
    /// UploadPart with a new body of `size` bytes.
    Part { upload: usize, number: u16, size: u64 },
    /// UploadPartCopy of all of it, or of the bytes from the first number to the second, both inclusive.
    PartCopy { upload: usize, number: u16, from: Place, range: Option<(u64, u64)> },
    /// CompleteMultipartUpload.
    Complete { upload: usize, listed: Listed, when: When },
    /// AbortMultipartUpload.
    Abort { upload: usize },
    /// PutBucketLifecycleConfiguration with a rule that aborts every upload after a day.
    Rule { bucket: &'static str },
    /// DeleteBucketLifecycle.
    NoRule { bucket: &'static str },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done,
    /// Done; the entity tag of what is there now.
    Tag(String),
    /// Done; what an abort freed.
    Freed {
        /// Parts.
        parts: u32,
        /// Their bytes.
        bytes: u64,
    },
    /// Refused, with the name of the core's error.
    Refused(&'static str),
}
