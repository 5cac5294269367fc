use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use drystone_core::data::door::{Extent, ExtentId, Pending};
use drystone_core::data::memory::MemoryData;
use drystone_core::meta::door::{Order, Row, Tx};
use drystone_sim::wait::wait;
use futures_channel::oneshot;
use proptest::prelude::{
    ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

use super::*;

type Rows = Arc<Mutex<BTreeMap<Bytes, Bytes>>>;

/// An engine that a test watches and holds up.
struct Model {
    rows: Rows,
    /// One permit per write; a write waits for its own.
    permits: Option<Receiver<Result<(), MetaError>>>,
    writes: SyncSender<usize>,
    full: Arc<Mutex<bool>>,
}

struct Frozen(BTreeMap<Bytes, Bytes>);

impl View for Frozen {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, MetaError> {
        Ok(self.0.get(key).cloned())
    }

    fn scan<'v>(
        &'v self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
    ) -> Box<dyn Iterator<Item = Row> + 'v> {
        let rows = self.0.range::<[u8], _>(range).map(|(key, value)| Ok((key.clone(), value.clone())));
        match order {
            Order::Ascending => Box::new(rows),
            Order::Descending => Box::new(rows.rev()),
        }
    }
}

impl Engine for Model {
    fn view(&self) -> Box<dyn View + '_> {
        Box::new(Frozen(self.rows.lock().clone()))
    }

    fn admit(&self, bytes: u64) -> Result<(), MetaError> {
        if *self.full.lock() { Err(MetaError::Full { needed: bytes, available: 0 }) } else { Ok(()) }
    }

    fn write(&self, writes: Writes) -> Result<(), MetaError> {
        if let Some(permits) = &self.permits {
            permits.recv().unwrap_or(Ok(()))?;
        }
        let _ = self.writes.send(writes.len());
        let mut rows = self.rows.lock();
        for (key, value) in writes {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(())
    }
}

struct Bench {
    lane: Lane,
    rows: Rows,
    permit: SyncSender<Result<(), MetaError>>,
    writes: Receiver<usize>,
    full: Arc<Mutex<bool>>,
    fatal: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    Free,
    ByPermit,
}

fn bench(mode: Pace) -> Bench {
    // Longer than any test takes.
    patient(mode, Patience { look_every: Duration::from_mins(1), looks_max: 60 })
}

fn patient(mode: Pace, patience: Patience) -> Bench {
    let rows = Rows::default();
    let (permit, permits) = sync_channel(1000);
    let (written, writes) = sync_channel(100_000);
    let full = Arc::new(Mutex::new(false));
    let told = Arc::new(Mutex::new(Vec::new()));
    let engine = Model {
        rows: Arc::clone(&rows),
        permits: (mode == Pace::ByPermit).then_some(permits),
        writes: written,
        full: Arc::clone(&full),
    };
    let fatal: Fatal = {
        let told = Arc::clone(&told);
        Arc::new(move |why: &str| told.lock().push(why.to_owned()))
    };
    let lane = Lane::start(engine, fatal, patience).expect("the lane starts");
    Bench { lane, rows, permit, writes, full, fatal: told }
}

/// What a command read, and how it was settled.
type Told = (Vec<Option<Bytes>>, Result<(), MetaError>);

/// A command of a test: the extents that it names, steps, a verdict, and a place for its answer.
struct Test {
    pending: Vec<Pending>,
    steps: Vec<Step>,
    verdict: Verdict,
    answer: oneshot::Sender<Told>,
    seen: Vec<Option<Bytes>>,
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    Get(u8),
}

impl Command for Test {
    fn pending(&self) -> &[Pending] {
        &self.pending
    }

    fn run(&mut self, tx: &mut dyn Tx) -> Verdict {
        for step in &self.steps {
            match step {
                Step::Put(key, value) => tx.put(vec![*key], vec![*value]),
                Step::Delete(key) => tx.delete(vec![*key]),
                Step::Get(key) => self.seen.push(tx.get(&[*key]).expect("the model reads")),
            }
        }
        self.verdict
    }

