//! Bytes that changed on the disk: an error, never a wrong byte, and verification names them.

use drystone_sim::model::operation::{Operation, When};
use drystone_sim::site::{Site, Worker};

const PEBBLE: (&str, &str) = ("quarry", "pebble");
const STONE: (&str, &str) = ("quarry", "stone");

fn site() -> Site {
    let mut site = Site::new(Worker::Awake);
    site.prepare([
        Operation::CreateBucket { bucket: "quarry" },
        Operation::Put { to: PEBBLE, size: 100, when: When::Always },
        Operation::Put { to: STONE, size: 9_000, when: When::Always },
    ]);
    site
}

#[test]
fn a_flipped_bit_in_a_body_is_an_error_and_never_a_wrong_byte() {
    let whole = site();
    let small = whole.read(PEBBLE).expect("it is sound");
    for at in 0..small.bytes().len() {
        let mut site = whole.fork();
        assert!(site.machine().rot_row(small.bytes(), at), "the small body stands in a row");
        let report = site.start_over().expect("damage does not keep the store from starting");
        assert!(!report.is_clean(), "verification finds byte {at}");
        site.read(PEBBLE).expect_err("a wrong byte is not handed out");
        site.read(STONE).expect("the other object is sound");
    }
    for at in (0..9_000).step_by(89) {
        let mut site = whole.fork();
        assert!(site.machine().rot(0, at), "the large body stands in an extent");
        let report = site.start_over().expect("damage does not keep the store from starting");
        assert!(!report.is_clean(), "verification finds byte {at}");
        site.read(STONE).expect_err("a wrong byte is not handed out");
        site.read(PEBBLE).expect("the other object is sound");
    }
}
