//! The batches of one journal, one after the other.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::ops::Range;

use xxhash_rust::xxh3::Xxh3;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
/// The last bytes of an end.
const TRAILER: [u8; 4] = [b'F', b'J', b'L', 3];
/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// What stands where a batch may start.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Batch {
    /// A batch as it was written.
    Whole {
        /// Its number: the later, the higher.
        number: u64,
        /// The keyspace of all its items; `None` when they are of several, or it does more than to write items.
        keyspace: Option<u64>,
    },
    /// Its framing is right and its checksum wrong.
    Broken,
    /// Nothing was written here yet, as far as the next byte tells: zero, or the file's end.
    Unwritten,
    /// No batch: an end that the engine understands.
    None,
}

/// Reads a journal from its beginning.
pub(super) struct Batches<'f> {
    reader: BufReader<&'f File>,
    /// Bytes that were read.
    at: u64,
    /// Bytes that were not read yet.
    left: u64,
    /// What was read last.
    bytes: Vec<u8>,
}

impl<'f> Batches<'f> {
    pub(super) fn of(file: &'f File) -> io::Result<Self> {
        let left = file.metadata()?.len();
        Ok(Self { reader: BufReader::with_capacity(PIECE_BYTES, file), at: 0, left, bytes: Vec::new() })
    }

    /// Where the next batch may start.
    pub(super) fn position(&self) -> u64 {
        self.at
    }

    /// Reads the next batch. A journal that ends in its middle has no batch there.
    pub(super) fn next(&mut self) -> io::Result<Batch> {
        match self.batch() {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Batch::None),
            batch => batch,
        }
    }

    /// Whether only zeros, which were never written, follow.
    pub(super) fn is_over(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 4096];
        loop {
            let count = self.reader.read(&mut bytes)?;
            if count == 0 {
                return Ok(true);
            }
            if bytes.get(..count).is_some_and(|read| read.iter().any(|byte| *byte != 0)) {
                return Ok(false);
            }
        }
    }

    fn batch(&mut self) -> io::Result<Batch> {
        if self.left == 0 {
            return Ok(Batch::Unwritten);
        }
        match self.read(1)? {
            [START] => {}
            [0] => return Ok(Batch::Unwritten),
            _ => return Ok(Batch::None),
        }
        let start = self.read(12)?;
        let (mut items, batch) = (number(start, 0..4), number(start, 4..12));
        let (mut keyspace, mut items_only) = (None, true);
        let mut hasher = Xxh3::new();
        loop {
            let tag = self.read(1)?.first().copied();
            match tag {
                Some(ITEM) => {
                    // Value type, compression, keyspace, key length, value length, length on disk.
                    let head = self.read(20)?;
                    hasher.update(&[ITEM]);
                    hasher.update(head);
                    let of = number(head, 2..10);
                    let body_bytes = number(head, 10..12) + number(head, 16..20);
                    items_only &= *keyspace.get_or_insert(of) == of;
                    hasher.update(self.read(body_bytes)?);
                    items = items.wrapping_sub(1);
                }
                Some(CLEAR) => {
                    let body = self.read(8)?;
                    hasher.update(&[CLEAR]);
                    hasher.update(body);
                    items_only = false;
                    items = items.wrapping_sub(1);
                }
                Some(END) => {
                    let end = self.read(12)?;
                    if end.get(8..) != Some(&TRAILER) {
                        return Ok(Batch::None);
                    }
                    let is_whole = items == 0 && number(end, 0..8) == hasher.digest();
                    let keyspace = keyspace.filter(|_| items_only);
                    return Ok(if is_whole {
                        Batch::Whole { number: batch, keyspace }
                    } else {
                        Batch::Broken
                    });
                }
                _ => return Ok(Batch::None),
            }
        }
    }

    fn read(&mut self, size: u64) -> io::Result<&[u8]> {
        // A broken length must not become an allocation.
        self.left = self.left.checked_sub(size).ok_or(ErrorKind::UnexpectedEof)?;
        self.bytes.resize(size as usize, 0);
        self.reader.read_exact(&mut self.bytes)?;
        self.at += size;
        Ok(&self.bytes)
    }
}

/// A little-endian number: the bytes of `bytes` in `range`, at most eight.
fn number(bytes: &[u8], range: Range<usize>) -> u64 {
    let bytes = bytes.get(range).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
