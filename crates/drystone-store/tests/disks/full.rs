//! On a full disk uploads are refused early, and aborts and deletes work.

use std::io::Write;

use drystone_core::data::door::DataError;
use drystone_sim::disk::{FileSystem, SmallDisk};
use drystone_sim::doors::data::bytes;

use crate::store::{NotPut, body, delete, objects, opened, put, recover};

/// Takes every byte of the file system at `folder` that is left, as another program would.
fn fill(folder: &std::path::Path) -> std::path::PathBuf {
    let path = folder.join("filler");
    let mut file = std::fs::File::create(&path).expect("the filler is made");
    for size in [1 << 20, 4096, 1] {
        let chunk = vec![1_u8; size];
        while file.write_all(&chunk).is_ok() {}
    }
    // Delayed allocation may still find room that it had promised.
    drop(file);
    path
}

fn full(kind: FileSystem, mebibytes: u64) {
    let Some(disk) = SmallDisk::mount(kind, mebibytes) else { return };
    let dir = disk.path().join("data");
    let store = opened(&dir);
    let (meta, data) = (store.meta(), store.data());
    let mut keys = Vec::new();
    let refused = loop {
        let key = format!("object/{:06}", keys.len());
        match put(&meta, &data, key.as_bytes(), &bytes(150_000, keys.len() as u64)) {
            Ok(extent) => keys.push((key, extent)),
            Err(refused) => break refused,
        }
    };
    // Refused when the room was reserved: the body was not read, and room for metadata is left.
    assert!(matches!(&refused, NotPut::Data(DataError::NoSpace { .. })), "{refused:?}");
    assert!(keys.len() > 100, "{kind:?} took {}", keys.len());
    assert!(std::sync::Arc::clone(&data).reserve(1_000_000).is_err());

    // Now another program takes what was left.
    let filler = fill(&disk.path());
    let half = keys.len() / 2;
    for (key, extent) in keys.drain(..half) {
        delete(&meta, &data, key.as_bytes(), extent)
            .unwrap_or_else(|error| panic!("{kind:?}: a delete on a full disk: {error:?}"));
    }
    // A crash and a start on the full disk.
    drop((meta, data, store));
    let store = opened(&dir);
    let (meta, data) = (store.meta(), store.data());
    recover(&meta, &data);
    assert_eq!(objects(&meta).len(), keys.len());
    std::fs::remove_file(filler).expect("the filler goes");
    for (number, (key, extent)) in keys.iter().enumerate() {
        let read = body(&data, *extent).expect("what was not deleted is there");
        assert!(read == bytes(150_000, (half + number) as u64), "{kind:?}: {key}");
    }
    for number in 0..half {
        put(&meta, &data, format!("object/again/{number}").as_bytes(), &bytes(100_000, 1))
            .unwrap_or_else(|error| panic!("{kind:?}: there is room again: {error:?}"));
    }
    drop((meta, data));
    store.close().expect("it closes in order");
}

#[test]
fn aborts_and_deletes_work_on_a_full_ext4() {
    full(FileSystem::Ext4, 64);
}

#[test]
fn aborts_and_deletes_work_on_a_full_larger_ext4() {
    full(FileSystem::Ext4, 300);
}

#[test]
fn aborts_and_deletes_work_on_a_full_xfs() {
    full(FileSystem::Xfs, 320);
}
