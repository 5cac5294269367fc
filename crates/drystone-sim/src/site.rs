//! A store on a machine that forgets, and the model beside it: operations, faults and starts, each checked.
//!
//! After an acknowledged operation the store shows what the model shows after it. After one that failed it
//! shows the model before or after it, and once it has shown one of them it never shows the other again, whatever
//! is cut or started. After every start nothing is damaged and every byte has a name.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;

use drystone_core::abort_jobs::job::JobError;
use drystone_core::abort_jobs::selection::{Age, Selection};
use drystone_core::data::door::Data;
use drystone_core::error::Error;
use drystone_core::lifecycle::expire::Expired;
use drystone_core::names::Timestamp;
use drystone_core::objects::ObjectReader;
use drystone_core::objects::get::{ByteRange, Span};
use drystone_core::reclaim::verify::Report;
use drystone_core::store::{Parts, Store};

use crate::amnesia::faults::{Fault, Kept};
use crate::amnesia::machine::Machine;
use crate::clock::{MORNING, Seeded, SetClock};
use crate::model::ask::{self, Ids, Reply, Request};
use crate::model::body::Body;
use crate::model::operation::{Operation, Place};
use crate::model::shown::ShownBucket;
use crate::model::state::Model;
use crate::task::{Task, run};

/// What a process does between requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// Frees what is on the reclaim list.
    GiveBack,
    /// A week passes, and old completions are forgotten.
    Forget,
    /// More than a day passes, and uploads are aborted where a rule says so.
    Expire,
    /// A job aborts all uploads of `quarry`.
    AbortInBulk,
}

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order.
    Stop,
    /// The power goes.
    Cut(Kept),
}

/// Whether freed bytes are given back as soon as there are some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worker {
    /// By the store's own worker, after every operation.
    Awake,
    /// Only by [`Background::GiveBack`].
    Asleep,
}

/// A store, its machine and its model.
pub struct Site {
    machine: Machine,
    clock: Arc<SetClock>,
    /// The latest time that the clock ever showed.
    latest: Timestamp,
    worker: Worker,
    /// `None` between two processes.
    process: Option<Process>,
    model: Model,
    /// What the store may show instead, since nobody knows how the last operation ended.
    maybe: Option<Model>,
    ids: Ids,
    readers: Vec<(ObjectReader, Body)>,
    starts: u64,
    /// Whether what is done now was compared when it was done before.
    repeats: bool,
}

/// Previews a job of all uploads of `quarry`, starts it and carries it out.
async fn abort_in_bulk(store: &Store, expected: (u64, u64, u64)) -> Result<(), Error> {
    let selection = Selection {
        buckets: vec![ask::bucket("quarry")],
        prefix: String::new(),
        initiated_before: None,
        idle_longer_than_s: None,
        min_bytes: 0,
        initiator: None,
        age: Age::All,
    };
    let caller = ask::caller();
    let failed = |error| match error {
        JobError::Store(error) => error,
        refused => panic!("a job is refused: {refused}"),
    };
    let job = match store.preview_abort_job(&caller, selection).await {
        Err(JobError::Store(Error::NoSuchBucket(_))) => return Ok(()),
        previewed => previewed.map_err(failed)?,
    };
    store.start_abort_job(&caller, job.id).await.map_err(failed)?;
    while store.advance_abort_job(job.id).await?.job.is_some() {}
    let aborted = store.abort_receipt(&caller, job.id).map_err(failed)?.job.aborted;
    assert_eq!((aborted.uploads, aborted.parts, aborted.bytes), expected, "the receipt is exact");
    assert_eq!(aborted, job.planned, "what was previewed went");
    Ok(())
}

/// A running process.
struct Process {
    store: Arc<Store>,
    data: Arc<dyn Data>,
    worker: Task<'static, ()>,
}

impl Site {
    /// An empty store.
    ///
    /// # Panics
    /// When it does not start.
    pub fn new(worker: Worker) -> Self {
        let mut site = Self {
            machine: Machine::new(),
            clock: Arc::default(),
            latest: MORNING,
            worker,
            process: None,
            model: Model::default(),
            maybe: None,
            ids: Ids::new(),
            readers: Vec::new(),
            starts: 0,
            repeats: false,
        };
        site.start().expect("an empty store starts");
        site
    }