    fn settle(self: Box<Self>, outcome: Result<(), MetaError>) {
        drop(self.answer.send((self.seen, outcome)));
    }
}

type Answer = oneshot::Receiver<Told>;

fn submit(lane: &Lane, steps: Vec<Step>, verdict: Verdict) -> Answer {
    submit_with(lane, Vec::new(), steps, verdict)
}

fn submit_with(lane: &Lane, pending: Vec<Pending>, steps: Vec<Step>, verdict: Verdict) -> Answer {
    let (answer, answered) = oneshot::channel();
    wait(lane.submit(Box::new(Test { pending, steps, verdict, answer, seen: Vec::new() })));
    answered
}

/// The missing sync of a volume of a test.
struct Missing {
    volume: u64,
    /// The volumes that were synced, in order, and how many rows were written by then.
    syncs: Arc<Mutex<Vec<(u64, usize)>>>,
    rows: Rows,
    broken: bool,
}

impl Unsynced for Missing {
    fn volume(&self) -> u64 {
        self.volume
    }

    fn sync(&self) -> Result<(), DataError> {
        self.syncs.lock().push((self.volume, self.rows.lock().len()));
        let why = || DataError::Io { volume: self.volume, action: "syncing", why: "on purpose".into() };
        if self.broken { Err(why()) } else { Ok(()) }
    }
}

/// An extent that needs `sync`.
fn named(sync: Missing) -> Vec<Pending> {
    let extent = Extent { id: ExtentId { volume: sync.volume, offset: 0 }, len: 1, token: 0 };
    vec![Pending::new(extent, Some(Arc::new(sync)), MemoryData::new(1))]
}

fn is_open(answer: &mut Answer) -> bool {
    answer.try_recv().expect("the command is not dropped").is_none()
}

#[test]
fn what_waits_is_written_as_one_batch() {
    let bench = bench(Pace::ByPermit);
    let first = submit(&bench.lane, vec![Step::Put(0, 0)], Verdict::Commit);
    // The lane hangs in the first write while the others arrive.
    let others: Vec<_> =
        (1..50).map(|n| submit(&bench.lane, vec![Step::Put(n, n)], Verdict::Commit)).collect();
    for _ in 0..50 {
        bench.permit.send(Ok(())).expect("the lane listens");
    }
    for answer in std::iter::once(first).chain(others) {
        assert!(matches!(wait(answer), Ok((_, Ok(())))));
    }
    bench.lane.close();
    let batches: Vec<usize> = bench.writes.try_iter().collect();
    assert_eq!(batches.iter().sum::<usize>(), 50);
    assert!(batches.len() <= 3, "one write for the first and one or two for all others: {batches:?}");
}

#[test]
fn nothing_is_settled_before_its_write_returns() {
    let bench = bench(Pace::ByPermit);
    let mut committed = submit(&bench.lane, vec![Step::Put(1, 1)], Verdict::Commit);
    // It may have refused for what its neighbour wrote, so it waits for the same write.
    let mut refused = submit(&bench.lane, vec![Step::Get(1)], Verdict::Refuse);
    assert!(is_open(&mut committed) && is_open(&mut refused));
    for _ in 0..2 {
        bench.permit.send(Ok(())).expect("the lane listens");
    }
    assert!(matches!(wait(committed), Ok((_, Ok(())))));
    let (seen, outcome) = wait(refused).expect("settled");
    assert!(outcome.is_ok());
    assert_eq!(seen, [Some(Bytes::from(vec![1]))]);
}

