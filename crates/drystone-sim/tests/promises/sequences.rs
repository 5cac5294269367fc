//! Long sequences, made up: every operation, readers that stay, faults that wait, starts of both kinds, and the
//! worker in between. A failing one is shrunk to its shortest form and printed.

use drystone_core::names::Timestamp;
use drystone_core::store::SMALL_BODY_BYTES_MAX;
use drystone_sim::amnesia::faults::{Fault, Kept};
use drystone_sim::clock::MORNING;
use drystone_sim::effort;
use drystone_sim::model::operation::{Listed, Operation, Place, When};
use drystone_sim::site::{Background, End, Site, Worker};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const BUCKETS: [&str; 2] = ["quarry", "kiln"];
/// Few keys, so that operations meet; their order is not that of their lengths.
const KEYS: [&str; 4] = ["a", "a\0", "a/b", "é"];
/// Sizes on both sides of every border.
const SIZES: [u64; 7] = [0, 1, SMALL_BODY_BYTES_MAX, SMALL_BODY_BYTES_MAX + 1, 20_000, 70_000, 5 << 20];

#[derive(Clone, Debug)]
enum Step {
    Ask(Operation),
    Work(Background),
    Arm(Fault),
    End(End),
    EndDuringStart(End, Fault),
    Open(Place, Option<(u64, u64)>),
    Leave(usize),
    Clock(u64),
}

fn place() -> impl Strategy<Value = Place> {
    // The first bucket holds most of what there is, so that the second is now and then empty.
    (prop_oneof![5 => Just(0_usize), 1 => Just(1)], 0..KEYS.len())
        .prop_map(|(bucket, key)| (BUCKETS[bucket], KEYS[key]))
}

fn bucket() -> impl Strategy<Value = &'static str> {
    prop_oneof![1 => Just(BUCKETS[0]), 3 => Just(BUCKETS[1])]
}

fn size() -> impl Strategy<Value = u64> {
    // The last one costs as much as all others together.
    prop_oneof![12 => 0..SIZES.len() - 1, 1 => Just(SIZES.len() - 1)].prop_map(|size| SIZES[size])
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![6 => Just(When::Always), 1 => Just(When::IfAbsent), 1 => Just(When::IfCurrent), 1 => Just(When::IfOther)]
}

fn listed() -> impl Strategy<Value = Listed> {
    prop_oneof![3 => Just(Listed::All), 4 => Just(Listed::First), 1 => Just(Listed::Stale), 2 => Just(Listed::Again)]
}

fn range() -> impl Strategy<Value = Option<(u64, u64)>> {
    prop_oneof![
        Just(None),
        (0..9_000_u64, 0..9_000_u64).prop_map(|(first, more)| Some((first, first + more))),
        // What a part that is not the last may be.
        (0..9_u64).prop_map(|cut| Some((cut, cut + (5 << 20) - 10))),
    ]
}

/// Uploads are chosen among those there are when the step is taken.
pub(crate) fn operation() -> impl Strategy<Value = Operation> {
    let upload = any::<u16>().prop_map(usize::from);
    let upload = || upload.clone();
    let number = || 1..4_u16;
    prop_oneof![
        2 => bucket().prop_map(|bucket| Operation::CreateBucket { bucket }),
        2 => bucket().prop_map(|bucket| Operation::DeleteBucket { bucket }),
        8 => (place(), size(), when()).prop_map(|(to, size, when)| Operation::Put { to, size, when }),
        4 => (place(), when()).prop_map(|(at, when)| Operation::Delete { at, when }),
        1 => bucket().prop_map(|bucket| Operation::DeleteMany { bucket, keys: KEYS.to_vec() }),
        4 => (place(), place(), when()).prop_map(|(from, to, when)| Operation::Copy { from, to, when }),
        5 => place().prop_map(|to| Operation::Create { to }),
        12 => (upload(), number(), size())
            .prop_map(|(upload, number, size)| Operation::Part { upload, number, size }),
        6 => (upload(), number(), place(), range())
            .prop_map(|(upload, number, from, range)| Operation::PartCopy { upload, number, from, range }),
        7 => (upload(), listed(), when())
            .prop_map(|(upload, listed, when)| Operation::Complete { upload, listed, when }),
        4 => upload().prop_map(|upload| Operation::Abort { upload }),
        2 => bucket().prop_map(|bucket| Operation::Rule { bucket }),
        1 => bucket().prop_map(|bucket| Operation::NoRule { bucket }),
    ]
}

