//! The commit lane under a model checker: nothing is acknowledged before it is written, everything is answered
//! once, nothing is written after a write that failed, and nothing before the extents that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;
use drystone_core::data::door::{Extent, ExtentId, Pending};
use drystone_core::data::memory::MemoryData;
use drystone_core::meta::door::{Meta, Order, Row, Tx};
use drystone_sim::{effort, schedules};

use super::*;

/// Callers, each with two commands.
const CALLERS: u64 = 3;
const COUNTER: &[u8] = b"counter";

/// What is on the disk.
#[derive(Default)]
struct Disk {
    rows: BTreeMap<Bytes, Bytes>,
    writes: u32,
    /// Extents whose bytes are in the one volume, and those whose bytes a sync found there.
    finished: BTreeSet<u64>,
    kept: BTreeSet<u64>,
}

/// The volume's sync: it keeps what was finished before it began.
struct Missing(Arc<Mutex<Disk>>);

impl Unsynced for Missing {
    fn volume(&self) -> u64 {
        1
    }

    fn sync(&self) -> Result<(), DataError> {
        let finished = self.0.lock().finished.clone();
        thread::yield_now();
        self.0.lock().kept.extend(finished);
        Ok(())
    }
}

/// An extent that was finished a moment ago.
fn finished(disk: &Arc<Mutex<Disk>>, offset: u64) -> Pending {
    disk.lock().finished.insert(offset);
    let extent = Extent { id: ExtentId { volume: 1, offset }, len: 1, token: 0 };
    Pending::new(extent, Some(Arc::new(Missing(Arc::clone(disk)))), MemoryData::new(1))
}

/// An engine whose write number `fails` fails.
struct Fake {
    disk: Arc<Mutex<Disk>>,
    fails: Option<u32>,
}

struct Frozen(BTreeMap<Bytes, Bytes>);

impl View for Frozen {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, MetaError> {
        Ok(self.0.get(key).cloned())
    }

    fn scan<'v>(&'v self, _: (Bound<&[u8]>, Bound<&[u8]>), _: Order) -> Box<dyn Iterator<Item = Row> + 'v> {
        Box::new(std::iter::empty())
    }
}

impl Engine for Fake {
    fn view(&self) -> Box<dyn View + '_> {
        Box::new(Frozen(self.disk.lock().rows.clone()))
    }

    fn admit(&self, _: u64) -> Result<(), MetaError> {
        Ok(())
    }

    fn write(&self, writes: Writes) -> Result<(), MetaError> {
        let mut disk = self.disk.lock();
        disk.writes += 1;
        let number = disk.writes;
        drop(disk);
        thread::yield_now();
        assert!(self.fails.is_none_or(|fails| number <= fails), "a failed write is followed by another");
        if self.fails == Some(number) {
            return Err(MetaError::Engine("on purpose".into()));
        }
        let rows: Vec<_> = writes.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        let mut disk = self.disk.lock();
        let named = rows.iter().filter_map(|(key, _)| Some(u64::from_be_bytes((**key).try_into().ok()?)));
        let lost: Vec<_> = named.filter(|extent| !disk.kept.contains(extent)).collect();
        assert!(lost.is_empty(), "{lost:?} have a name and may not have their bytes");
        disk.rows.extend(rows);
        Ok(())
    }
}

/// The lane as a door, so that callers commit as the core does.
struct Door(Lane);

impl Meta for Door {
    fn snapshot(&self) -> Box<dyn View + Send + '_> {
        Box::new(Frozen(BTreeMap::new()))
    }

    fn submit(&self, command: Box<dyn Command>) -> BoxFuture<'_, ()> {
        self.0.submit(command)
    }
}

fn count(bytes: Option<&Bytes>) -> u64 {
    bytes.and_then(|bytes| bytes[..].try_into().ok()).map_or(0, u64::from_be_bytes)
}

fn callers_increment(fails: Option<u32>) {
    let disk = Arc::new(Mutex::new(Disk::default()));
    let engine = Fake { disk: Arc::clone(&disk), fails };
    let lane = Lane::start(engine, Arc::new(|_| {}), Patience::OF_A_DISK).expect("the lane starts");
    let door: Arc<dyn Meta> = Arc::new(Door(lane));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (door, disk) = (Arc::clone(&door), Arc::clone(&disk));
            thread::spawn(move || {
                let mut acknowledged = 0;
                for round in 0..2 {
                    let extent: u64 = 2 * caller + round;
                    let pending = vec![finished(&disk, extent)];
                    let increment = move |tx: &mut dyn Tx| {
                        tx.put(extent.to_be_bytes().to_vec(), Vec::new());
                        let next = count(tx.get(COUNTER)?.as_ref()) + 1;
                        tx.put(COUNTER.to_vec(), next.to_be_bytes().to_vec());
                        Ok::<u64, MetaError>(next)
                    };
                    match shuttle::future::block_on(door.commit(pending, increment)) {
                        Ok(mine) => {
                            let written = count(disk.lock().rows.get(COUNTER));
                            assert!(written >= mine, "{mine} was acknowledged and {written} is on the disk");
                            acknowledged += 1;
                        }
                        Err((error, _)) => assert!(fails.is_some(), "nothing fails here: {error}"),
                    }
                }
                acknowledged
            })
        })
        .collect();
    let acknowledged: u64 = callers.into_iter().map(|caller| caller.join().expect("a caller ends")).sum();
    // Ends the lane, which waits for its threads.
    drop(door);
    assert_eq!(
        count(disk.lock().rows.get(COUNTER)),
        acknowledged,
        "each acknowledged increment is there, once"
    );
}

#[test]
fn nothing_is_acknowledged_before_it_is_written_and_nothing_written_after_a_failure() {
    let mut tried = 0;
    for fails in [None, Some(1), Some(2)] {
        tried += schedules::drawn(effort::of(1_000, 300_000), move || callers_increment(fails));
    }
    println!("models: {tried} schedules of the commit lane");
}
