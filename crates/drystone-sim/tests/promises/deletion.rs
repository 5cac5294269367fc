//! The deletion of a bucket with more uploads than one transaction frees: it goes on after whatever stopped it.

use drystone_sim::amnesia::faults::{Fault, Kept};
use drystone_sim::model::operation::Operation;
use drystone_sim::site::{End, Site, Worker};

/// One more than a transaction frees.
const UPLOADS: usize = 1_001;

const DELETION: Operation = Operation::DeleteBucket { bucket: "kiln" };

/// A bucket that two transactions empty. The last upload has bytes.
fn kiln(worker: Worker) -> Site {
    let mut site = Site::new(worker);
    site.prepare([Operation::CreateBucket { bucket: "kiln" }]);
    site.prepare((0..UPLOADS).map(|_| Operation::Create { to: ("kiln", "brick") }));
    site.prepare([Operation::Part { upload: UPLOADS - 1, number: 1, size: 9_000 }]);
    site
}

#[test]
fn a_deletion_that_is_stopped_at_any_call_goes_on() {
    for worker in [Worker::Awake, Worker::Asleep] {
        let whole = kiln(worker);
        let mut site = whole.fork();
        site.machine().arm(None);
        site.operate(&DELETION);
        let calls = site.machine().changes();
        site.finish();
        assert!(calls >= 2, "one transaction is not enough");
        for at in 0..calls {
            for fault in [
                Fault::Cut { at, kept: Kept::Nothing },
                Fault::Cut { at, kept: Kept::Everything },
                Fault::Error { at },
                // The worker goes on with the uploads, too. Its own refused command once woke it again, so that on
                // a full disk it tried, failed and logged without end.
                Fault::Full { at },
            ] {
                let mut site = whole.fork();
                site.machine().arm(Some(fault));
                site.operate(&DELETION);
                site.end(End::Cut(Kept::Nothing));
                site.finish();
            }
        }
    }
}
