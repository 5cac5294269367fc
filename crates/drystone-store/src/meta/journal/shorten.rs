//! Drops what the engine's tables hold already.
//!
//! A start reads the engine's journals row by row, 64 MB and more, and passes over all but the last few MB, because they
//! lie in tables. This reads them first, without what the engine does for each row, and leaves the engine the rest. It
//! drops exactly what the engine would pass over; of what it does not understand it drops nothing, and leaves the
//! judgement to the engine. Without it a store with a million small objects took a second to start
//! (`docs/performance.md`).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use drystone_core::planted::{Mistake, planted};

use super::batches::{Batch, Batches};
use super::journals;
use crate::durable;
use crate::meta::flushed::Flushed;

/// The name under which a shorter journal is written.
const SHORTER: &str = "journal.new";
/// Bytes that are copied at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Removes what an interrupted shortening left; the journals themselves are whole at any time.
pub(in crate::meta) fn clear(folder: &Path) -> io::Result<()> {
    durable::remove(&folder.join(SHORTER))
}

/// Drops the batches at the beginning of the journals in `folder` that are `flushed`.
///
/// Whatever happens meanwhile, each journal is on stable storage as it was or as it shall be.
pub(in crate::meta) fn shorten(folder: &Path, flushed: Flushed) -> io::Result<()> {
    let journals = journals(folder)?;
    for (place, path) in journals.iter().enumerate() {
        let mut file = File::open(path)?;
        let Rest { start, is_empty } = rest(&file, flushed)?;
        // The newest stays in any case: a folder without one would be damaged.
        if is_empty && place + 1 < journals.len() {
            durable::remove(path)?;
            continue;
        }
        if start > 0 {
            file.seek(SeekFrom::Start(start))?;
            let shorter = folder.join(SHORTER);
            let mut copy = File::create(&shorter)?;
            copy_written(&mut file, &mut copy)?;
            if !planted(Mistake::ShorterJournalNotSynced) {
                durable::sync_data(&copy)?;
            }
            durable::publish(&shorter, path)?;
        }
        return Ok(());
    }
    Ok(())
}

/// What of a journal must stay.
#[derive(Debug, PartialEq, Eq)]
struct Rest {
    /// Where it begins.
    start: u64,
    /// Whether nothing was written there.
    is_empty: bool,
}

fn rest(file: &File, flushed: Flushed) -> io::Result<Rest> {
    let newest = flushed.newest + u64::from(planted(Mistake::JournalShortenedTooFar));
    let mut batches = Batches::of(file)?;
    loop {
        let start = batches.position();
        match batches.next()? {
            Batch::Whole { number, keyspace } if number <= newest && keyspace == Some(flushed.keyspace) => {}
            Batch::Unwritten => return Ok(Rest { start, is_empty: batches.is_over()? }),
            _ => return Ok(Rest { start, is_empty: false }),
        }
    }
}

/// Copies all that follows in `from`; where nothing was written, nothing is written, least of all at the end.
fn copy_written(from: &mut File, to: &mut File) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut unwritten = 0;
    loop {
        let count = from.read(&mut piece)?;
        let read = piece.get(..count).unwrap_or_default();
        if count == 0 {
            return Ok(());
        }
        if read.iter().all(|byte| *byte == 0) {
            unwritten += count as u64;
            continue;
        }
        to.seek_relative(unwritten.cast_signed())?;
        unwritten = 0;
        to.write_all(read)?;
    }
}

#[cfg(test)]
mod tests;