fn kept() -> impl Strategy<Value = Kept> {
    prop_oneof![Just(Kept::Nothing), Just(Kept::Everything), any::<u64>().prop_map(Kept::Torn)]
}

fn fault() -> impl Strategy<Value = Fault> {
    // An operation makes a handful of calls: a fault waits for the next few of them.
    prop_oneof![
        3 => (0..12_u64, kept()).prop_map(|(at, kept)| Fault::Cut { at, kept }),
        2 => (0..12_u64).prop_map(|at| Fault::Error { at }),
        2 => (0..12_u64).prop_map(|at| Fault::Full { at }),
        1 => (0..200_u64).prop_map(|at| Fault::Unreadable { at }),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![1 => Just(End::Stop), 2 => kept().prop_map(End::Cut)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => operation().prop_map(Step::Ask),
        1 => Just(Step::Work(Background::Forget)),
        2 => Just(Step::Work(Background::Expire)),
        2 => Just(Step::Work(Background::AbortInBulk)),
        1 => Just(Step::Work(Background::GiveBack)),
        4 => fault().prop_map(Step::Arm),
        2 => end().prop_map(Step::End),
        1 => (end(), fault()).prop_map(|(end, fault)| Step::EndDuringStart(end, fault)),
        3 => (place(), range()).prop_map(|(at, range)| Step::Open(at, range)),
        3 => any::<u16>().prop_map(|reader| Step::Leave(reader.into())),
        // Back to 1970, or some days around now: nothing may be ordered by it.
        1 => prop_oneof![Just(0), MORNING.0 - 1_000_000_000..MORNING.0 + 1_000_000_000].prop_map(Step::Clock),
    ]
}

/// The operation with its upload among those there are; `None` when there is none.
pub(crate) fn among(operation: &Operation, uploads: usize) -> Option<Operation> {
    let mut operation = operation.clone();
    match &mut operation {
        Operation::Part { upload, .. }
        | Operation::PartCopy { upload, .. }
        | Operation::Complete { upload, .. }
        | Operation::Abort { upload } => {
            // The last few, so that most are still open.
            *upload = uploads.checked_sub(1 + *upload % uploads.clamp(1, 3))?;
        }
        _ => {}
    }
    Some(operation)
}

fn take(site: &mut Site, step: &Step) {
    match step {
        Step::Ask(operation) => {
            if let Some(operation) = among(operation, site.model().uploads()) {
                site.operate(&operation);
            }
        }
        Step::Work(work) => site.background(*work),
        Step::Arm(fault) => site.machine().arm(Some(*fault)),
        Step::End(end) => site.end(*end),
        Step::EndDuringStart(end, fault) => site.end_with(*end, Some(*fault)),
        Step::Open(at, range) => site.open_reader(*at, *range),
        Step::Leave(reader) => site.leave_reader(*reader),
        Step::Clock(ms) => site.set_clock(Timestamp(*ms)),
    }
    if site.machine().is_dark() {
        site.end(End::Cut(Kept::Nothing));
    }
}

#[test]
fn made_up_sequences_with_faults_and_starts_keep_every_promise() {
    let cases = effort::of(400, 20_000) as u32;
    let seed = effort::seed();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let chance = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed.to_le_bytes(); 4].concat());
    let mut runner = TestRunner::new_with_rng(config, chance);
    let (mut steps_taken, mut starts) = (std::cell::Cell::new(0_u64), std::cell::Cell::new(0_u64));
    let outcome = runner.run(&proptest::collection::vec(step(), 1..60), |steps| {
        let mut site = Site::new(Worker::Awake);
        site.operate(&Operation::CreateBucket { bucket: BUCKETS[0] });
        for step in &steps {
            take(&mut site, step);
            steps_taken.set(steps_taken.get() + 1);
            starts.set(starts.get() + u64::from(matches!(step, Step::End(_) | Step::EndDuringStart(..))));
        }
        site.finish();
        Ok(())
    });
    println!(
        "sequences: {cases} sequences from seed {seed}, {} steps, {} starts",
        steps_taken.get_mut(),
        starts.get_mut()
    );
    if let Err(failed) = outcome {
        panic!("{failed}");
    }
}
