//! On a full disk uploads are refused early, and aborts and deletes work.

use std::io::Write;

use drystone_core::data::door::DataError;
use drystone_core::error::Error;
use drystone_core::store::SMALL_BODY_BYTES_MAX;
use drystone_core::uploads::abort::AbortUpload;
use drystone_sim::disk::{FileSystem, SmallDisk};
use drystone_sim::doors::data::bytes;

use crate::objects::{Core, bucket, caller, key};
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

/// Takes what extents may still take, but a little, as another program would; delete what it gives
/// back to undo it.
fn fill_what_extents_may_take(folder: &std::path::Path, core: &Core, leave: u64) -> std::path::PathBuf {
    let path = folder.join("most");
    let mut file = std::fs::File::create(&path).expect("the filler is made");
    loop {
        let available = core.store.data().space().expect("the file system tells").available;
        let Some(room) = available.checked_sub(leave).filter(|room| *room > 4096) else { return path };
        file.write_all(&vec![1; room.min(1 << 20) as usize]).expect("there is room");
        // Delayed allocation is not room that is taken.
        rustix::fs::syncfs(&file).expect("it syncs");
    }
}

#[test]
fn small_bodies_leave_room_for_deletes_and_aborts() {
    let Some(disk) = SmallDisk::mount(FileSystem::Ext4, 300) else { return };
    let core = Core::open(&disk.path().join("data"));
    core.create_bucket().expect("there is room");
    let upload = core.create_upload("wall").expect("there is room");
    core.part(&upload, 1, &bytes(20_000_000, 1)).expect("there is room");
    let most = fill_what_extents_may_take(&disk.path(), &core, 2_000_000);
    let mut keys = 0;
    let refused = loop {
        match core.put(&format!("small/{keys}"), &bytes(SMALL_BODY_BYTES_MAX, keys)) {
            Ok(()) => keys += 1,
            Err(refused) => break refused,
        }
    };
    // Room that the engine still has to take for what it took in shows later; that is what the margin is for.
    assert!(matches!(refused, Error::NoSpace { needed, available } if available < needed), "{refused:?}");
    assert!(keys > 100, "{keys} were taken");

    let filler = fill(&disk.path());
    assert!(matches!(core.create_upload("another"), Err(Error::NoSpace { .. })));
    core.run(core.object_store.abort_upload(
        &caller(),
        AbortUpload { bucket: bucket(), key: key("wall"), upload_id: upload, if_initiated: None },
    ))
    .expect("an abort works on a full disk");
    for number in 0..keys {
        core.delete(&format!("small/{number}")).expect("a delete works on a full disk");
    }
    std::fs::remove_file(filler).expect("the filler goes");
    std::fs::remove_file(most).expect("the filler goes");
    core.put("again", &bytes(SMALL_BODY_BYTES_MAX, 1)).expect("there is room again");
    core.close_verified();
}
