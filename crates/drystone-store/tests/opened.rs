//! Opening and closing a data directory, as the binary does it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use drystone_core::meta::door::MetaError;
use drystone_core::world::{Clock, Entropy};
use drystone_sim::doors;
use drystone_sim::doors::data::{bytes, read, stored};
use drystone_sim::wait::wait;
use drystone_store::world::{SystemClock, SystemEntropy};
use drystone_store::{CloseError, OpenError, OpenOptions, Opened, memory, open};

fn opened(dir: &Path) -> Opened {
    open(OpenOptions::new(dir)).unwrap_or_else(|error| panic!("the store opens: {error}"))
}

#[test]
fn both_doors_of_a_directory_behave() {
    doors::meta::all(&|| {
        let dir = tempfile::tempdir().expect("a temporary folder");
        (opened(dir.path()).meta(), Box::new(dir))
    });
    doors::data::all(&|| {
        let dir = tempfile::tempdir().expect("a temporary folder");
        (opened(dir.path()).data(), Box::new(dir))
    });
}

#[test]
fn both_doors_in_memory_behave() {
    doors::meta::all(&|| (memory(1 << 20).meta(), Box::new(())));
    doors::data::all(&|| (memory(64 << 20).data(), Box::new(())));
}

#[test]
fn rows_and_extents_are_there_after_a_clean_stop_and_after_none() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path().join("made/on/the/way");
    let body = bytes(123_456, 1);
    let store = opened(&dir);
    let extent = stored(&store.data(), &body);
    wait(store.meta().commit::<(), MetaError, _>(Vec::new(), |tx| {
        tx.put(b"row".to_vec(), b"value".to_vec());
        Ok(())
    }))
    .expect("it commits");
    store.close().expect("it closes in order");
    for clean in [true, false, true] {
        let store = opened(&dir);
        assert_eq!(store.meta().snapshot().get(b"row").expect("it reads").as_deref(), Some(&b"value"[..]));
        assert!(read(&store.data(), extent, 0..extent.len).expect("it reads") == body);
        if clean {
            store.close().expect("it closes in order");
        }
    }
    // The second round did not close: the third found a suspect, if a volume was made, and none was.
    assert!(opened(&dir).data().suspects().is_empty());
}

#[test]
fn a_second_opener_is_refused_and_the_first_goes_on() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let first = opened(dir.path());
    let Err(refused) = open(OpenOptions::new(dir.path())) else { panic!("it is in use") };
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    let message = refused.to_string();
    assert!(message.contains(&*dir.path().to_string_lossy()) && message.contains("in use"), "{message}");
    let extent = stored(&first.data(), &bytes(10, 1));
    assert!(read(&first.data(), extent, 0..10).is_ok());
    first.close().expect("it closes in order");
    opened(dir.path());
}

#[test]
fn the_directory_stays_ours_until_the_last_user_is_gone() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for door in 0..2 {
        let store = opened(dir.path());
        let (meta, data) = (store.meta(), store.data());
        store.close().expect("it closes in order");
        if door == 0 {
            drop(data);
            assert!(matches!(open(OpenOptions::new(dir.path())).err(), Some(OpenError::InUse { .. })));
            drop(meta);
        } else {
            drop(meta);
            assert!(matches!(open(OpenOptions::new(dir.path())).err(), Some(OpenError::InUse { .. })));
            drop(data);
        }
    }
    opened(dir.path());
}

/// The permissions of `path`.
fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

/// Every file and folder below `dir` is for its owner only; how many there are.
fn private_below(dir: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(dir).expect("the folder is read") {
        let path = entry.expect("an entry").path();
        let want = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), want, "{}: {:o}", path.display(), mode(&path));
        count += 1;
        if path.is_dir() {
            count += private_below(&path);
        }
    }
    count
}

/// Makes a store in `dir` that has every kind of file: volumes small and large, a journal, tables.
fn filled(dir: &Path) {
    let store = opened(dir);
    stored(&store.data(), &bytes(10_000, 1));
    stored(&store.data(), &bytes(2_000_000, 1));
    wait(store.meta().commit::<(), MetaError, _>(Vec::new(), |tx| {
        tx.put(b"row".to_vec(), b"value".to_vec());
        Ok(())
    }))
    .expect("it commits");
    store.close().expect("it closes in order");
}

