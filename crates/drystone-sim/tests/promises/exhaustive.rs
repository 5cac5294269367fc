//! Every sequence of up to three operations, with every fault at every call through a door of its last one.
//!
//! Short sequences find most bugs of crash consistency (Mohan et al., "Finding Crash-Consistency Bugs with
//! Bounded Black-Box Crash Testing", OSDI 2018: three operations). A fault in an operation before the last is
//! the last operation of a shorter sequence, so each is met once. A long run goes on to four.

use drystone_sim::amnesia::faults::{Fault, Kept};
use drystone_sim::effort;
use drystone_sim::model::operation::{Listed, Operation, When};
use drystone_sim::site::{Background, End, Site, Worker};

const STONE: (&str, &str) = ("quarry", "stone");
const PEBBLE: (&str, &str) = ("quarry", "pebble");
const GRAVEL: (&str, &str) = ("quarry", "gravel");

/// One letter of the alphabet.
#[derive(Clone, Debug)]
enum Letter {
    Asks(Operation),
    Works(Background),
    Ends(End),
}

/// What there is at the beginning: a large and a small object, an upload with two parts, and a bucket that
/// holds nothing but an upload.
fn beginning() -> Site {
    let mut site = Site::new(Worker::Asleep);
    site.prepare([
        Operation::CreateBucket { bucket: "quarry" },
        Operation::CreateBucket { bucket: "kiln" },
        Operation::Rule { bucket: "quarry" },
        Operation::Put { to: STONE, size: 10_000, when: When::Always },
        Operation::Put { to: PEBBLE, size: 100, when: When::Always },
        Operation::Create { to: ("quarry", "wall") },
        Operation::Part { upload: 0, number: 1, size: 9_000 },
        Operation::Part { upload: 0, number: 2, size: 5_000 },
        Operation::Create { to: ("kiln", "brick") },
        Operation::Part { upload: 1, number: 1, size: 700 },
    ]);
    site
}

fn alphabet() -> Vec<Letter> {
    let asks = [
        Operation::Put { to: STONE, size: 12_000, when: When::Always },
        Operation::Put { to: STONE, size: 50, when: When::IfCurrent },
        Operation::Put { to: GRAVEL, size: 9_000, when: When::IfAbsent },
        Operation::Delete { at: STONE, when: When::Always },
        Operation::DeleteMany { bucket: "quarry", keys: vec!["stone", "pebble", "wall"] },
        Operation::Copy { from: STONE, to: GRAVEL, when: When::Always },
        Operation::Create { to: STONE },
        Operation::Part { upload: 0, number: 1, size: 8_500 },
        Operation::PartCopy { upload: 0, number: 1, from: STONE, range: Some((100, 9_099)) },
        Operation::Complete { upload: 0, listed: Listed::First, when: When::Always },
        Operation::Complete { upload: 0, listed: Listed::Again, when: When::Always },
        Operation::Abort { upload: 0 },
        Operation::DeleteBucket { bucket: "kiln" },
        Operation::CreateBucket { bucket: "kiln" },
        Operation::NoRule { bucket: "quarry" },
        Operation::Rule { bucket: "kiln" },
    ];
    let works = [Background::GiveBack, Background::Expire, Background::AbortInBulk];
    let works = works.map(Letter::Works);
    asks.into_iter().map(Letter::Asks).chain(works).chain([Letter::Ends(End::Stop)]).collect()
}

fn act(site: &mut Site, letter: &Letter) {
    match letter {
        Letter::Asks(operation) => site.operate(operation),
        Letter::Works(work) => site.background(*work),
        Letter::Ends(end) => site.end(*end),
    }
}

/// What was tried.
#[derive(Default)]
struct Count {
    sequences: u64,
    faults: u64,
    /// Cuts during the recovery from a cut.
    twice: u64,
}

/// Every fault at the changing call `at`.
fn faults_at(at: u64) -> [Fault; 5] {
    [
        Fault::Cut { at, kept: Kept::Nothing },
        Fault::Cut { at, kept: Kept::Everything },
        Fault::Cut { at, kept: Kept::Torn(at * 31 + 7) },
        Fault::Error { at },
        Fault::Full { at },
    ]
}

/// Runs `sequence` with each fault in its last letter, and each with a second cut in the start after it.
fn with_every_fault(beginning: &Site, sequence: &[&Letter], depth_twice: usize, count: &mut Count) {
    let (last, first) = sequence.split_last().expect("a sequence has a letter");
    // What comes first was the last of a shorter sequence, and compared then.
    let prepared = || {
        let mut site = beginning.fork();
        site.repeat(|site| first.iter().for_each(|letter| act(site, letter)));
        site
    };
    count.sequences += 1;
    let mut site = prepared();
    site.machine().arm(None);
    act(&mut site, last);
    // An end in order is no call through a door, and what its start does is counted below.
    let (calls, reads) = match last {
        Letter::Ends(_) => (0, 0),
        _ => (site.machine().changes(), site.machine().reads()),
    };
    site.finish();
    for fault in (0..calls).flat_map(faults_at) {
        count.faults += 1;
        let mut site = prepared();
        site.machine().arm(Some(fault));
        act(&mut site, last);
        site.end(End::Cut(Kept::Nothing));
        site.finish();
        if sequence.len() > depth_twice || !matches!(fault, Fault::Cut { .. }) {
            continue;
        }
        // The start after the cut is cut off too, at each of its calls.
        for at in 0.. {
            let mut site = prepared();
            site.machine().arm(Some(fault));
            act(&mut site, last);
            site.end_with(End::Cut(Kept::Nothing), Some(Fault::Cut { at, kept: Kept::Torn(at) }));
            let over = site.machine().changes() <= at;
            site.finish();
            if over {
                break;
            }
            count.twice += 1;
        }
    }
    // One unreadable place per sequence is enough to be an error and nothing else; which one goes round.
    if reads > 0 {
        count.faults += 1;
        let mut site = prepared();
        site.machine().arm(Some(Fault::Unreadable { at: count.sequences % reads }));
        act(&mut site, last);
        site.end(End::Cut(Kept::Nothing));
        site.finish();
    }
}

#[test]
fn every_short_sequence_survives_every_fault_at_every_call() {
    let (beginning, alphabet) = (beginning(), alphabet());
    let longest = effort::of(3, 4) as usize;
    let mut count = Count::default();
    let mut sequences: Vec<Vec<&Letter>> = vec![Vec::new()];
    for _ in 0..longest {
        sequences = sequences
            .iter()
            .flat_map(|shorter| alphabet.iter().map(|letter| [shorter.as_slice(), &[letter]].concat()))
            .collect();
        for sequence in &sequences {
            with_every_fault(&beginning, sequence, longest - 1, &mut count);
        }
    }
    let Count { sequences, faults, twice } = count;
    println!(
        "exhaustive: {sequences} sequences of up to {longest} of {} letters, {faults} faults, {twice} second cuts",
        alphabet.len()
    );
    let letters = alphabet.len() as u64;
    assert!(sequences >= letters + letters.pow(2) + letters.pow(3), "every sequence is tried");
    assert!(faults > 5 * sequences, "operations have calls to fail: {faults} in {sequences} sequences");
}
