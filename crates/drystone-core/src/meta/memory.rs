//! Metadata in memory, for `--memory` and for tests.
//!
//! Every key has a short chain of values by commit number. A snapshot is a commit number: it reads
//! the newest value that is not younger, takes the lock only for a handful of rows at a time, and so
//! neither waits for writers nor copies the map. A value that no snapshot can see any more is
//! dropped at the next commit. Commands run one after another under one lock; nothing survives the
//! process, so a commit is settled at once.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use crate::meta::door::{BoxFuture, Command, Meta, MetaError, Order, Row, Verdict, View};
use crate::meta::overlay::{Overlay, Writes, is_empty};
use crate::sync::{Mutex, RwLock};

/// Rows that a scan reads under one hold of the lock: enough to make the lock cheap, few enough
/// that a writer never waits long and that an abandoned scan wasted little.
const SCAN_ROWS: usize = 64;

/// An engine without a disk.
#[derive(Default)]
pub struct MemoryMeta {
    /// Held while a command runs: one after another.
    lane: Mutex<Lane>,
    rows: RwLock<Rows>,
    /// Live snapshots: how many per commit number.
    snapshots: Mutex<BTreeMap<u64, usize>>,
}

/// What the running command owns.
#[derive(Default)]
struct Lane {
    /// Why nothing more is committed: a command panicked.
    poisoned: Option<String>,
}

/// All rows, with the values that live snapshots still need.
#[derive(Default)]
struct Rows {
    /// Number of the last commit.
    commit: u64,
    chains: BTreeMap<Bytes, Chain>,
    /// Keys whose chain can be cut once no snapshot is older than the commit, oldest first.
    stale: VecDeque<(u64, Bytes)>,
}

/// Values of one key, oldest first, each with the commit that wrote it; `None` is a removal.
type Chain = Vec<(u64, Option<Bytes>)>;

impl MemoryMeta {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn view(&self) -> Snapshot<'_> {
        // The number is read and registered under one lock, and writers cut chains under it too:
        // no value can vanish between reading the number and registering it.
        let mut snapshots = self.snapshots.lock();
        let commit = self.rows.read().commit;
        *snapshots.entry(commit).or_default() += 1;
        Snapshot { meta: self, commit }
    }

    fn run(&self, mut command: Box<dyn Command>) {
        let mut lane = self.lane.lock();
        if let Some(why) = &lane.poisoned {
            let why = why.clone();
            drop(lane);
            return command.settle(Err(MetaError::Poisoned(why)));
        }
        let view = self.view();
        let mut tx = Overlay::new(&view);
        let ran = catch_unwind(AssertUnwindSafe(|| command.run(&mut tx)));
        let writes = tx.into_writes();
        drop(view);
        let outcome = match ran {
            Ok(Verdict::Commit) => {
                self.apply(writes);
                Ok(())
            }
            Ok(Verdict::Refuse) => Ok(()),
            Err(_) => {
                let why = "a command panicked".to_owned();
                lane.poisoned = Some(why.clone());
                Err(MetaError::Poisoned(why))
            }
        };
        // The caller is woken outside the lock, so that it finds the lane free.
        drop(lane);
        command.settle(outcome);
    }

    fn apply(&self, writes: Writes) {
        let snapshots = self.snapshots.lock();
        let mut rows = self.rows.write();
        let oldest = snapshots.keys().next().copied();
        rows.commit += 1;
        let commit = rows.commit;
        for (key, value) in writes {
            rows.chains.entry(key.clone()).or_default().push((commit, value));
            rows.stale.push_back((commit, key));
        }
        rows.cut(oldest.unwrap_or(commit));
    }
}

impl Rows {
    /// Drops the values that no snapshot from `oldest` on can see.
    fn cut(&mut self, oldest: u64) {
        while self.stale.front().is_some_and(|(commit, _)| *commit <= oldest) {
            let Some((_, key)) = self.stale.pop_front() else { return };
            let Some(chain) = self.chains.get_mut(&key) else { continue };
            // The newest value that the oldest snapshot sees, and all younger ones, stay.
            let seen = chain.iter().rposition(|(commit, _)| *commit <= oldest).unwrap_or(0);
            chain.drain(..seen);
            if matches!(chain.as_slice(), [(_, None)]) {
                self.chains.remove(&key);
            }
        }
    }
}

/// What `chain` held at `commit`.
fn at(chain: &Chain, commit: u64) -> Option<&Bytes> {
    let (_, value) = chain.iter().rev().find(|(written, _)| *written <= commit)?;
    value.as_ref()
}

impl Meta for MemoryMeta {
    fn snapshot(&self) -> Box<dyn View + Send + '_> {
        Box::new(self.view())
    }

    fn submit(&self, command: Box<dyn Command>) -> BoxFuture<'_, ()> {
        self.run(command);
        Box::pin(std::future::ready(()))
    }
}

/// All rows as they were after one commit.
struct Snapshot<'m> {
    meta: &'m MemoryMeta,
    commit: u64,
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        let mut snapshots = self.meta.snapshots.lock();
        if let Some(count) = snapshots.get_mut(&self.commit) {
            *count -= 1;
            if *count == 0 {
                snapshots.remove(&self.commit);
            }
        }
    }
}

impl View for Snapshot<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, MetaError> {
        let rows = self.meta.rows.read();
        Ok(rows.chains.get(key).and_then(|chain| at(chain, self.commit)).cloned())
    }

    fn scan<'v>(
        &'v self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
    ) -> Box<dyn Iterator<Item = Row> + 'v> {
        let (from, to) = (range.0.map(Bytes::copy_from_slice), range.1.map(Bytes::copy_from_slice));
        Box::new(Scan { view: self, from, to, order, rows: VecDeque::new() })
    }
}

/// A walk that reads a few rows at a time.
struct Scan<'v> {
    view: &'v Snapshot<'v>,
    from: Bound<Bytes>,
    to: Bound<Bytes>,
    order: Order,
    rows: VecDeque<(Bytes, Bytes)>,
}

impl Scan<'_> {
    fn refill(&mut self) {
        let range = (self.from.as_ref().map(Bytes::as_ref), self.to.as_ref().map(Bytes::as_ref));
        if is_empty(range) {
            return;
        }
        let all = self.view.meta.rows.read();
        let chains = all.chains.range::<[u8], _>(range);
        let visible =
            |(key, chain): (&Bytes, &Chain)| Some((key.clone(), at(chain, self.view.commit)?.clone()));
        match self.order {
            Order::Ascending => self.rows.extend(chains.filter_map(visible).take(SCAN_ROWS)),
            Order::Descending => self.rows.extend(chains.rev().filter_map(visible).take(SCAN_ROWS)),
        }
        drop(all);
        if let Some((last, _)) = self.rows.back() {
            match self.order {
                Order::Ascending => self.from = Bound::Excluded(last.clone()),
                Order::Descending => self.to = Bound::Excluded(last.clone()),
            }
        }
    }
}

impl Iterator for Scan<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        if self.rows.is_empty() {
            self.refill();
        }
        self.rows.pop_front().map(Ok)
    }
}
