//! What is read while it is to be freed goes back with its last reader, and nothing else has to happen for that.

use drystone_core::store::SMALL_BODY_BYTES_MAX;
use drystone_sim::amnesia::faults::Fault;
use drystone_sim::model::operation::{Operation, When};
use drystone_sim::site::{Site, Worker};

const STONE: (&str, &str) = ("quarry", "stone");

#[test]
fn the_last_reader_gives_back() {
    for size in [SMALL_BODY_BYTES_MAX + 1, 70_000] {
        for next in [
            Operation::Delete { at: STONE, when: When::Always },
            Operation::Put { to: STONE, size, when: When::Always },
        ] {
            let mut site = Site::new(Worker::Awake);
            site.prepare([
                Operation::CreateBucket { bucket: "quarry" },
                Operation::Put { to: STONE, size, when: When::Always },
            ]);
            for _ in 0..2 {
                site.open_reader(STONE, None);
            }
            site.operate(&next);
            site.leave_reader(0);
            assert!(site.reclaimable_bytes() > 0, "somebody still reads");
            site.leave_reader(0);
            assert_eq!(site.reclaimable_bytes(), 0);
            site.finish();
        }
    }
}

#[test]
fn what_could_not_be_freed_is_freed_with_whatever_comes_next() {
    let mut whole = Site::new(Worker::Awake);
    whole.prepare([
        Operation::CreateBucket { bucket: "quarry" },
        Operation::Put { to: STONE, size: 70_000, when: When::Always },
    ]);
    let delete = Operation::Delete { at: STONE, when: When::Always };
    let mut undisturbed = whole.fork();
    undisturbed.machine().arm(None);
    undisturbed.operate(&delete);
    let calls = undisturbed.machine().changes();
    let mut left = 0;
    for at in 0..calls {
        for fault in [Fault::Error { at }, Fault::Full { at }] {
            let mut site = whole.fork();
            site.machine().arm(Some(fault));
            site.operate(&delete);
            // Where the engine has stopped, the next start goes on.
            if site.machine().is_poisoned() || site.reclaimable_bytes() == 0 {
                continue;
            }
            left += 1;
            // It frees nothing itself.
            site.operate(&Operation::Put { to: ("quarry", "pebble"), size: 1, when: When::Always });
            assert_eq!(site.reclaimable_bytes(), 0, "{fault:?}");
        }
    }
    assert!(left > 0, "no failure left anything");
}
