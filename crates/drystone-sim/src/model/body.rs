//! Bodies that differ from each other, and what S3 says of them, computed apart from the store.

use std::fmt::{self, Write as _};
use std::sync::{Arc, OnceLock};

use md5::{Digest, Md5};

/// The bytes of an object or part; cheap to clone.
#[derive(Clone)]
pub struct Body(Arc<Content>);

struct Content {
    bytes: Vec<u8>,
    /// What a model is asked for again and again.
    md5: OnceLock<[u8; 16]>,
}

impl Body {
    /// Takes `bytes`.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Content { bytes, md5: OnceLock::new() }))
    }

    /// `len` bytes that look random and differ with `seed`.
    pub fn random(len: u64, seed: u64) -> Self {
        Self::new(crate::doors::data::bytes(len, seed).to_vec())
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// How many they are.
    pub fn len(&self) -> u64 {
        self.0.bytes.len() as u64
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.bytes.is_empty()
    }

    /// MD5 of the bytes.
    pub fn md5(&self) -> [u8; 16] {
        *self.0.md5.get_or_init(|| Md5::digest(self.bytes()).into())
    }

    /// The entity tag of an object or part with these bytes, without quotes.
    pub fn etag(&self) -> String {
        hex(&self.md5())
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Body {}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes {:.8}", self.len(), self.etag())
    }
}

/// The entity tag of an object completed from `parts`: the MD5 of their MD5s, and their number.
///
/// Source: Amazon S3 User Guide, "Checking object integrity".
pub fn etag_of_parts(parts: &[Body]) -> String {
    let mut md5 = Md5::new();
    parts.iter().for_each(|part| md5.update(part.md5()));
    format!("{}-{}", hex(&md5.finalize()), parts.len())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes every text");
    }
    text
}
