//! Any bytes as a sequence of operations, faults and starts, against the model.
//!
//! The promises are those of [`Site`], checked after every step. What the bytes are for: a fuzzer
//! that sees which lines a sequence reached finds its way to orders that nobody made up.

use crate::amnesia::faults::{Fault, Kept};
use crate::model::operation::{Listed, Operation, Place, When};
use crate::site::{Background, End, Site, Worker};

const BUCKETS: [&str; 2] = ["quarry", "kiln"];
/// Few keys, so that operations meet.
const KEYS: [&str; 4] = ["a", "a\0", "a/b", "\u{e9}"];
/// Sizes on both sides of every border but that of a part which is not the last: 5 MiB cost as much as a hundred
/// other steps, and the suites of the store have them.
const SIZES: [u64; 7] = [0, 1, 100, 8_192, 8_193, 20_000, 70_000];
/// Steps of one sequence.
const STEPS_MAX: usize = 40;

/// Steps, some bytes each.
///
/// # Panics
/// When a promise of the store does not hold.
pub fn operations(data: &[u8]) {
    let mut from = Draws { bytes: data };
    let mut site = Site::new(if from.byte().is_multiple_of(4) { Worker::Asleep } else { Worker::Awake });
    site.operate(&Operation::CreateBucket { bucket: "quarry" });
    for _ in 0..STEPS_MAX {
        if from.bytes.is_empty() {
            break;
        }
        step(&mut site, &mut from);
    }
    site.finish();
}

/// Takes one step; when it put the power out, the next process starts.
fn step(site: &mut Site, from: &mut Draws<'_>) {
    match from.byte() % 16 {
        0 => site.background(Background::GiveBack),
        1 => site.background(Background::Forget),
        2 => {
            let fault = from.fault();
            site.machine().arm(Some(fault));
        }
        3 => site.end(from.end()),
        4 => {
            let (end, fault) = (from.end(), from.fault());
            site.end_with(end, Some(fault));
        }
        5 => {
            let (place, range) = (from.place(), from.range());
            site.open_reader(place, range);
        }
        6 => site.leave_reader(from.byte().into()),
        7 => site.background(Background::Expire),
        _ => {
            if let Some(operation) = from.operation(site.model().uploads()) {
                site.operate(&operation);
            }
        }
    }
    if site.machine().is_dark() {
        site.end(End::Cut(from.kept()));
    }
}

/// Choices drawn from bytes; the first of each when they are over.
struct Draws<'d> {
    bytes: &'d [u8],
}

impl Draws<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    fn one_of<T: Copy, const N: usize>(&mut self, all: [T; N]) -> T {
        let chosen = usize::from(self.byte()) % N;
        *all.get(chosen).expect("the remainder is below the length")
    }

    fn place(&mut self) -> Place {
        // The first bucket holds most of what there is.
        (self.one_of([BUCKETS[0], BUCKETS[0], BUCKETS[0], BUCKETS[1]]), self.one_of(KEYS))
    }

    fn size(&mut self) -> u64 {
        self.one_of(SIZES)
    }

    fn when(&mut self) -> When {
        self.one_of([
            When::Always,
            When::Always,
            When::Always,
            When::IfAbsent,
            When::IfCurrent,
            When::IfOther,
        ])
    }

    fn range(&mut self) -> Option<(u64, u64)> {
        let first = u64::from(self.byte()) * 40;
        (self.byte() % 2 == 1).then(|| (first, first + u64::from(self.byte()) * 300))
    }

    fn kept(&mut self) -> Kept {
        match self.byte() % 3 {
            0 => Kept::Nothing,
            1 => Kept::Everything,
            _ => Kept::Torn(self.byte().into()),
        }
    }

    fn fault(&mut self) -> Fault {
        let at = u64::from(self.byte() % 16);
        match self.byte() % 4 {
            0 => Fault::Cut { at, kept: self.kept() },
            1 => Fault::Error { at },
            2 => Fault::Full { at },
            _ => Fault::Unreadable { at: at * 8 },
        }
    }

    fn end(&mut self) -> End {
        if self.byte().is_multiple_of(3) { End::Stop } else { End::Cut(self.kept()) }
    }

    /// An operation; `None` when it is about an upload and there is none.
    fn operation(&mut self, uploads: usize) -> Option<Operation> {
        let kind = self.byte() % 22;
        // One of the last few, so that most are still open.
        let upload = uploads.checked_sub(1 + usize::from(self.byte()) % uploads.clamp(1, 3));
        Some(match kind {
            0 => Operation::CreateBucket { bucket: self.one_of(BUCKETS) },
            1 => Operation::DeleteBucket { bucket: self.one_of(BUCKETS) },
            2..=4 => Operation::Put { to: self.place(), size: self.size(), when: self.when() },
            5 | 6 => Operation::Delete { at: self.place(), when: self.when() },
            7 => Operation::DeleteMany { bucket: self.one_of(BUCKETS), keys: KEYS.to_vec() },
            8 | 9 => Operation::Copy { from: self.place(), to: self.place(), when: self.when() },
            10 | 11 => Operation::Create { to: self.place() },
            12..=14 => {
                Operation::Part { upload: upload?, number: self.one_of([1, 2, 10_000]), size: self.size() }
            }
            15 => Operation::PartCopy {
                upload: upload?,
                number: self.one_of([1, 2, 10_000]),
                from: self.place(),
                range: self.range(),
            },
            16 | 17 => Operation::Complete {
                upload: upload?,
                listed: self.one_of([Listed::First, Listed::All, Listed::Stale, Listed::Again]),
                when: self.when(),
            },
            18 | 19 => Operation::Abort { upload: upload? },
            20 => Operation::Rule { bucket: self.one_of(BUCKETS) },
            _ => Operation::NoRule { bucket: self.one_of(BUCKETS) },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_corpus_of_operations_holds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/operations");
        let mut cases = 0;
        for entry in fs::read_dir(&folder).expect("the corpus is in the repository") {
            operations(&fs::read(entry.expect("a listed file").path()).expect("a readable file"));
            cases += 1;
        }
        assert!(cases >= 10, "{} holds {cases} cases only", folder.display());
    }
}
