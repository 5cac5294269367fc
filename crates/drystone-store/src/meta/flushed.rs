//! Up to which batch the engine's tables hold everything, asked before the engine itself is opened.
//!
//! The engine begins a new journal only after 64 MB, and reads all of the last one at a start, also what it has long
//! written to tables. What this finds lets the journals be shortened first ([`shorten`](super::journal::shorten)).

use std::fs;
use std::path::Path;

use lsm_tree::{AbstractTree, Config, SequenceNumberCounter};

use crate::durable;

/// The engine's keyspace of keyspaces, which has no journal.
const KEYSPACES: u64 = 0;

/// What lies in the tables of the one keyspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flushed {
    /// The keyspace's number.
    pub(super) keyspace: u64,
    /// The newest batch in the tables. Memtables are written in order, so older ones are in them too: the engine
    /// itself passes over these in its journals.
    pub(super) newest: u64,
}

/// Reads the newest batch in the tables of the engine in `folder`. `None` where there is no table yet, or not one
/// keyspace but several.
///
/// The tables' names are on stable storage afterwards: a process that was killed may have made them without, and only
/// a power cut would tell.
///
/// # Errors
/// The tables cannot be read, which the engine will say too, or not be synced.
pub(super) fn read(folder: &Path) -> lsm_tree::Result<Option<Flushed>> {
    let mut numbers = Vec::new();
    let keyspaces = folder.join("keyspaces");
    for entry in fs::read_dir(&keyspaces)? {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    numbers.retain(|number| *number != KEYSPACES);
    let [keyspace] = numbers[..] else { return Ok(None) };
    let folder = keyspaces.join(keyspace.to_string());
    let tree =
        Config::new(&folder, SequenceNumberCounter::default(), SequenceNumberCounter::default()).open()?;
    let newest = tree.get_highest_persisted_seqno();
    durable::sync_folder(&folder.join("tables"))?;
    durable::sync_folder(&folder)?;
    Ok(newest.map(|newest| Flushed { keyspace, newest }))
}
