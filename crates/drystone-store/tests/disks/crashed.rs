//! What a crash leaves is told apart from what has lost its owner.

use std::sync::Arc;

use drystone_core::checksum::Digests;
use drystone_sim::doors::data::{bytes, stored};
use drystone_sim::wait::wait;

use crate::objects::Core;

#[test]
fn what_a_crash_left_is_reclaimable_until_the_next_start_and_gone_after_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path().join("data");
    let core = Core::open(&dir);
    core.create_bucket().expect("it is new");
    core.put("small", &bytes(100, 1)).expect("it is put");
    core.put("object", &bytes(300_000, 2)).expect("it is put");
    let upload = core.create_upload("wall").expect("it is new");
    core.part(&upload, 1, &bytes(2_000_000, 3)).expect("it is stored");
    let data = core.store.data();
    // The process dies with an extent whose transaction never came, a half-written one, and room that was
    // taken and never written: forgetting them is what a crash does.
    stored(&data, &bytes(200_000, 4));
    let half = Arc::clone(&data).reserve(500_000).expect("there is room");
    let (half, _) = wait(half.write(vec![bytes(100_000, 5)], Digests::new(None, None))).expect("it writes");
    std::mem::forget(half);
    std::mem::forget(Arc::clone(&data).reserve(30_000_000).expect("there is room"));
    drop((data, core));
    // The forgotten writers still hold the lock, which a dead process would not.
    std::fs::remove_file(dir.join("LOCK")).expect("it is there");

    // Whoever looks, however often, finds the same, and nothing wrong.
    for _ in 0..2 {
        let core = Core::open_to_look(&dir);
        let report = core.verify();
        assert!(report.is_clean(), "{report:#?}");
        let left = 200_000 + 100_000 + 30_000_000;
        assert!((left..left + 64 * 1024).contains(&report.reclaimable_bytes), "{report:#?}");
        let [note] = report.notes.as_slice() else { panic!("{report:#?}") };
        let said = format!("{} bytes in 2 of the volumes", report.reclaimable_bytes);
        assert!(note.contains(&said) && note.contains("next start gives them back"), "{note}");
        core.close();
    }
    let core = Core::open(&dir);
    let report = core.verify();
    assert!(report.is_clean() && report.notes.is_empty() && report.reclaimable_bytes == 0, "{report:#?}");
    assert_eq!((report.objects, report.parts), (2, 1));
    core.close();
}

#[test]
fn bytes_without_an_owner_after_a_clean_stop_are_orphans() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path().join("data");
    let core = Core::open(&dir);
    stored(&core.store.data(), &bytes(200_000, 1));
    core.close();
    let core = Core::open_to_look(&dir);
    let report = core.verify();
    assert!(!report.is_clean() && report.notes.is_empty(), "{report:#?}");
    assert!((200_000..208_192).contains(&report.orphaned_bytes), "{report:#?}");
    assert_eq!(report.reclaimable_bytes, 0);
}
