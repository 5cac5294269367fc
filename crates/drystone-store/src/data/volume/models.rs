//! Shared syncs under a model checker: nobody is answered by a sync that may have missed his bytes, and
//! after a failed one there is no other.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, RawFd};

use drystone_core::sync::thread;
use drystone_sim::{effort, schedules};

use super::*;
use crate::durable::faults::{Syncs, watch};

/// Writers that share a volume.
const WRITERS: u32 = 3;

/// What the disk has seen.
#[derive(Default)]
struct Disk {
    written: BTreeSet<u32>,
    durable: BTreeSet<u32>,
    syncs: u32,
}

/// Runs writers that each write and ask for a sync. The sync number `fails` fails.
fn writers_share_syncs(path: &std::path::Path, fails: Option<u32>) {
    let volume = Arc::new(Volume::open(1, path.to_owned()).expect("the volume opens"));
    let disk = Arc::new(Mutex::new(Disk::default()));
    let seen = Arc::clone(&disk);
    let stand = move |_: &File| {
        let mut disk = seen.lock();
        disk.syncs += 1;
        let (number, written) = (disk.syncs, disk.written.clone());
        drop(disk);
        // What is written from here on is not in this sync.
        thread::yield_now();
        assert!(fails.is_none_or(|fails| number <= fails), "a failed sync is followed by another");
        if fails == Some(number) {
            return Err(io::Error::from_raw_os_error(5));
        }
        seen.lock().durable.extend(written);
        Ok(())
    };
    let watched = watch(&volume.file, Syncs::Stand(Arc::new(stand)));
    let pool = Arc::new(Pool::start("model-sync", 1).expect("the pool starts"));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (volume, disk, pool) = (Arc::clone(&volume), Arc::clone(&disk), Arc::clone(&pool));
            thread::spawn(move || {
                disk.lock().written.insert(writer);
                let answered = shuttle::future::block_on(volume.sync(&pool));
                let durable = disk.lock().durable.contains(&writer);
                assert!(
                    durable || answered.is_err(),
                    "writer {writer} was answered before its bytes were durable"
                );
                assert!(fails.is_some() || answered.is_ok(), "nothing fails here: {answered:?}");
            })
        })
        .collect();
    for writer in writers {
        writer.join().expect("a writer ends");
    }
    assert_eq!(volume.poisoned().is_some(), fails.is_some_and(|fails| disk.lock().syncs >= fails));
    pool.close();
    drop(watched);
}

/// A kernel that loses what is not durable when the sync number `loses` begins, and tells each open file once.
#[derive(Default)]
struct Kernel {
    disk: Disk,
    lost: BTreeSet<u32>,
    told: BTreeSet<RawFd>,
}

/// Runs writers that share syncs, and one whose bytes the lane syncs meanwhile.
fn the_lane_syncs_beside(path: &std::path::Path, loses: u32) {
    let volume = Arc::new(Volume::open(1, path.to_owned()).expect("the volume opens"));
    let kernel = Arc::new(Mutex::new(Kernel::default()));
    let seen = Arc::clone(&kernel);
    let stand = move |file: &File| {
        let mut kernel = seen.lock();
        kernel.disk.syncs += 1;
        if kernel.disk.syncs == loses {
            kernel.lost = &kernel.disk.written - &kernel.disk.durable;
        }
        let written = kernel.disk.written.clone();
        drop(kernel);
        // Others' syncs begin and end here.
        thread::yield_now();
        let mut kernel = seen.lock();
        if kernel.disk.syncs >= loses && kernel.told.insert(file.as_raw_fd()) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let kept = &written - &kernel.lost;
        kernel.disk.durable.extend(kept);
        Ok(())
    };
    let watched = watch(&volume.file, Syncs::Stand(Arc::new(stand)));
    let pool = Arc::new(Pool::start("model-sync", 1).expect("the pool starts"));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (volume, kernel, pool) = (Arc::clone(&volume), Arc::clone(&kernel), Arc::clone(&pool));
            thread::spawn(move || {
                kernel.lock().disk.written.insert(writer);
                let answered = if writer == 0 {
                    volume.hold();
                    volume.unsynced().sync()
                } else {
                    shuttle::future::block_on(volume.sync(&pool))
                };
                let durable = kernel.lock().disk.durable.contains(&writer);
                assert!(durable || answered.is_err(), "writer {writer} was answered, and its bytes are lost");
            })
        })
        .collect();
    for writer in writers {
        writer.join().expect("a writer ends");
    }
    pool.close();
    drop(watched);
}

#[test]
fn nobody_is_answered_by_a_sync_that_ran_beside_one_that_failed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("volume");
    std::fs::write(&path, [0; 8]).expect("the volume is made");
    let mut tried = 0;
    for loses in [1, 2] {
        let path = path.clone();
        tried += schedules::drawn(effort::of(2_000, 500_000), move || the_lane_syncs_beside(&path, loses));
    }
    println!("models: {tried} schedules of the lane's syncs beside shared ones");
}

#[test]
fn nobody_is_answered_by_a_sync_that_may_have_missed_his_bytes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("volume");
    std::fs::write(&path, [0; 8]).expect("the volume is made");
    let mut tried = 0;
    for fails in [None, Some(1), Some(2)] {
        let path = path.clone();
        tried += schedules::drawn(effort::of(2_000, 500_000), move || writers_share_syncs(&path, fails));
    }
    println!("models: {tried} schedules of shared syncs");
}
