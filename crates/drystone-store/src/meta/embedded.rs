//! Metadata in the embedded engine fjall: a log-structured merge tree with one keyspace.
//!
//! The engine's journal is the commit point: a batch is one journal entry with a checksum, synced
//! before anybody hears of it. Readers take the engine's snapshots and never meet the lane. Values
//! are not separated from keys (the engine would not give their room back in time), and everything
//! that takes memory has a bound here. Figures and reasons: `docs/design/0002-embedded-engine.md`.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use drystone_core::meta::door::{BoxFuture, Command, Meta, MetaError, Order, Row, View};
use drystone_core::meta::overlay::{Writes, is_empty};
use fjall::compaction::Leveled;
use fjall::config::{BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};

use crate::format::{LastStop, OpenError, failed};
use crate::meta::journal::{self, Mended};
use crate::meta::lane::{Engine, Fatal, Lane};
use crate::room::Room;

/// Memory for blocks of tables that were read, in bytes. A block that is not here comes from the page
/// cache and is verified again, which takes 3 us; the allocator keeps about as much again around it.
const CACHE_BYTES: u64 = 20 * 1024 * 1024;
/// Files of tables that are kept open.
const FILES_OPEN_MAX: usize = 256;
/// Threads that write memtables to disk and merge tables: one of each.
const WORKERS: usize = 2;
/// Bits of filter per key: one needless read in a hundred.
const FILTER_BITS_PER_KEY: f32 = 10.0;
/// Size of a table, in memtables. Small tables make small merges, which need little room at once.
const TABLE_MEMTABLES: u64 = 2;
/// The one keyspace.
const ROWS: &str = "rows";

/// What the engine is opened with.
pub(crate) struct EmbeddedOptions<'o> {
    /// Its folder.
    pub(crate) path: &'o Path,
    /// How the last process ended.
    pub(crate) stop: LastStop,
    /// The file system's room.
    pub(crate) room: Arc<Room>,
    /// Told when metadata takes no more writes.
    pub(crate) fatal: Fatal,
}

/// The engine and its lane.
pub(crate) struct Embedded {
    // Dropped first: the lane settles what waits before the engine goes.
    lane: Lane,
    store: Store,
}

#[derive(Clone)]
struct Store {
    database: Database,
    rows: Keyspace,
}

impl Embedded {
    /// Opens the engine, or makes it.
    pub(crate) fn open(options: EmbeddedOptions<'_>) -> Result<Self, OpenError> {
        let EmbeddedOptions { path, stop, room, fatal } = options;
        let refused =
            |error: fjall::Error| OpenError::Metadata { path: path.to_owned(), why: error.to_string() };
        clear_unfinished(path)?;
        let database = match database(path) {
            Err(fjall::Error::JournalRecovery(error)) if stop == LastStop::Unclean => {
                match journal::mend(path).map_err(failed("mending the journal in", path))? {
                    Mended::CutOff(_) => database(path),
                    Mended::Nothing => Err(fjall::Error::JournalRecovery(error)),
                }
            }
            opened => opened,
        };
        let database = database.map_err(refused)?;
        let memtable = room.sizes().memtable;
        let rows = database.keyspace(ROWS, || keyspace(memtable)).map_err(refused)?;
        // The keyspace itself must not be newer on disk than what is said about it.
        database.persist(PersistMode::SyncAll).map_err(refused)?;
        let store = Store { database, rows };
        let lane = Lane::start(LaneEngine { store: store.clone(), room }, fatal)
            .map_err(failed("starting the commit lane for", path))?;
        Ok(Self { lane, store })
    }

    /// Settles what waits and takes no more.
    pub(crate) fn close(&self) {
        self.lane.close();
    }

    /// Whether a write or sync failed.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.lane.is_poisoned()
    }
}

/// Removes what a process left that ended while it made the engine's folder: the engine writes its
/// version last, so without it nothing was ever committed.
fn clear_unfinished(path: &Path) -> Result<(), OpenError> {
    if path.is_dir() && !path.join("version").exists() {
        std::fs::remove_dir_all(path).map_err(failed("removing the unfinished", path))?;
    }
    Ok(())
}

fn database(path: &Path) -> fjall::Result<Database> {
    Database::builder(path)
        .cache_size(CACHE_BYTES)
        .max_cached_files(Some(FILES_OPEN_MAX))
        .worker_threads(WORKERS)
        .open()
}

fn keyspace(memtable: u64) -> KeyspaceCreateOptions {
    let filter = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(FILTER_BITS_PER_KEY));
    KeyspaceCreateOptions::default()
        .max_memtable_size(memtable)
        .filter_policy(FilterPolicy::all(filter))
        .compaction_strategy(Arc::new(Leveled::default().with_table_target_size(TABLE_MEMTABLES * memtable)))
}

/// What the lane sees of the engine.
struct LaneEngine {
    store: Store,
    room: Arc<Room>,
}

impl Engine for LaneEngine {
    fn view(&self) -> Box<dyn View + '_> {
        Box::new(self.store.snapshot())
    }

    fn admit(&self, bytes: u64) -> Result<(), MetaError> {
        self.room.for_commit(bytes).map_err(MetaError::Full)
    }

    fn write(&self, writes: Writes) -> Result<(), MetaError> {
        let rows = &self.store.rows;
        // SyncData is an fdatasync of the journal. It is enough: the journal's length and blocks are
        // what fdatasync must bring along, and its name was synced when it was made.
        let mut batch = self.store.database.batch().durability(Some(PersistMode::SyncData));
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(rows, key, value),
                None => batch.remove(rows, key),
            }
        }
        batch.commit().map_err(engine)
    }
}

impl Meta for Embedded {
    fn snapshot(&self) -> Box<dyn View + Send + '_> {
        Box::new(self.store.snapshot())
    }

    fn submit(&self, command: Box<dyn Command>) -> BoxFuture<'_, ()> {
        self.lane.submit(command)
    }
}

impl Store {
    fn snapshot(&self) -> Snapshot<'_> {
        Snapshot { snapshot: self.database.snapshot(), rows: &self.rows }
    }
}

/// All rows as they were at one moment.
struct Snapshot<'s> {
    snapshot: fjall::Snapshot,
    rows: &'s Keyspace,
}

impl View for Snapshot<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, MetaError> {
        let value = self.snapshot.get(self.rows, key).map_err(engine)?;
        Ok(value.map(Bytes::from))
    }

    fn scan<'v>(
        &'v self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
    ) -> Box<dyn Iterator<Item = Row> + 'v> {
        if is_empty(range) {
            return Box::new(std::iter::empty());
        }
        let rows = self.snapshot.range::<&[u8], _>(self.rows, range);
        match order {
            Order::Ascending => Box::new(rows.map(row)),
            Order::Descending => Box::new(rows.rev().map(row)),
        }
    }
}

fn row(guard: Guard) -> Row {
    let (key, value) = guard.into_inner().map_err(engine)?;
    Ok((key.into(), value.into()))
}

#[expect(clippy::needless_pass_by_value, reason = "it is used where an error is handed over")]
fn engine(error: fjall::Error) -> MetaError {
    MetaError::Engine(error.to_string())
}

#[cfg(test)]
mod tests;
