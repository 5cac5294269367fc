//! The same made-up sequences over the real volumes and commit lane, in a folder: ends in order, and ends without
//! a word, as by a kill, after which the next start recovers. Power cuts need a file system of their own and are
//! the store's and the black-box tests' business.

use std::sync::Arc;

use drystone_core::store::{Parts, Store};
use drystone_sim::clock::{Seeded, SetClock};
use drystone_sim::effort;
use drystone_sim::model::ask::{self, Ids, Reply, Request};
use drystone_sim::model::operation::Operation;
use drystone_sim::model::state::Model;
use drystone_sim::wait::wait;
use drystone_store::{OpenOptions, Opened, open};
use proptest::prelude::{Strategy, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tempfile::TempDir;

use crate::sequences::{among, operation};

#[derive(Clone, Debug)]
enum Step {
    Ask(Operation),
    GiveBack,
    /// Ends in order and starts again.
    Stop,
    /// Ends without a word and starts again.
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    use proptest::prelude::Just;
    prop_oneof![
        20 => operation().prop_map(Step::Ask),
        2 => Just(Step::GiveBack),
        1 => Just(Step::Stop),
        1 => Just(Step::Kill),
    ]
}

/// A store in a folder, and the model beside it.
struct Real {
    folder: TempDir,
    opened: Option<Opened>,
    store: Option<Store>,
    model: Model,
    ids: Ids,
}

impl Real {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut real = Self { folder, opened: None, store: None, model: Model::default(), ids: Ids::new() };
        real.start();
        real
    }

    fn start(&mut self) {
        let opened =
            open(OpenOptions::new(self.folder.path())).unwrap_or_else(|error| panic!("it opens: {error}"));
        let parts = Parts {
            meta: opened.meta(),
            data: opened.data(),
            clock: Arc::new(SetClock::default()),
            entropy: Arc::new(Seeded::new(9)),
        };
        let store = Store::new(parts);
        wait(store.recover()).expect("it recovers");
        (self.opened, self.store) = (Some(opened), Some(store));
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("it is started")
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Ask(operation) => {
                let Some(operation) = among(operation, self.model.uploads()) else { return };
                let request = Request::new(&self.model, &self.ids, &operation);
                let expected = self.model.apply(&operation);
                let store = self.store.take().expect("it is started");
                let reply = wait(request.send(&store, &mut self.ids));
                self.store = Some(store);
                match reply {
                    Reply::Answered(answer) => assert_eq!(answer, expected, "{operation:?}"),
                    Reply::Failed(error) => panic!("{operation:?} failed: {error}"),
                }
            }
            Step::GiveBack => drop(wait(self.store().give_back()).expect("it gives back")),
            Step::Stop => {
                self.store = None;
                self.opened.take().expect("it is started").close().expect("it closes in order");
                self.start();
                self.check();
            }
            Step::Kill => {
                (self.store, self.opened) = (None, None);
                self.start();
                self.check();
            }
        }
    }

    fn check(&mut self) {
        let store = self.store.take().expect("it is started");
        let shown = wait(ask::show(&store, &mut self.ids)).expect("no door fails here");
        assert_eq!(shown, self.model.shown());
        let report = wait(store.verify(&|_| ())).expect("the store can be walked");
        assert!(report.is_clean(), "nothing is wrong and nothing is left over: {report:#?}");
        let data = self.opened.as_ref().expect("it is started").data();
        let allocated = |volume| data.allocated(volume).expect("the file system tells");
        let taken: u64 =
            data.volumes().into_iter().flat_map(allocated).map(|range| range.end - range.start).sum();
        let named = report.live_bytes + report.in_progress_bytes + report.reclaimable_bytes;
        assert_eq!(taken, named, "every byte has a name: {report:#?}");
        self.store = Some(store);
    }
}

#[test]
fn made_up_sequences_over_real_files_keep_every_promise() {
    let cases = effort::of(24, 1_000) as u32;
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let chance = TestRng::from_seed(RngAlgorithm::ChaCha, &[effort::seed().to_le_bytes(); 4].concat());
    let outcome =
        TestRunner::new_with_rng(config, chance).run(&proptest::collection::vec(step(), 20..60), |steps| {
            let mut real = Real::new();
            real.take(&Step::Ask(Operation::CreateBucket { bucket: "quarry" }));
            steps.iter().for_each(|step| real.take(step));
            real.take(&Step::GiveBack);
            real.take(&Step::Stop);
            Ok(())
        });
    println!("real: {cases} sequences over files");
    if let Err(failed) = outcome {
        panic!("{failed}");
    }
}
