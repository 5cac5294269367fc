//! An acknowledged write survives a power cut; what was not acknowledged leaves nothing behind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use drystone_sim::disk::{FileSystem, PowerCut, SmallDisk};
use drystone_sim::doors::data::bytes;
use parking_lot::Mutex;

use crate::store::{body, delete, objects, opened, put, recover, unowned};

/// Power cuts per test. `DRYSTONE_POWER_CUTS` asks for more, for a night.
const ROUNDS: usize = 4;
const WRITERS: usize = 6;

fn rounds() -> usize {
    std::env::var("DRYSTONE_POWER_CUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

/// What the writers know: the body's seed and length by key, or that it was deleted.
type Known = BTreeMap<Bytes, Option<(u64, u64)>>;

fn survives(kind: FileSystem, mebibytes: u64, how: PowerCut) {
    let Some(disk) = SmallDisk::mount(kind, mebibytes) else { return };
    let dir = disk.path().join("data");
    let mut acknowledged = Known::new();
    for round in 0..rounds() {
        let store = opened(&dir);
        let (meta, data) = (store.meta(), store.data());
        recover(&meta, &data);
        let found = objects(&meta);
        for (key, known) in &acknowledged {
            match (known, found.get(key)) {
                (Some((seed, len)), Some(extent)) => {
                    assert_eq!(*len, extent.len);
                    let read =
                        body(&data, *extent).unwrap_or_else(|error| panic!("{kind:?}: {key:?}: {error}"));
                    assert!(read == bytes(*len, *seed), "{kind:?}: {key:?} has other bytes");
                }
                (None, None) => {}
                (known, found) => panic!("{kind:?}: {key:?} was acknowledged as {known:?} and is {found:?}"),
            }
        }
        // Rows that were not acknowledged may be there, but then whole.
        for (key, extent) in &found {
            assert!(body(&data, *extent).is_ok(), "{kind:?}: {key:?} has a name but not its bytes");
        }
        for volume in data.volumes() {
            assert_eq!(unowned(&meta, &data, volume), [], "{kind:?}: bytes of {volume} without an owner");
        }
        // A fresh start each round, so that the disk does not fill.
        for (key, extent) in found {
            delete(&meta, &data, &key, extent).expect("it is deleted");
        }

        let known = Mutex::new(Known::new());
        let (dark, count) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (meta, data, known, dark, count) = (&meta, &data, &known, &dark, &count);
                scope.spawn(move || {
                    for number in 0_u64.. {
                        let seed = (round * WRITERS + writer) as u64 * 100_000 + number;
                        let sizes = [700, 5_000, 66_000, 250_000, 1_100_000];
                        let len = sizes.get((seed % 5) as usize).expect("five sizes") + seed % 977;
                        let key = Bytes::from(format!("object/{round}/{writer}/{number}"));
                        let Ok(extent) = put(meta, data, &key, &bytes(len, seed)) else { break };
                        // An answer that comes while the power goes counts as none: file systems
                        // acknowledge a sync that the emulated cut interrupts.
                        let answered = || !dark.load(Ordering::Acquire);
                        if answered() {
                            known.lock().insert(key.clone(), Some((seed, len)));
                        }
                        if number % 3 == 2 {
                            // A delete without an answer may have happened or not.
                            known.lock().remove(&key);
                            let Ok(()) = delete(meta, data, &key, extent) else { break };
                            if answered() {
                                known.lock().insert(key, None);
                            }
                        }
                        count.fetch_add(1, Ordering::AcqRel);
                    }
                });
            }
            // The cut comes in the middle of the work, a little later in every round.
            while count.load(Ordering::Acquire) < 20 + round * 17 {
                std::thread::yield_now();
            }
            dark.store(true, Ordering::Release);
            disk.cut_power(how);
        });
        acknowledged = known.into_inner();
        assert!(acknowledged.len() > 10, "the writers wrote: {}", acknowledged.len());
        drop((meta, data, store));
        disk.restart();
    }
}

#[test]
fn acknowledged_writes_survive_a_power_cut_on_ext4() {
    survives(FileSystem::Ext4, 256, PowerCut::Sudden);
}

#[test]
fn acknowledged_writes_survive_a_power_cut_on_xfs() {
    survives(FileSystem::Xfs, 400, PowerCut::Sudden);
}

#[test]
fn acknowledged_writes_survive_a_cut_after_the_journal_on_ext4() {
    survives(FileSystem::Ext4, 256, PowerCut::AfterJournal);
}

#[test]
fn acknowledged_writes_survive_a_cut_after_the_journal_on_xfs() {
    survives(FileSystem::Xfs, 400, PowerCut::AfterJournal);
}

#[test]
fn a_power_cut_while_the_first_directory_is_made_is_no_harm() {
    let Some(disk) = SmallDisk::mount(FileSystem::Ext4, 128) else { return };
    let dir = disk.path().join("data");
    drop(opened(&dir));
    disk.cut_power(PowerCut::Sudden);
    disk.restart();
    let store = opened(&dir);
    let (meta, data) = (store.meta(), store.data());
    put(&meta, &data, b"object/1", &bytes(1_000, 1)).expect("it is put");
    drop((meta, data));
    store.close().expect("it closes in order");
    disk.cut_power(PowerCut::Sudden);
    disk.restart();
    let store = opened(&dir);
    assert!(store.data().suspects().is_empty(), "the clean stop was on stable storage");
    let (_, extent) = objects(&store.meta()).pop_first().expect("the object is there");
    assert!(body(&Arc::clone(&store.data()), extent).expect("it is read") == bytes(1_000, 1));
}