#[test]
fn one_sync_before_the_write_stands_for_all_extents_of_a_batch_in_a_volume() {
    let bench = bench(Pace::ByPermit);
    let syncs = Arc::new(Mutex::new(Vec::new()));
    let first = submit(&bench.lane, vec![Step::Put(0, 0)], Verdict::Commit);
    // The lane hangs in the first write while the others arrive, or takes some of them along.
    let others: Vec<_> = (1..50)
        .map(|n| {
            let (syncs, rows) = (Arc::clone(&syncs), Arc::clone(&bench.rows));
            let missing = Missing { volume: u64::from(n % 2), syncs, rows, broken: false };
            submit_with(&bench.lane, named(missing), vec![Step::Put(n, n)], Verdict::Commit)
        })
        .collect();
    for _ in 0..50 {
        bench.permit.send(Ok(())).expect("the lane listens");
    }
    for answer in std::iter::once(first).chain(others) {
        assert!(matches!(wait(answer), Ok((_, Ok(())))));
    }
    bench.lane.close();
    let batches = bench.writes.try_iter().count();
    let syncs = syncs.lock();
    assert!((2..=2 * batches).contains(&syncs.len()), "{batches} batches over two volumes: {syncs:?}");
    // Nothing that names an extent was written before the syncs of its batch: only what came before is there.
    let mut written: Vec<usize> = syncs.iter().map(|(_, rows)| *rows).collect();
    written.dedup();
    assert!(written.first().is_some_and(|rows| *rows <= 1), "{syncs:?}");
    assert!(written.len() <= batches, "{syncs:?}");
}

#[test]
fn a_volume_that_cannot_be_synced_fails_those_who_wrote_to_it_and_nobody_else() {
    let bench = bench(Pace::Free);
    let syncs = Arc::new(Mutex::new(Vec::new()));
    let put = |volume, broken, step| {
        let (syncs, rows) = (Arc::clone(&syncs), Arc::clone(&bench.rows));
        let pending = named(Missing { volume, syncs, rows, broken });
        submit_with(&bench.lane, pending, vec![Step::Put(step, step)], Verdict::Commit)
    };
    let (sound, broken) = (put(1, false, 1), put(2, true, 2));
    assert!(matches!(wait(sound), Ok((_, Ok(())))));
    let (_, failed) = wait(broken).expect("settled");
    assert!(matches!(failed, Err(MetaError::Extent(DataError::Io { volume: 2, .. }))), "{failed:?}");
    // The metadata itself is sound.
    assert!(matches!(wait(put(1, false, 3)), Ok((_, Ok(())))));
    assert!(bench.fatal.lock().is_empty() && !bench.lane.is_poisoned());
    let rows: Vec<u8> = bench.rows.lock().keys().map(|key| key[0]).collect();
    assert_eq!(rows, [1, 3]);
}

#[test]
fn refusals_alone_write_nothing() {
    let bench = bench(Pace::ByPermit);
    for _ in 0..10 {
        let answer = submit(&bench.lane, vec![Step::Put(1, 1)], Verdict::Refuse);
        assert!(matches!(wait(answer), Ok((_, Ok(())))));
        let answer = submit(&bench.lane, vec![Step::Get(1)], Verdict::Commit);
        assert_eq!(wait(answer).expect("settled").0, [None]);
    }
    assert_eq!(bench.writes.try_iter().count(), 0);
}

#[test]
fn a_failed_write_poisons_everything_after_it() {
    let bench = bench(Pace::ByPermit);
    let failing = submit(&bench.lane, vec![Step::Put(1, 1)], Verdict::Commit);
    bench.permit.send(Err(MetaError::Engine("no such luck".into()))).expect("the lane listens");
    assert!(matches!(wait(failing), Ok((_, Err(MetaError::Engine(_))))));
    bench.permit.send(Ok(())).expect("the lane listens");
    let later = submit(&bench.lane, vec![Step::Put(2, 2)], Verdict::Commit);
    assert!(matches!(wait(later), Ok((_, Err(MetaError::Poisoned(_))))));
    assert_eq!(bench.fatal.lock().len(), 1, "told once");
    assert!(bench.rows.lock().is_empty());
}

