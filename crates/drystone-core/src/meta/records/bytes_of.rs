//! Writing and reading the fields of a record.

use bytes::Bytes;

use crate::meta::door::MetaError;

/// A row's value with a marker and a version.
pub trait Record: Sized {
    /// Two letters that name the kind of record.
    const MARKER: [u8; 2];
    /// The version that is written; all versions up to it are read.
    const VERSION: u8;

    /// Appends the fields.
    fn write(&self, to: &mut Writer);

    /// Reads the fields of `version`.
    ///
    /// # Errors
    /// What is wrong with them.
    fn read(version: u8, from: &mut Reader) -> Result<Self, &'static str>;

    /// The record's bytes.
    fn encode(&self) -> Vec<u8> {
        let mut to = Writer(Vec::with_capacity(128));
        to.0.extend_from_slice(&Self::MARKER);
        to.u8(Self::VERSION);
        self.write(&mut to);
        to.0
    }

    /// Reads a record from `value`; `key` says which row it is in the error.
    ///
    /// # Errors
    /// [`MetaError::Corrupt`] unless the whole value is one record of a known version.
    fn decode(key: &[u8], value: Bytes) -> Result<Self, MetaError> {
        let mut from = Reader(value);
        let read = |from: &mut Reader| {
            if from.array::<2>()? != Self::MARKER {
                return Err("it has another record's marker");
            }
            let version = from.u8()?;
            if version == 0 || version > Self::VERSION {
                return Err("its version is unknown; it was written by a newer drystone");
            }
            let record = Self::read(version, from)?;
            if from.0.is_empty() { Ok(record) } else { Err("it is too long") }
        };
        read(&mut from).map_err(|why| MetaError::Corrupt { key: key.escape_ascii().to_string(), why })
    }
}

/// Appends fields.
pub struct Writer(Vec<u8>);

impl Writer {
    /// Appends a byte.
    pub fn u8(&mut self, n: u8) {
        self.0.push(n);
    }

    /// Appends a 16-bit number.
    pub fn u16(&mut self, n: u16) {
        self.0.extend_from_slice(&n.to_be_bytes());
    }

    /// Appends a 32-bit number.
    pub fn u32(&mut self, n: u32) {
        self.0.extend_from_slice(&n.to_be_bytes());
    }

    /// Appends a 64-bit number.
    pub fn u64(&mut self, n: u64) {
        self.0.extend_from_slice(&n.to_be_bytes());
    }

    /// Appends bytes whose length the reader knows.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Appends a text with its length in 32 bits.
    pub fn text(&mut self, text: &str) {
        self.u32(u32::try_from(text.len()).expect("texts are limited on their way in"));
        self.raw(text.as_bytes());
    }
}

/// Takes fields off the front.
pub struct Reader(Bytes);

const SHORT: &str = "it is too short";

impl Reader {
    /// Takes `N` bytes.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let array = *self.0.first_chunk::<N>().ok_or(SHORT)?;
        drop(self.0.split_to(N));
        Ok(array)
    }

    /// Takes a byte.
    ///
    /// # Errors
    /// When none is left.
    pub fn u8(&mut self) -> Result<u8, &'static str> {
        self.array().map(|[n]: [u8; 1]| n)
    }

    /// Takes a 16-bit number.
    ///
    /// # Errors
    /// When too few bytes are left.
    pub fn u16(&mut self) -> Result<u16, &'static str> {
        self.array().map(u16::from_be_bytes)
    }

    /// Takes a 32-bit number.
    ///
    /// # Errors
    /// When too few bytes are left.
    pub fn u32(&mut self) -> Result<u32, &'static str> {
        self.array().map(u32::from_be_bytes)
    }

    /// Takes a 64-bit number.
    ///
    /// # Errors
    /// When too few bytes are left.
    pub fn u64(&mut self) -> Result<u64, &'static str> {
        self.array().map(u64::from_be_bytes)
    }

    /// Takes `len` bytes without copying them.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn raw(&mut self, len: usize) -> Result<Bytes, &'static str> {
        if self.0.len() < len { Err(SHORT) } else { Ok(self.0.split_to(len)) }
    }

    /// Takes everything that is left.
    pub fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }

    /// Takes a text.
    ///
    /// # Errors
    /// When it is cut off or not UTF-8.
    pub fn text(&mut self) -> Result<Box<str>, &'static str> {
        let len = self.u32()? as usize;
        let bytes = self.raw(len)?;
        std::str::from_utf8(&bytes).map(Into::into).map_err(|_| "a text in it is not UTF-8")
    }
}
