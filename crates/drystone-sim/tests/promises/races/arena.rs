//! A store in which a race is prepared, run and judged.

use std::sync::Arc;
use std::time::Duration;

use drystone_core::abort_jobs::job::{Counts, JobId};
use drystone_core::abort_jobs::selection::{Age, Selection};
use drystone_core::data::door::Data;
use drystone_core::error::Error;
use drystone_core::lifecycle::expire::Expired;
use drystone_core::meta::door::Meta;
use drystone_core::objects::get::Span;
use drystone_core::store::{Parts, Store};
use drystone_sim::clock::{Seeded, SetClock};
use drystone_sim::model::ask::{self, Ids, Reply, Request};
use drystone_sim::model::body::Body;
use drystone_sim::model::operation::{Answer, Operation};
use drystone_sim::model::shown::ShownObject;
use drystone_sim::model::state::{Details, Model};

use crate::races::scenarios::{self, Racer};

/// A store and its model.
pub(crate) struct Arena<D> {
    driver: D,
    pub(crate) store: Arc<Store>,
    clock: Arc<SetClock>,
    data: Arc<dyn Data>,
    model: Model,
    ids: Ids,
}

/// What a racer came home with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered(Answer),
    /// Entity tag and bytes, or that nothing is there.
    Read(Option<(String, Body)>),
    GaveBack,
    /// Parts and bytes of each upload that was aborted.
    Expired(Vec<(u32, u64)>),
    /// Uploads, parts and bytes that a job aborted.
    Bulk(u64, u64, u64),
}

/// A racer at the start: what it will do, with nothing left to decide.
pub(crate) struct Runner {
    racer: Racer,
    request: Option<Request>,
    job: Option<JobId>,
    ids: Ids,
}

/// What must be known to judge a race.
pub(crate) struct Start {
    pub(crate) runners: Vec<Runner>,
    racers: Vec<(Racer, Details)>,
}

impl Runner {
    /// Runs.
    ///
    /// # Panics
    /// When a door fails: none does here.
    pub(crate) async fn run(mut self, store: Arc<Store>) -> Outcome {
        match (self.racer, self.request) {
            (Racer::Asks(operation), Some(request)) => match request.send(&store, &mut self.ids).await {
                Reply::Answered(answer) => Outcome::Answered(answer),
                Reply::Failed(error) => panic!("{operation:?} failed: {error}"),
            },
            (Racer::Reads(at), _) => match store.get_object(&ask::caller(), &ask::get(at, Span::Whole)) {
                Ok((located, reader)) => {
                    let body = ask::read(reader).await.expect("what was found is read to its end");
                    Outcome::Read(Some((located.info.etag.to_string(), Body::new(body))))
                }
                Err(Error::NoSuchKey(_) | Error::NoSuchBucket(_)) => Outcome::Read(None),
                Err(error) => panic!("a read failed: {error}"),
            },
            (Racer::Expires, _) => {
                let mut expired = Vec::new();
                let tell = |one: Expired| expired.push((one.aborted.parts, one.aborted.bytes));
                store.expire_uploads(tell).await.expect("nothing fails here");
                Outcome::Expired(expired)
            }
            (Racer::AbortsInBulk, _) => {
                let id = self.job.expect("it was started before the race");
                while store.advance_abort_job(id).await.expect("nothing fails here").job.is_some() {}
                let receipt = store.abort_receipt(&ask::caller(), id).expect("it has ended");
                let Counts { uploads, parts, bytes } = receipt.job.aborted;
                Outcome::Bulk(uploads, parts, bytes)
            }
            (Racer::GivesBack | Racer::Asks(_), _) => {
                store.give_back().await.expect("nothing fails here");
                Outcome::GaveBack
            }
        }
    }
}

/// Runs a future to its end, with whatever has to go on behind it.
pub(crate) trait Drive {
    /// Runs it.
    fn drive<T>(&self, future: impl Future<Output = T>) -> T;
}

impl<D: Drive> Arena<D> {
    /// A store over these doors, with a bucket in which everything happens.
    pub(crate) fn new(driver: D, meta: Arc<dyn Meta>, data: Arc<dyn Data>) -> Self {
        let clock = Arc::new(SetClock::default());
        let parts = Parts {
            meta,
            data: Arc::clone(&data),
            clock: Arc::clone(&clock) as Arc<_>,
            entropy: Arc::new(Seeded::new(7)),
        };
        let store = Arc::new(Store::new(parts));
        let mut arena = Self { driver, store, clock, data, model: Model::default(), ids: Ids::new() };
        arena.operate(&Operation::CreateBucket { bucket: "quarry" });
        arena.operate(&Operation::Rule { bucket: "quarry" });
        arena
    }

    /// Makes what there is before a race; the number of its first upload.
    pub(crate) fn prepare(&mut self) -> usize {
        let upload = self.model.uploads();
        scenarios::before(upload).iter().for_each(|operation| self.operate(operation));
        // From here on the uploads are due by the rule.
        self.clock.forward(Duration::from_hours(25));
        upload
    }

    /// Takes everything away again that the race with `upload` may have left.
    pub(crate) fn clean(&mut self, upload: usize) {
        scenarios::after(upload).iter().for_each(|operation| self.operate(operation));
        self.clock.forward(Duration::from_hours(8 * 24));
        self.driver.drive(self.store.forget_old_completions()).expect("nothing fails here");
        self.model.forget_completions();
    }