#[test]
fn a_new_directory_is_for_its_owner_only() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path().join("made/on/the/way");
    filled(&dir);
    assert_eq!([&*dir, &*dir.join(".."), &*dir.join("../..")].map(mode), [0o700; 3]);
    assert!(private_below(&dir) > 10, "the engine's files, two volumes and the small files");
    // What is written later is private too.
    filled(&dir);
    private_below(&dir);
}

#[test]
fn a_directory_that_was_there_keeps_its_mode_and_what_is_in_it_is_private() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    filled(dir.path());
    assert_eq!(mode(dir.path()), 0o755);
    private_below(dir.path());
}

#[test]
fn an_unclean_stop_makes_suspects_and_recovery_clears_them() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = opened(dir.path());
    let extent = stored(&store.data(), &bytes(10_000, 1));
    drop(store);
    let store = opened(dir.path());
    assert_eq!(store.data().suspects(), [extent.id.volume]);
    // Somebody who only looks stops in order and must not clear anybody.
    store.close().expect("it closes in order");
    let store = opened(dir.path());
    assert_eq!(store.data().suspects(), [extent.id.volume]);
    store.data().recovered();
    assert!(store.data().suspects().is_empty());
    drop(store);
    assert!(opened(dir.path()).data().suspects().is_empty());
}

#[test]
fn the_clean_stop_marker_does_not_outlive_the_next_start() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    opened(dir.path()).close().expect("it closes in order");
    let store = opened(dir.path());
    let extent = stored(&store.data(), &bytes(10_000, 1));
    drop(store);
    assert_eq!(opened(dir.path()).data().suspects(), [extent.id.volume], "the last stop was not in order");
}

#[test]
fn an_unfinished_upload_makes_the_stop_unclean_and_says_so() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = opened(dir.path());
    let data = store.data();
    let writer = Arc::clone(&data).reserve(1_000).expect("it reserves");
    let Err(unclean) = store.close() else { panic!("a writer is left") };
    assert!(matches!(unclean, CloseError::Volumes(_)), "{unclean}");
    drop((writer, data));
    assert!(!dir.path().join("CLEAN").exists());
    opened(dir.path());
}

#[test]
fn the_doors_take_nothing_after_closing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = opened(dir.path());
    let meta = store.meta();
    store.close().expect("it closes in order");
    let late = wait(meta.commit::<(), MetaError, _>(Vec::new(), |_| Ok(())));
    assert!(matches!(late, Err((MetaError::Poisoned(_), _))), "{late:?}");
}

#[test]
fn a_damaged_directory_is_refused_with_the_file_that_is_damaged() {
    for file in ["FORMAT", "CLEAN", "volumes/NUMBERS"] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        opened(dir.path()).close().expect("it closes in order");
        let path = dir.path().join(file);
        let mut content = std::fs::read(&path).expect("it is there");
        content[20] ^= 1;
        std::fs::write(&path, content).expect("written");
        let Err(refused) = open(OpenOptions::new(dir.path())) else { panic!("{file} is damaged") };
        assert!(
            matches!(&refused, OpenError::Damaged { path: damaged, .. } if *damaged == path),
            "{refused}"
        );
    }
}

#[test]
fn the_machines_clock_and_chance_work() {
    let clock = SystemClock::new();
    // Between 2024 and 2200.
    assert!((1_704_067_200_000..7_258_118_400_000).contains(&clock.now().0));
    assert!(clock.elapsed() <= clock.elapsed());
    assert_ne!(SystemEntropy.next_u64(), SystemEntropy.next_u64());
}

#[test]
fn a_directory_that_lost_its_metadata_is_refused_and_keeps_its_volumes() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = opened(dir.path());
    let extent = stored(&store.data(), &bytes(100_000, 1));
    store.close().expect("it closes in order");
    let volume = dir.path().join("volumes").join(format!("{:016x}", extent.id.volume));
    // After a clean stop, and after a crash.
    std::fs::remove_dir_all(dir.path().join("meta")).expect("removed");
    for _ in 0..2 {
        let error = open(OpenOptions::new(dir.path())).err().expect("it is refused");
        assert!(
            matches!(&error, OpenError::Damaged { path, .. } if path.starts_with(dir.path().join("meta"))),
            "{error}"
        );
        assert!(volume.exists());
        drop(std::fs::remove_file(dir.path().join("CLEAN")));
    }
}
