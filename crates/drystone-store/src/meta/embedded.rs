//! Metadata in the embedded engine fjall: a log-structured merge tree with one keyspace.
//!
//! The engine's journal is the commit point: a batch is one journal entry with a checksum, synced
//! before anybody hears of it. Readers take the engine's snapshots and never meet the lane. Values
//! are not separated from keys (the engine would not give their room back in time), and everything
//! that takes memory has a bound here. Figures and reasons: `docs/design/0002-embedded-engine.md`.

use std::io::ErrorKind;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use drystone_core::meta::door::{BoxFuture, Command, Meta, MetaError, Order, Row, View};
use drystone_core::meta::overlay::{Writes, is_empty};
use drystone_core::planted::{Mistake, planted};
use fjall::compaction::Leveled;
use fjall::config::{BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};
use parking_lot::RwLock;

use crate::descriptors::{current_limit, tables_open_max};
use crate::durable;
use crate::format::{Held, LastStop, OpenError, failed};
use crate::meta::flight::{Fatal, Patience};
use crate::meta::flushed;
use crate::meta::journal::{self, Mended};
use crate::meta::lane::{self, Lane};
use crate::meta::often::{Moment, Often};
use crate::meta::waits::Waits;
use crate::room::{NoRoom, Room};

/// Memory for blocks of tables that were read, in bytes. A block that is not here comes from the page
/// cache and is verified again; the allocator keeps about as much memory again around it.
const CACHE_BYTES: u64 = 20 * 1024 * 1024;
/// Threads that write memtables to disk and merge tables: one of each.
const WORKERS: usize = 2;
/// Bits of filter per key: one needless read in a hundred.
const FILTER_BITS_PER_KEY: f32 = 10.0;
/// Size of a table, in memtables. Small tables make small merges, which need little room at once.
const TABLE_MEMTABLES: u64 = 2;
/// Size of the journals up to which they are left as they are, in memtables: one is not in a table yet.
const JOURNAL_MEMTABLES: u64 = 2;
/// How often a process opens the engine again after the file system was full, before it gives up.
const REVIVALS_MAX: u32 = 16;
/// The file by which the engine knows its folder.
const VERSION: &str = "version";
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
    /// The directory is ours until the last user of the engine is gone.
    pub(crate) held: Held,
}

/// The engine and its lane.
pub(crate) struct Embedded {
    // Dropped first: the lane settles what waits before the engine goes.
    lane: Lane,
    engine: Arc<Engine>,
}

/// The engine, which may be opened again while others read from it.
struct Engine {
    path: PathBuf,
    room: Arc<Room>,
    /// `None` when it could not be opened again.
    store: RwLock<Option<Store>>,
    often: Often,
    waits: Waits,
    revivals: AtomicU32,
    // Dropped last: nobody else may open the engine before it is gone, and a write that was given up
    // may still hold it.
    held: Held,
}

struct Store {
    database: Database,
    rows: Keyspace,
}

impl Embedded {
    /// Opens the engine, or makes it.
    pub(crate) fn open(options: EmbeddedOptions<'_>) -> Result<Self, OpenError> {
        let EmbeddedOptions { path, stop, room, fatal, held } = options;
        let refused =
            |error: fjall::Error| OpenError::Metadata { path: path.to_owned(), why: error.to_string() };
        let memtable = room.sizes().memtable;
        if !path.is_dir() {
            make(path, memtable)?;
        }
        expect_whole(path)?;
        journal::clear(path).map_err(failed("removing an unfinished journal in", path))?;
        if let Err(error) = shorten_journals(path, memtable) {
            tracing::warn!(%error, "the metadata journals were not shortened: the start takes longer");
        }
        let store = match Store::open(path, memtable) {
            Err(fjall::Error::JournalRecovery(error)) if stop == LastStop::Unclean => {
                match journal::mend(path).map_err(failed("mending the journal in", path))? {
                    Mended::CutOff(_) => Store::open(path, memtable),
                    Mended::Nothing => Err(fjall::Error::JournalRecovery(error)),
                }
            }
            opened => opened,
        };
        let store = RwLock::new(Some(store.map_err(refused)?));
        // The first time takes room, which is still there now.
        held.expect_alive().map_err(failed("asking for changes to the file system of", path))?;
        let revivals = AtomicU32::new(0);
        let (often, waits) = (Often::default(), Waits::default());
        let engine = Arc::new(Engine { path: path.to_owned(), room, store, often, waits, revivals, held });
        let lane = Lane::start(LaneEngine(Arc::clone(&engine)), fatal, Patience::OF_A_DISK)
            .map_err(failed("starting the commit lane for", path))?;
        Ok(Self { lane, engine })
    }

    /// Settles what waits and takes no more.
    pub(crate) fn close(&self) {
        self.lane.close();
    }