    /// The same store on another machine, started anew.
    ///
    /// # Panics
    /// When the process is in the middle of something that cannot be left.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut site = Self {
            machine: self.machine.fork(),
            clock: Arc::default(),
            latest: self.latest,
            worker: self.worker,
            process: None,
            model: self.model.clone(),
            maybe: None,
            ids: self.ids.clone(),
            readers: Vec::new(),
            starts: self.starts,
            repeats: false,
        };
        site.machine.stop();
        site.start().expect("a sound store starts");
        site
    }

    /// The machine, to arm faults.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The model: what the store must show, as far as that is known.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Does `operation`, then lets the worker do its part, then compares everything.
    ///
    /// # Panics
    /// When a promise is broken.
    pub fn operate(&mut self, operation: &Operation) {
        self.ask(operation);
        self.settle();
        self.check();
    }

    /// Does again, from the same beginning, what was done and compared before: without comparing it once more.
    ///
    /// # Panics
    /// When it goes otherwise than the model says, or a door fails: what a fault leaves has to be compared.
    pub fn repeat(&mut self, act: impl FnOnce(&mut Self)) {
        self.repeats = true;
        act(self);
        self.repeats = false;
        assert!(!self.machine.has_failed(), "a fault is no repetition");
    }

    /// Does `operations` one after the other, and compares everything once.
    ///
    /// # Panics
    /// When a promise is broken.
    pub fn prepare(&mut self, operations: impl IntoIterator<Item = Operation>) {
        operations.into_iter().for_each(|operation| self.ask(&operation));
        self.settle();
        self.check();
    }

    /// Does `operation`, in the store and in the model.
    fn ask(&mut self, operation: &Operation) {
        self.machine.rest();
        let was_poisoned = self.machine.is_poisoned();
        let mut after = self.model.clone();
        let expected = after.apply(operation);
        let request = Request::new(&self.model, &self.ids, operation);
        let process = self.process.as_ref().expect("a process runs");
        let reply = run(request.send(&process.store, &mut self.ids));
        match reply {
            Reply::Answered(answer) => {
                assert_eq!(answer, expected, "{operation:?}");
                self.model = after;
            }
            Reply::Failed(error) => {
                assert!(self.machine.has_failed(), "{operation:?} failed though no door did: {error}");
                // After the engine has stopped nothing more is written: a later operation did not happen.
                if !was_poisoned {
                    self.maybe = Some(after);
                }
                // A lost answer has a place among the ids only if an upload may have been made.
                let uploads = self.maybe.as_ref().map_or(0, Model::uploads);
                self.ids.truncate(uploads.max(self.model.uploads()));
            }
        }
    }

    /// Does something that no client asks for.
    ///
    /// # Panics
    /// When a promise is broken.
    pub fn background(&mut self, work: Background) {
        self.machine.rest();
        let was_poisoned = self.machine.is_poisoned();
        let mut after = self.model.clone();
        let process = self.process.as_ref().expect("a process runs");
        let outcome = match work {
            Background::GiveBack => run(process.store.give_back()).map(drop),
            Background::Forget => {
                // A week after anything that was ever completed, whatever the clock was set to meanwhile.
                self.latest.0 += 8 * 24 * 60 * 60 * 1000;
                self.clock.set(self.latest);
                run(process.store.forget_old_completions())
            }
            Background::Expire => {
                self.latest.0 += 25 * 60 * 60 * 1000;
                self.clock.set(self.latest);
                let (due, mut aborted) = (after.expire(), Vec::new());
                let tell = |one: Expired| aborted.push((one.aborted.parts, one.aborted.bytes));
                let outcome = run(process.store.expire_uploads(tell));
                // A run that fails later has told of what it did before.
                let right = aborted == due || outcome.is_err() && aborted.is_empty();
                assert!(right, "what is told was aborted, and nothing else: {aborted:?} of {due:?}");
                outcome
            }
            Background::AbortInBulk => {
                let aborted = after.abort_idle("quarry", &self.model);
                run(abort_in_bulk(&process.store, aborted))
            }
        };
        match (outcome, work) {
            (Ok(()), Background::Forget) => self.model.forget_completions(),
            (Ok(()), Background::Expire | Background::AbortInBulk) => self.model = after,
            (Err(error), _) => {
                assert!(self.machine.has_failed(), "{work:?} failed though no door did: {error}");
                // Whether completions are forgotten after a failure shows only in a repeated Complete.
                if work == Background::Forget && !self.machine.is_poisoned() {
                    self.background(work);
                } else if work == Background::Forget {
                    self.end(End::Cut(Kept::Everything));
                    return self.background(work);
                } else if matches!(work, Background::Expire | Background::AbortInBulk) && !was_poisoned {
                    self.maybe = Some(after);
                }
            }
            (Ok(()), Background::GiveBack) => {}
        }
        self.settle();
        self.check();
    }

    /// Sets the clock, backwards too.
    pub fn set_clock(&mut self, time: Timestamp) {
        self.latest = self.latest.max(time);
        self.clock.set(time);
    }

    /// Opens a reader that reads on whatever happens, if the object is there and can be read.
    ///
    /// # Panics
    /// When the store answers otherwise than the model.
    pub fn open_reader(&mut self, at: Place, range: Option<(u64, u64)>) {
        let process = self.process.as_ref().expect("a process runs");
        let span = range.map_or(Span::Whole, |(first, last)| Span::Range(ByteRange::FromTo { first, last }));
        let opened = process.store.get_object(&ask::caller(), &ask::get(at, span));
        let object = self.model.object(at).cloned();
        match (opened, object) {
            (Ok((located, reader)), Some(object)) => {
                let wanted =
                    object.body.bytes().get(located.range.start as usize..located.range.end as usize);
                assert_eq!(located.info.etag.to_string(), object.etag);
                if let Some((first, last)) = range {
                    assert_eq!(located.range, first..object.body.len().min(last + 1));
                }
                self.readers.push((reader, Body::new(wanted.expect("the range lies in the body").to_vec())));
            }
            (Err(Error::NoSuchKey(_) | Error::NoSuchBucket(_)), None) => {}
            (Err(Error::InvalidRange { size }), Some(object)) => {
                assert!(size == object.body.len() && range.is_some_and(|(first, _)| first >= size));
            }
            (Err(error @ (Error::Meta(_) | Error::Data(_))), _) => {
                assert!(self.machine.has_failed(), "a read failed though no door did: {error}");
            }
            (answer, model) => {
                panic!("{at:?}: {:?} instead of {model:?}", answer.map(|(located, _)| located))
            }
        }
    }

    /// What a client gets who reads an object whole.
    ///
    /// # Errors
    /// What the store says instead.
    pub fn read(&self, at: Place) -> Result<Body, Error> {
        let process = self.process.as_ref().expect("a process runs");
        let (_, reader) = process.store.get_object(&ask::caller(), &ask::get(at, Span::Whole))?;
        run(ask::read(reader)).map(Body::new)
    }

    /// Starts a process over what is on the disk, whatever that is, without comparing anything.
    ///
    /// # Errors
    /// What the recovery failed with.
    pub fn start_over(&mut self) -> Result<Report, Error> {
        self.end_without_start(End::Stop);
        self.start()?;
        let process = self.process.as_ref().expect("a process runs");
        run(process.store.verify(&|_| ()))
    }

    /// Reads a reader to its end: the bytes that it found, or an error that a fault explains.
    ///
    /// # Panics
    /// When it hands out anything else.
    pub fn leave_reader(&mut self, nth: usize) {
        self.machine.rest();
        if self.readers.is_empty() {
            return;
        }
        let (reader, body) = self.readers.swap_remove(nth % self.readers.len());
        match run(ask::read(reader)) {
            Ok(bytes) => assert!(bytes == body.bytes(), "a reader reads what it found"),
            Err(error) => {
                assert!(self.machine.has_failed(), "a reader failed though no door did: {error}");
            }
        }
        self.settle();
    }

    /// Ends the process, starts another, and compares everything. A poisoned process does not end in
    /// order: its files are as it wrote them.
    ///
    /// # Panics
    /// When a promise is broken.
    pub fn end(&mut self, how: End) {
        self.end_with(how, None);
    }

    /// As [`Site::end`], with a fault that waits for the start.
    ///
    /// # Panics
    /// When a promise is broken.
    pub fn end_with(&mut self, how: End, fault: Option<Fault>) {
        self.end_without_start(how);
        self.machine.arm(fault);
        while let Err(error) = self.start() {
            let explained = self.machine.has_failed() || self.machine.is_dark();
            assert!(explained, "a start failed though no door did: {error}");
            // The next start finds what this one left.
            self.end_without_start(End::Cut(Kept::Nothing));
        }
        self.check();
        self.maybe = None;
    }

    /// Ends the process and leaves the machine standing.
    fn end_without_start(&mut self, how: End) {
        self.readers.clear();
        match how {
            End::Stop if !self.machine.is_dark() && !self.machine.is_poisoned() => self.machine.stop(),
            End::Stop => self.machine.cut(Kept::Everything),
            End::Cut(kept) => self.machine.cut(kept),
        }
        // What the process still does reaches nothing any more.
        self.process = None;
    }

    /// Starts a process and lets it recover.
    ///
    /// # Errors
    /// What the recovery failed with.
    fn start(&mut self) -> Result<(), Error> {
        self.machine.rest();
        self.starts += 1;
        let (meta, data) = self.machine.start();
        let parts = Parts {
            meta,
            data: Arc::clone(&data),
            clock: Arc::clone(&self.clock) as Arc<_>,
            entropy: Arc::new(Seeded::new(self.starts)),
        };
        let store = Arc::new(Store::new(parts));
        let works = Arc::clone(&store);
        let worker = Task::new(async move { works.work(|| ready(())).await });
        let recovered = run(store.recover());
        self.process = Some(Process { store, data, worker });
        if self.machine.is_dark() {
            return recovered.and(Err(Error::NotImplemented("the power went during the start".into())));
        }
        recovered
    }

    /// Lets the worker come to rest.
    fn settle(&mut self) {
        if let (Some(process), Worker::Awake) = (&mut self.process, self.worker) {
            while process.worker.is_woken() {
                assert!(process.worker.poll().is_pending(), "the worker never ends");
            }
        }
    }

    /// Compares what the store shows with the model, and its bytes with its names. While the power is out there
    /// is nothing to see, and what is repeated was seen.
    ///
    /// # Panics
    /// When a promise is broken.
    fn check(&mut self) {
        if self.machine.is_dark() || self.repeats {
            return;
        }
        // A read that is to fail waits for a request.
        let process = self.process.as_ref().expect("a process runs");
        let shown = match run(ask::show(&process.store, &mut self.ids)) {
            Ok(shown) => shown,
            Err(error) => {
                assert!(self.machine.has_failed(), "a listing failed though no door did: {error}");
                run(ask::show(&process.store, &mut self.ids)).expect("a read fails once")
            }
        };
        let before = self.model.shown();
        if let Some(maybe) = self.maybe.take() {
            let after = maybe.shown();
            if shown == after {
                // Once it has been seen it stays.
                self.model = maybe;
            } else {
                assert_eq!(shown, before, "as before or after the unacknowledged operation: {after:?}");
                // While this process runs it did not happen; the next one may find that it did.
                if self.machine.is_poisoned() {
                    self.maybe = Some(maybe);
                } else {
                    // An upload that was surely not created has no place.
                    self.ids.truncate(self.model.uploads());
                }
            }
        } else {
            assert_eq!(shown, before);
        }
        // What a commit may have named, of which nobody knows whether it happened, waits for the next start.
        if !self.machine.is_poisoned() {
            self.verify();
        }
    }

    fn verify(&self) -> Report {
        let process = self.process.as_ref().expect("a process runs");
        let report = match run(process.store.verify(&|_| ())) {
            Ok(report) if report.is_clean() || !self.machine.has_failed() => report,
            // A read that is to fail fails here as anywhere.
            _ => run(process.store.verify(&|_| ())).expect("a read fails once"),
        };
        assert!(report.is_clean(), "nothing is wrong and nothing is left over: {report:#?}");
        let volumes = process.data.volumes().into_iter();
        let allocated = volumes.map(|volume| process.data.allocated(volume)).collect::<Result<Vec<_>, _>>();
        let allocated = allocated.unwrap_or_default().into_iter().flatten();
        let taken: u64 = allocated.map(|range| range.end - range.start).sum();
        let named = report.live_bytes + report.in_progress_bytes + report.reclaimable_bytes;
        if self.machine.has_failed() {
            // A free that failed may have given back what is still on the list.
            assert!(taken <= named, "every byte has a name: {taken} of {report:#?}");
        } else {
            assert_eq!(taken, named, "every byte has a name: {report:#?}");
            let shown = self.model.shown();
            let held = |count: fn(&ShownBucket) -> usize| shown.values().map(count).sum::<usize>() as u64;
            let (objects, uploads) =
                (held(|bucket| bucket.objects.len()), held(|bucket| bucket.uploads.len()));
            let parts = held(|bucket| bucket.uploads.values().map(BTreeMap::len).sum());
            assert_eq!(
                (report.buckets, report.objects, report.uploads, report.parts),
                (shown.len() as u64, objects, uploads, parts),
                "nothing is stored that nobody is shown: {report:#?}"
            );
            if self.worker == Worker::Awake && self.readers.is_empty() {
                assert_eq!(report.reclaimable_bytes, 0, "at rest everything freed is given back");
            }
        }
        report
    }

    /// What is on the reclaim list.
    ///
    /// # Panics
    /// When anything is wrong with what is stored.
    pub fn reclaimable_bytes(&self) -> u64 {
        self.verify().reclaimable_bytes
    }

    /// Ends the process in order, starts another, and proves that nothing is left over.
    ///
    /// # Panics
    /// When a promise is broken.
    pub fn finish(mut self) {
        while !self.readers.is_empty() {
            self.leave_reader(0);
        }
        self.machine.arm(None);
        self.end(End::Stop);
        let process = self.process.as_ref().expect("a process runs");
        run(process.store.give_back()).expect("no door fails");
        let report = self.verify();
        assert_eq!(report.reclaimable_bytes, 0, "everything freed is given back");
    }
}
