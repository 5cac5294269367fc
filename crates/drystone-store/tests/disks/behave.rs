//! Both doors behave on other file systems than that of the temporary folder, and when the disk dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use drystone_core::data::door::{DataError, Freed};
use drystone_core::meta::door::MetaError;
use drystone_sim::disk::{FileSystem, PowerCut, SmallDisk};
use drystone_sim::doors;
use drystone_sim::doors::data::{bytes, stored};
use drystone_sim::wait::wait;
use drystone_store::{OpenOptions, open};

use crate::store::{opened, put};

fn behaves(kind: FileSystem, mebibytes: u64) {
    let Some(disk) = SmallDisk::mount(kind, mebibytes) else { return };
    let made = AtomicUsize::new(0);
    let dir = || disk.path().join(format!("data-{}", made.fetch_add(1, Ordering::Relaxed)));
    doors::data::all(&|| (opened(&dir()).data(), Box::new(())));
    doors::meta::all(&|| (opened(&dir()).meta(), Box::new(())));
}

#[test]
fn both_doors_behave_on_xfs() {
    behaves(FileSystem::Xfs, 800);
}

#[test]
fn both_doors_behave_on_ext4_with_small_blocks() {
    behaves(FileSystem::Ext4, 500);
}

/// Bytes that are free on the file system of `disk`, after everything pending is written.
fn free_bytes(disk: &SmallDisk) -> u64 {
    let folder = std::fs::File::open(disk.path()).expect("the folder opens");
    rustix::fs::syncfs(&folder).expect("it syncs");
    let stat = rustix::fs::fstatvfs(&folder).expect("the file system tells");
    stat.f_bfree * stat.f_frsize
}

fn gives_everything_back(kind: FileSystem, mebibytes: u64) {
    let Some(disk) = SmallDisk::mount(kind, mebibytes) else { return };
    let store = opened(&disk.path().join("data"));
    let data = store.data();
    let before = free_bytes(&disk);
    let sizes = [3, 9_000, 70_000, 1_500_000, 40_000_000];
    let extents: Vec<_> = sizes.map(|size| stored(&data, &bytes(size, size))).to_vec();
    assert!(free_bytes(&disk) < before - 41_000_000);
    let freed = extents.into_iter().map(|extent| Freed { id: extent.id, len: extent.len }).collect();
    wait(Arc::clone(&data).free(freed)).expect("they are freed");
    // What stays are the files' own blocks in the file system's tables.
    let missing = before.saturating_sub(free_bytes(&disk));
    assert!(missing <= 256 * 1024, "{kind:?}: {missing} bytes are not back");
    drop(data);
    store.close().expect("it closes in order");
}

#[test]
fn ext4_gets_everything_back() {
    gives_everything_back(FileSystem::Ext4, 256);
}

#[test]
fn xfs_gets_everything_back() {
    gives_everything_back(FileSystem::Xfs, 400);
}

#[test]
fn when_the_disk_dies_everything_fails_and_the_process_is_told_once() {
    let Some(disk) = SmallDisk::mount(FileSystem::Ext4, 128) else { return };
    let told = Arc::new(AtomicUsize::new(0));
    let tell = Arc::clone(&told);
    let options = OpenOptions::new(disk.path().join("data")).on_fatal(move |_| {
        tell.fetch_add(1, Ordering::SeqCst);
    });
    let store = open(options).unwrap_or_else(|error| panic!("the store opens: {error}"));
    let (meta, data) = (store.meta(), store.data());
    put(&meta, &data, b"object/1", &bytes(1_000, 1)).expect("it is put");
    disk.cut_power(PowerCut::Sudden);
    for _ in 0..3 {
        put(&meta, &data, b"object/2", &bytes(1_000, 1)).expect_err("there is no disk");
        let committed = wait(meta.commit::<(), MetaError, _>(Vec::new(), |tx| {
            tx.put(b"row".to_vec(), Vec::new());
            Ok(())
        }));
        let Err((error, _)) = committed else { panic!("there is no disk") };
        assert!(matches!(error, MetaError::Engine(_) | MetaError::Poisoned(_)), "{error:?}");
    }
    let reserved = Arc::clone(&data).reserve(5_000_000);
    assert!(matches!(reserved.err(), Some(DataError::Io { .. })));
    assert_eq!(told.load(Ordering::SeqCst), 1);
    drop((meta, data));
    store.close().expect_err("nothing can be left in order");
}