    /// Ends the engine itself, after [`Embedded::close`]: it changes no file any more, and nobody can read.
    pub(crate) fn end(&self) {
        drop(self.engine.store.write().take());
    }

    /// Whether a write or sync failed.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.lane.is_poisoned()
    }
}

/// Makes the engine's folder beside its place, and renames it when it is whole. So what stands at its place
/// was whole once: whatever is missing in it is damage, and never a beginning that may be cleared away.
fn make(path: &Path, memtable: u64) -> Result<(), OpenError> {
    let fresh = path.with_extension(durable::NEW);
    match std::fs::remove_dir_all(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(failed("removing the unfinished", &fresh)(error));
        }
        _ => {}
    }
    durable::make_folder(&fresh).map_err(failed("making the folder", &fresh))?;
    let made = Store::open(&fresh, memtable);
    // The engine's threads end before its folder gets another name.
    drop(made.map_err(|error| OpenError::Metadata { path: fresh.clone(), why: error.to_string() })?);
    durable::publish(&fresh, path).map_err(failed("renaming", &fresh))
}

/// Drops what the journals and the tables both hold, when the engine would take long to pass over it.
fn shorten_journals(path: &Path, memtable: u64) -> Result<(), fjall::Error> {
    if journal::size(path)? <= JOURNAL_MEMTABLES * memtable {
        return Ok(());
    }
    let Some(flushed) = flushed::read(path)? else { return Ok(()) };
    Ok(journal::shorten(path, flushed)?)
}

/// Refuses a folder without the files that the engine would silently make anew, and begin with nothing.
///
/// What a stop in order left is compared more exactly, file by file; this is for after a crash.
fn expect_whole(path: &Path) -> Result<(), OpenError> {
    let list = |folder: &Path| {
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        entries.map_err(failed("reading the folder", folder))
    };
    let missing = |path: PathBuf| OpenError::Damaged { path, why: "it is missing".into() };
    if !path.join(VERSION).is_file() {
        return Err(missing(path.join(VERSION)));
    }
    let is_journal =
        |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|ending| ending == "jnl");
    if !list(path)?.iter().any(is_journal) {
        return Err(missing(path.join("*.jnl")));
    }
    let keyspaces = path.join("keyspaces");
    if !keyspaces.is_dir() {
        return Err(missing(keyspaces));
    }
    for keyspace in list(&keyspaces)? {
        let current = keyspace.path().join("current");
        if !current.is_file() {
            return Err(missing(current));
        }
    }
    Ok(())
}

impl Store {
    fn open(path: &Path, memtable: u64) -> fjall::Result<Self> {
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_cached_files(Some(tables_open_max(current_limit())))
            .worker_threads(WORKERS)
            .open()?;
        let rows = database.keyspace(ROWS, || keyspace(memtable))?;
        // The keyspace itself must not be newer on disk than what is said about it.
        database.persist(PersistMode::SyncAll)?;
        Ok(Self { database, rows })
    }

    fn write(&self, writes: &Writes) -> fjall::Result<()> {
        // SyncData is an fdatasync of the journal. It is enough: the journal's length and blocks are
        // what fdatasync must bring along, and its name was synced when it was made.
        let sync =
            if planted(Mistake::JournalNotSynced) { PersistMode::Buffer } else { PersistMode::SyncData };
        let mut batch = self.database.batch().durability(Some(sync));
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(&self.rows, key.clone(), value.clone()),
                None => batch.remove(&self.rows, key.clone()),
            }
        }
        batch.commit()
    }
}

fn keyspace(memtable: u64) -> KeyspaceCreateOptions {
    let filter = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(FILTER_BITS_PER_KEY));
    KeyspaceCreateOptions::default()
        .max_memtable_size(memtable)
        .filter_policy(FilterPolicy::all(filter))
        .compaction_strategy(Arc::new(Leveled::default().with_table_target_size(TABLE_MEMTABLES * memtable)))
}

impl Engine {
    /// All rows; `waits` learns from how long looking them up takes.
    fn snapshot<'e>(&'e self, waits: Option<&'e Waits>) -> Box<dyn View + Send + 'e> {
        match &*self.store.read() {
            Some(Store { database, rows }) => {
                let (snapshot, moment) = self.often.moment(|| database.snapshot());
                Box::new(Snapshot { snapshot, rows: rows.clone(), often: &self.often, moment, waits })
            }
            None => Box::new(Gone),
        }
    }

    fn write(&self, writes: &Writes) -> fjall::Result<()> {
        match &*self.store.read() {
            Some(store) => store.write(writes),
            None => Err(fjall::Error::Poisoned),
        }
    }

