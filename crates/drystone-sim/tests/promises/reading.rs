//! What is read while it is to be freed goes back with its last reader, and nothing else has to happen for that.

use drystone_core::store::SMALL_BODY_BYTES_MAX;
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