    fn operate(&mut self, operation: &Operation) {
        let request = Request::new(&self.model, &self.ids, operation);
        let expected = self.model.apply(operation);
        match self.driver.drive(request.send(&self.store, &mut self.ids)) {
            Reply::Answered(answer) => assert_eq!(answer, expected, "{operation:?}"),
            Reply::Failed(error) => panic!("{operation:?} failed: {error}"),
        }
    }

    /// Puts `racers` at the start.
    pub(crate) fn start(&self, racers: &[Racer]) -> Start {
        let operation = |racer: &Racer| match racer {
            Racer::Asks(operation) => Some(operation.clone()),
            Racer::Reads(_) | Racer::GivesBack | Racer::Expires | Racer::AbortsInBulk => None,
        };
        let asked: Vec<Operation> = racers.iter().filter_map(operation).collect();
        let mut details = self.model.details_of_all(&asked).into_iter();
        let racers: Vec<(Racer, Details)> = racers
            .iter()
            .map(|racer| {
                let details = operation(racer).and_then(|_| details.next()).unwrap_or_default();
                (racer.clone(), details)
            })
            .collect();
        let runners = racers
            .iter()
            .map(|(racer, details)| Runner {
                racer: racer.clone(),
                request: operation(racer)
                    .map(|operation| Request::with(&self.model, &self.ids, &operation, details.clone())),
                job: matches!(racer, Racer::AbortsInBulk).then(|| self.start_job()),
                ids: self.ids.clone(),
            })
            .collect();
        Start { runners, racers }
    }

    /// Starts a job that aborts the uploads of `quarry` that are idle for an hour.
    fn start_job(&self) -> JobId {
        let selection = Selection {
            buckets: vec![ask::bucket("quarry")],
            prefix: String::new(),
            initiated_before: None,
            idle_longer_than_s: Some(3_600),
            min_bytes: 0,
            initiator: None,
            age: Age::CutOff,
        };
        let previewed = self.driver.drive(self.store.preview_abort_job(&ask::caller(), selection));
        let id = previewed.expect("nothing fails here").id;
        self.driver.drive(self.store.start_abort_job(&ask::caller(), id)).expect("nothing fails here");
        id
    }

    /// Finds the order that explains `outcomes` and what is there now; the model goes on from there.
    ///
    /// # Panics
    /// When no order does, or a byte has no name.
    pub(crate) fn judge(&mut self, name: &str, racers: &[(Racer, Details)], outcomes: &[Outcome]) {
        let shown = self.driver.drive(ask::show(&self.store, &mut self.ids)).expect("no door fails here");
        let explained = orders(racers.len()).into_iter().find_map(|order| {
            let mut model = self.model.clone();
            let fits = order.iter().all(|at| {
                let ((racer, details), outcome) = (&racers[*at], &outcomes[*at]);
                match racer {
                    Racer::Asks(operation) => {
                        *outcome == Outcome::Answered(model.apply_with(operation, details))
                    }
                    Racer::Reads(at) => *outcome == Outcome::Read(model.object(*at).map(read_as)),
                    Racer::GivesBack => *outcome == Outcome::GaveBack,
                    Racer::Expires => *outcome == Outcome::Expired(model.expire()),
                    Racer::AbortsInBulk => {
                        let (uploads, parts, bytes) = model.abort_idle("quarry", &self.model);
                        *outcome == Outcome::Bulk(uploads, parts, bytes)
                    }
                }
            });
            (fits && model.shown() == shown).then_some(model)
        });
        let racers: Vec<&Racer> = racers.iter().map(|(racer, _)| racer).collect();
        self.model = explained
            .unwrap_or_else(|| panic!("{name}: no order of {racers:?} explains {outcomes:?} and {shown:?}"));
    }

    /// What is freed is given back, and then every byte has a name.
    ///
    /// # Panics
    /// When one has none.
    pub(crate) fn verify(&self, name: &str) {
        self.driver.drive(self.store.give_back()).expect("nothing fails here");
        let report = self.driver.drive(self.store.verify(&|_| ())).expect("the store can be walked");
        assert!(report.is_clean(), "{name}: nothing is wrong and nothing is left over: {report:#?}");
        assert_eq!(report.reclaimable_bytes, 0, "{name}: everything freed is given back");
        let allocated = |volume| self.data.allocated(volume).expect("the volume tells");
        let taken: u64 =
            self.data.volumes().into_iter().flat_map(allocated).map(|range| range.end - range.start).sum();
        assert_eq!(taken, report.live_bytes + report.in_progress_bytes, "{name}: {report:#?}");
    }
}

impl Start {
    /// Runners and what the judge has to know of them.
    pub(crate) fn split(self) -> (Vec<Runner>, Vec<(Racer, Details)>) {
        (self.runners, self.racers)
    }
}

fn read_as(object: &ShownObject) -> (String, Body) {
    (object.etag.clone(), object.body.clone())
}

/// Every order of `n` things.
fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    orders(n - 1)
        .into_iter()
        .flat_map(|order| {
            (0..n).map(move |at| {
                let mut longer = order.clone();
                longer.insert(at, n - 1);
                longer
            })
        })
        .collect()
}