#[test]
fn a_full_disk_refuses_and_does_not_poison() {
    let bench = bench(Pace::Free);
    *bench.full.lock() = true;
    let refused = submit(&bench.lane, vec![Step::Put(1, 1)], Verdict::Commit);
    assert!(matches!(wait(refused), Ok((_, Err(MetaError::Full { .. })))));
    *bench.full.lock() = false;
    let taken = submit(&bench.lane, vec![Step::Put(2, 2)], Verdict::Commit);
    assert!(matches!(wait(taken), Ok((_, Ok(())))));
    assert!(bench.fatal.lock().is_empty());
    assert_eq!(bench.rows.lock().len(), 1);
}

#[test]
fn closing_settles_what_waits() {
    let bench = bench(Pace::ByPermit);
    let answers: Vec<_> =
        (0..20).map(|n| submit(&bench.lane, vec![Step::Put(n, n)], Verdict::Commit)).collect();
    for _ in 0..20 {
        bench.permit.send(Ok(())).expect("the lane listens");
    }
    bench.lane.close();
    for answer in answers {
        assert!(matches!(wait(answer), Ok((_, Ok(())))));
    }
}

#[test]
fn a_write_that_never_ends_is_given_up_and_all_who_wait_hear_why() {
    let bench = patient(Pace::ByPermit, Patience { look_every: Duration::from_millis(1), looks_max: 3 });
    // No write gets its permit: the first batch hangs, the others wait in the lane and in its queue.
    let answers: Vec<_> =
        (0..50).map(|n| submit(&bench.lane, vec![Step::Put(n, n)], Verdict::Commit)).collect();
    for answer in answers {
        let (_, outcome) = wait(answer).expect("settled");
        let Err(MetaError::Poisoned(why)) = outcome else { panic!("{outcome:?}") };
        assert!(why.contains("did not finish a write") && why.contains("restart"), "{why}");
    }
    assert!(bench.lane.is_poisoned());
    let later = submit(&bench.lane, vec![Step::Put(99, 99)], Verdict::Commit);
    assert!(matches!(wait(later), Ok((_, Err(MetaError::Poisoned(_))))));
    assert_eq!(bench.fatal.lock().len(), 1, "told once");
    // Closing does not wait for the write that hangs.
    bench.lane.close();
    let closed = submit(&bench.lane, vec![Step::Put(98, 98)], Verdict::Commit);
    assert!(matches!(wait(closed), Ok((_, Err(MetaError::Poisoned(_))))));
    // Should it come back after all, it is written, since nobody can call it back; nothing else is.
    drop(bench.permit);
    let written = bench.writes.recv().expect("it comes back");
    assert!(bench.writes.recv().is_err(), "the lane's thread ends and writes no more");
    assert_eq!(bench.rows.lock().len(), written);
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..6_u8, any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
        (0..6_u8).prop_map(Step::Delete),
        (0..6_u8).prop_map(Step::Get),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever commands come, in whatever batches, every read sees what a plain map would hold.
    #[test]
    fn the_lane_is_a_map_with_undo(
        commands in prop::collection::vec((prop::collection::vec(step(), 0..8), any::<bool>()), 1..40)
    ) {
        let bench = bench(Pace::Free);
        let mut model: BTreeMap<u8, u8> = BTreeMap::new();
        let mut answers = Vec::new();
        for (steps, accept) in commands {
            let mut next = model.clone();
            let mut seen = Vec::new();
            for step in &steps {
                match step {
                    Step::Put(key, value) => drop(next.insert(*key, *value)),
                    Step::Delete(key) => drop(next.remove(key)),
                    Step::Get(key) => seen.push(next.get(key).map(|value| Bytes::from(vec![*value]))),
                }
            }
            let verdict = if accept { Verdict::Commit } else { Verdict::Refuse };
            answers.push((submit(&bench.lane, steps, verdict), seen));
            if accept {
                model = next;
            }
        }
        for (answer, want) in answers {
            let (seen, outcome) = wait(answer).expect("settled");
            prop_assert!(outcome.is_ok());
            prop_assert_eq!(seen, want);
        }
        bench.lane.close();
        let rows: BTreeMap<u8, u8> = bench.rows.lock().iter().map(|(key, value)| (key[0], value[0])).collect();
        prop_assert_eq!(rows, model);
    }
}
