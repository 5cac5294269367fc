//! The torn end of the engine's journal.
//!
//! A power cut may leave the last batch of the journal with pages missing in its middle. The engine
//! cuts off an end that breaks its framing, but refuses to open when only a checksum is wrong, because
//! it cannot know whether that batch was ever acknowledged. We can: each batch is synced before the
//! next is begun, so after an unclean stop a broken batch behind which nothing follows was never
//! acknowledged. Anything else is damage, and stays refused. Without this a power cut could leave a
//! store that does not start.
//!
//! The journal's layout is fjall 3's: batches of one start (tag 1), items (tag 2) or clears (tag 4),
//! and one end (tag 3) with the XXH3 of everything between; numbers are little-endian.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::durable;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
/// The last bytes of an end.
const TRAILER: [u8; 4] = [b'F', b'J', b'L', 3];

/// What was found at the end of the journal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mended {
    /// The last batch was torn; so many bytes were cut off.
    CutOff(u64),
    /// There is nothing that may be mended.
    Nothing,
}

/// Cuts a torn last batch off the newest journal in `folder`.
pub(super) fn mend(folder: &Path) -> io::Result<Mended> {
    let Some(path) = newest(folder)? else { return Ok(Mended::Nothing) };
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    let Some((start, end)) = torn(&file)? else { return Ok(Mended::Nothing) };
    file.set_len(start)?;
    durable::sync_data(&file)?;
    tracing::warn!(journal = %path.display(), bytes = end - start, "cut a torn, never acknowledged batch off");
    Ok(Mended::CutOff(end - start))
}

/// The journal that was written last.
fn newest(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse().ok());
        if let Some(number) =
            number.filter(|number| newest.as_ref().is_none_or(|(newest, _)| number > newest))
        {
            newest = Some((number, path));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

/// Where the first batch with a wrong checksum starts and ends, if nothing follows it.
fn torn(file: &File) -> io::Result<Option<(u64, u64)>> {
    let mut reader = Journal { left: file.metadata()?.len(), reader: BufReader::new(file) };
    loop {
        let start = reader.reader.stream_position()?;
        match reader.batch() {
            Ok(Batch::Whole) => {}
            Ok(Batch::Broken) => {
                let end = reader.reader.stream_position()?;
                return Ok(reader.is_over()?.then_some((start, end)));
            }
            // No batch starts here: an end that the engine understands.
            Ok(Batch::None) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

enum Batch {
    Whole,
    /// Its framing is right and its checksum wrong.
    Broken,
    None,
}

struct Journal<'f> {
    reader: BufReader<&'f File>,
    /// Bytes that were not read yet.
    left: u64,
}

impl Journal<'_> {
    fn read(&mut self, size: u64) -> io::Result<Vec<u8>> {
        // A broken length must not become an allocation.
        self.left = self.left.checked_sub(size).ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut bytes = vec![0; size as usize];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn batch(&mut self) -> io::Result<Batch> {
        if self.read(1)? != [START] {
            return Ok(Batch::None);
        }
        let start = self.read(12)?;
        let mut items = number(start.get(..4).unwrap_or_default());
        let mut hasher = Xxh3::new();
        loop {
            let tag = self.read(1)?;
            match tag.first() {
                Some(&ITEM) => {
                    // Value type, compression, keyspace, key length, value length, length on disk.
                    let head = self.read(20)?;
                    let key_bytes = number(head.get(10..12).unwrap_or_default());
                    let value_bytes = number(head.get(16..20).unwrap_or_default());
                    let body = self.read(key_bytes + value_bytes)?;
                    [tag, head, body].iter().for_each(|part| hasher.update(part));
                    items = items.wrapping_sub(1);
                }
                Some(&CLEAR) => {
                    let body = self.read(8)?;
                    [tag, body].iter().for_each(|part| hasher.update(part));
                    items = items.wrapping_sub(1);
                }
                Some(&END) => {
                    let end = self.read(12)?;
                    let (checksum, trailer) = end.split_at(8);
                    if trailer != TRAILER {
                        return Ok(Batch::None);
                    }
                    let whole = items == 0 && number(checksum) == hasher.digest();
                    return Ok(if whole { Batch::Whole } else { Batch::Broken });
                }
                _ => return Ok(Batch::None),
            }
        }
    }

    /// Whether only zeros, which were never written, follow.
    fn is_over(&mut self) -> io::Result<bool> {
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
}

/// A little-endian number of at most eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
