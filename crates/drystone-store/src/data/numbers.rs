//! What volumes must remember across a crash: which numbers are used up, and who is suspect.
//!
//! A number that came back would let a stale reclaim record free another volume's bytes. Numbers are
//! taken in steps, each made durable before its first number is used.

use std::path::{Path, PathBuf};

use drystone_core::planted::{Mistake, planted};

use crate::durable;
use crate::format::{LastStop, OpenError, Sheet, failed};

/// Numbers that one durable write takes.
const STEP: u64 = 1024;

const NUMBERS: &str = "NUMBERS";
const VERSION: u32 = 1;

/// The durable side of the volumes.
#[derive(Debug)]
pub(crate) struct Numbers {
    path: PathBuf,
    /// The next number to hand out.
    next: u64,
    /// Numbers below this are durably used up.
    taken: u64,
    /// The first number of this process.
    first: u64,
    /// Volumes from this number on, made by earlier processes, may hold bytes without an owner.
    suspects: u64,
}

impl Numbers {
    /// Reads `NUMBERS` in `folder`, whose volumes are `volumes`, and makes this process's first step
    /// durable. To be called before the clean-stop marker is taken away.
    pub(crate) fn open(folder: &Path, volumes: &[u64], stop: LastStop) -> Result<Self, OpenError> {
        let path = folder.join(NUMBERS);
        let highest = volumes.iter().max().copied();
        let (next, suspects) = match (Sheet::read(&path)?, highest) {
            (Some(sheet), _) => {
                sheet.expect("volumes", VERSION, &path)?;
                (sheet.number("next", &path)?, sheet.number("suspects", &path)?)
            }
            (None, None) => (1, 1),
            (None, Some(_)) => {
                return Err(OpenError::Damaged { path, why: "it is missing, but there are volumes".into() });
            }
        };
        if let Some(highest) = highest.filter(|highest| *highest >= next) {
            let why = format!("it says that no volume has a number from {next} on, but there is {highest}");
            return Err(OpenError::Damaged { path, why });
        }
        let trusted = stop == LastStop::Clean || planted(Mistake::SuspectsForgotten);
        let suspects = if trusted { next } else { suspects };
        let mut numbers = Self { path, next, taken: next, first: next, suspects };
        numbers.write(next + STEP, suspects).map_err(failed("writing", &folder.join(NUMBERS)))?;
        Ok(numbers)
    }

    /// A number that no volume ever had.
    pub(super) fn take(&mut self) -> std::io::Result<u64> {
        if self.next == self.taken {
            self.write(self.taken + STEP, self.suspects)?;
        }
        self.next += 1;
        Ok(self.next - 1)
    }

    /// Whether the volume `number` may hold bytes without an owner.
    pub(super) fn is_suspect(&self, number: u64) -> bool {
        (self.suspects..self.first).contains(&number)
    }

    /// Which of `volumes` may hold bytes without an owner.
    pub(super) fn suspects(&self, volumes: impl Iterator<Item = u64>) -> Vec<u64> {
        volumes.filter(|number| self.is_suspect(*number)).collect()
    }

    /// The suspects were cleared.
    pub(super) fn recovered(&mut self) -> std::io::Result<()> {
        self.write(self.taken, self.first)
    }

    fn write(&mut self, taken: u64, suspects: u64) -> std::io::Result<()> {
        let sheet = Sheet::new("volumes", VERSION).with("next", taken).with("suspects", suspects);
        durable::replace_private(&self.path, &sheet.to_bytes())?;
        (self.taken, self.suspects) = (taken, suspects);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &Path, volumes: &[u64], stop: LastStop) -> Numbers {
        Numbers::open(folder, volumes, stop).expect("opens")
    }

    #[test]
    fn golden_numbers() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        open(dir.path(), &[], LastStop::Clean);
        let found = std::fs::read_to_string(dir.path().join("NUMBERS")).expect("it is there");
        assert_eq!(found, "drystone volumes 1\nnext 1025\nsuspects 1\ncheck d67efacb57d6fb36\n");
    }

    #[test]
    fn no_number_comes_twice() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut last = 0;
        for round in 0..3 {
            let mut numbers = open(dir.path(), &[], LastStop::Unclean);
            for _ in 0..=round * STEP {
                let number = numbers.take().expect("takes");
                assert!(number > last, "{number} after {last}");
                last = number;
            }
        }
    }

    #[test]
    fn suspects_stay_until_they_are_cleared() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut first = open(dir.path(), &[], LastStop::Clean);
        let old = first.take().expect("takes");
        // A crash, then a crash during recovery: the first process's volume is still suspect.
        let mut second = open(dir.path(), &[old], LastStop::Unclean);
        assert_eq!(second.suspects([old].into_iter()), [old]);
        let newer = second.take().expect("takes");
        let mut third = open(dir.path(), &[old, newer], LastStop::Unclean);
        let own = third.take().expect("takes");
        assert_eq!(third.suspects([old, newer, own].into_iter()), [old, newer]);
        third.recovered().expect("written");
        assert!(third.suspects([old, newer, own].into_iter()).is_empty());
        let fourth = open(dir.path(), &[old, newer, own], LastStop::Unclean);
        assert_eq!(fourth.suspects([old, newer, own].into_iter()), [own]);
        let fifth = open(dir.path(), &[old, newer, own], LastStop::Clean);
        assert!(fifth.suspects([old, newer, own].into_iter()).is_empty());
    }

    #[test]
    fn numbers_that_cannot_be_right_are_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let missing = Numbers::open(dir.path(), &[3], LastStop::Clean).expect_err("it is missing");
        assert!(missing.to_string().contains("it is missing"), "{missing}");
        open(dir.path(), &[], LastStop::Clean);
        let early = Numbers::open(dir.path(), &[99_999], LastStop::Clean).expect_err("too high a volume");
        assert!(early.to_string().contains("99999"), "{early}");
    }
}
