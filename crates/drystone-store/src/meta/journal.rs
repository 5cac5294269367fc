//! The engine's journals, before the engine opens them.
//!
//! Two things can be done better from outside than by the engine: cutting off a last batch that a power cut tore
//! ([`mend`]), and dropping what its tables hold already ([`shorten`]). Everything else about journals is the engine's.
//!
//! The layout is fjall 3's: files `<number>.jnl`, the highest number being written; in them batches of one start
//! (tag 1), items (tag 2) or clears (tag 4), and one end (tag 3) with the XXH3 of everything between; numbers are
//! little-endian; zeros where nothing was written yet.

mod batches;
mod mend;
mod shorten;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub(super) use mend::{Mended, mend};
pub(super) use shorten::{clear, shorten};

/// The journals in `folder`, oldest first.
fn journals(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let number =
            path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        journals.extend(number.map(|number| (number, path)));
    }
    journals.sort_unstable();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

/// Bytes that the journals in `folder` take on disk: what a start has to read.
pub(super) fn size(folder: &Path) -> io::Result<u64> {
    journals(folder)?.iter().map(|path| Ok(fs::metadata(path)?.blocks() * 512)).sum()
}
