//! What a store shows its clients: the side of it that can be compared.

use std::collections::BTreeMap;

use crate::model::body::Body;

/// Buckets by name.
pub type Shown = BTreeMap<String, ShownBucket>;

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShownBucket {
    /// Whether a rule aborts its uploads.
    pub rule: bool,
    /// Objects by key.
    pub objects: BTreeMap<String, ShownObject>,
    /// Uploads in progress by key and by when they were created.
    pub uploads: BTreeMap<(String, usize), ShownUpload>,
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownObject {
    /// Its entity tag.
    pub etag: String,
    /// Its bytes.
    pub body: Body,
}

/// An upload in progress: its parts' entity tags and sizes by number.
pub type ShownUpload = BTreeMap<u16, (String, u64)>;
