//! What the other suites found, each as the shortest order of events that shows it.

use drystone_sim::amnesia::faults::{Fault, Kept};
use drystone_sim::model::operation::Operation;
use drystone_sim::site::{End, Site, Worker};

/// The worker goes on with a deleted bucket's uploads. Its own refused command used to wake it again, so that
/// on a full disk it tried, failed and logged without end.
#[test]
fn a_worker_that_fails_rests_until_it_is_woken() {
    for fault in [Fault::Full { at: 1 }, Fault::Error { at: 1 }] {
        let mut site = Site::new(Worker::Awake);
        site.operate(&Operation::CreateBucket { bucket: "kiln" });
        site.operate(&Operation::Create { to: ("kiln", "brick") });
        site.operate(&Operation::Part { upload: 0, number: 1, size: 9_000 });
        // The bucket goes; the transaction that frees its uploads fails, and while the engine is stopped so do
        // the worker's.
        site.machine().arm(Some(fault));
        site.operate(&Operation::DeleteBucket { bucket: "kiln" });
        site.end(End::Cut(Kept::Nothing));
        site.finish();
    }
}