    /// Opens the engine again after a flush or merge in the background found no room, and says whether
    /// it may be written to.
    ///
    /// The engine refuses all writes then, before it has touched its journal, which holds every
    /// settled batch; so nothing is lost by beginning anew from it, with the ballast for room.
    /// Whatever else makes the engine refuse is not ours to mend.
    fn revive(&self) -> bool {
        if !self.room.make_way() || self.revivals.fetch_add(1, Ordering::AcqRel) >= REVIVALS_MAX {
            return false;
        }
        tracing::warn!("the metadata engine stopped on a full file system: opening it again");
        let mut store = self.store.write();
        // Ends the old engine's threads; only then may another touch its files. Readers that are in the
        // middle of a scan keep its lock file, so the new one gets another: the lock that counts is
        // that of the data directory.
        drop(store.take());
        let lock = self.path.join("lock");
        let opened = std::fs::remove_file(&lock)
            .and_then(|()| std::fs::File::create(&lock).map(drop))
            .map_err(fjall::Error::from)
            .and_then(|()| Store::open(&self.path, self.room.sizes().memtable));
        match opened {
            Ok(opened) => *store = Some(opened),
            Err(error) => tracing::error!(%error, "the metadata engine could not be opened again"),
        }
        store.is_some()
    }
}

/// What the lane sees of the engine.
struct LaneEngine(Arc<Engine>);

impl lane::Engine for LaneEngine {
    fn view(&self) -> Box<dyn View + '_> {
        // The lane has a thread of its own, and nothing that it could hand on.
        self.0.snapshot(None)
    }

    fn admit(&self, bytes: u64) -> Result<(), MetaError> {
        self.0
            .room
            .for_commit(bytes)
            .map_err(|NoRoom { needed, available }| MetaError::Full { needed, available })
    }

    fn write(&self, writes: Writes) -> Result<(), MetaError> {
        let written = self.0.often.write(&writes, || match self.0.write(&writes) {
            // Nothing of the batch was written: it can be tried again.
            Err(fjall::Error::Poisoned) if self.0.revive() => self.0.write(&writes),
            written => written,
        });
        written.map_err(engine)?;
        // For the batch, and for the extents that it names: all syncs that an answer rests on are behind us.
        self.0.held.expect_alive().map_err(|error| {
            MetaError::Engine(format!(
                "the file system took no more changes while a batch was synced: {error}"
            ))
        })
    }
}

impl Meta for Embedded {
    fn snapshot(&self) -> Box<dyn View + Send + '_> {
        self.engine.snapshot(Some(&self.engine.waits))
    }

    fn waits(&self) -> bool {
        self.engine.waits.expected()
    }

    fn submit(&self, command: Box<dyn Command>) -> BoxFuture<'_, ()> {
        self.lane.submit(command)
    }
}

/// The view of an engine that is not open.
struct Gone;

impl View for Gone {
    fn get(&self, _: &[u8]) -> Result<Option<Bytes>, MetaError> {
        Err(gone())
    }

    fn scan<'v>(&'v self, _: (Bound<&[u8]>, Bound<&[u8]>), _: Order) -> Box<dyn Iterator<Item = Row> + 'v> {
        Box::new(std::iter::once(Err(gone())))
    }
}

fn gone() -> MetaError {
    MetaError::Poisoned("the metadata engine is closed".into())
}

/// All rows as they were at one moment.
struct Snapshot<'e> {
    snapshot: fjall::Snapshot,
    rows: Keyspace,
    often: &'e Often,
    moment: Moment,
    waits: Option<&'e Waits>,
}

impl View for Snapshot<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, MetaError> {
        let get = || self.snapshot.get(&self.rows, key);
        let value = self.waits.map_or_else(get, |waits| waits.look_up(get)).map_err(engine)?;
        Ok(value.map(Bytes::from))
    }

    fn get_often(&self, key: &[u8]) -> Result<Option<Bytes>, MetaError> {
        self.often.get(key, self.moment, || self.get(key))
    }

    fn scan<'v>(
        &'v self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
    ) -> Box<dyn Iterator<Item = Row> + 'v> {
        if is_empty(range) {
            return Box::new(std::iter::empty());
        }
        let rows = self.snapshot.range::<&[u8], _>(&self.rows, range);
        match order {
            Order::Ascending => Box::new(Rows { rows: rows.map(row), waits: self.waits }),
            Order::Descending => Box::new(Rows { rows: rows.rev().map(row), waits: self.waits }),
        }
    }
}

/// The rows of a scan. The first is a look-up in each of the engine's sources; the others mostly follow from it.
struct Rows<'e, I> {
    rows: I,
    /// `None` after the first.
    waits: Option<&'e Waits>,
}

impl<I: Iterator<Item = Row>> Iterator for Rows<'_, I> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        match self.waits.take() {
            Some(waits) => waits.look_up(|| self.rows.next()),
            None => self.rows.next(),
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
