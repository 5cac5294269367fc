//! Bodies that differ from each other, and what S3 says of them, computed apart from the store.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use md5::{Digest, Md5};

/// The bytes of an object or part; cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(Arc<Vec<u8>>);

impl Body {
    /// Takes `bytes`.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }

    /// `len` bytes that look random and differ with `seed`.
    pub fn random(len: u64, seed: u64) -> Self {
        Self::new(crate::doors::data::bytes(len, seed).to_vec())
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many they are.
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// MD5 of the bytes.
    pub fn md5(&self) -> [u8; 16] {
        Md5::digest(&*self.0).into()
    }

    /// The entity tag of an object or part with these bytes, without quotes.
    pub fn etag(&self) -> String {
        hex(&self.md5())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes {:.8}", self.0.len(), self.etag())
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
