//! Cuts a torn last batch off.
//!
//! A power cut may leave the last batch of the journal with pages missing in its middle. The engine
//! cuts off an end that breaks its framing, but refuses to open when only a checksum is wrong, because
//! it cannot know whether that batch was ever acknowledged. We can: each batch is synced before the
//! next is begun, so after an unclean stop a broken batch behind which nothing follows was never
//! acknowledged. Anything else is damage, and stays refused. Without this a power cut could leave a
//! store that does not start.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use super::batches::{Batch, Batches};
use super::journals;
use crate::durable;

/// What was found at the end of the journal.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::meta) enum Mended {
    /// The last batch was torn; so many bytes were cut off.
    CutOff(u64),
    /// There is nothing that may be mended.
    Nothing,
}

/// Cuts a torn last batch off the newest journal in `folder`.
pub(in crate::meta) fn mend(folder: &Path) -> io::Result<Mended> {
    let Some(path) = journals(folder)?.pop() else { return Ok(Mended::Nothing) };
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    let Some((start, end)) = torn(&file)? else { return Ok(Mended::Nothing) };
    file.set_len(start)?;
    durable::sync_data(&file)?;
    tracing::warn!(journal = %path.display(), bytes = end - start, "cut a torn, never acknowledged batch off");
    Ok(Mended::CutOff(end - start))
}

/// Where the first batch with a wrong checksum starts and ends, if nothing follows it.
fn torn(file: &File) -> io::Result<Option<(u64, u64)>> {
    let mut batches = Batches::of(file)?;
    loop {
        let start = batches.position();
        match batches.next()? {
            Batch::Whole { .. } => {}
            Batch::Broken => {
                let end = batches.position();
                return Ok(batches.is_over()?.then_some((start, end)));
            }
            Batch::Unwritten | Batch::None => return Ok(None),
        }
    }
}
