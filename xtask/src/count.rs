//! Reads how many tests passed and failed from the closing lines of the test runners in use.
//!
//! Cargo's own runner closes once per test binary, nextest once per run, pytest once per run. A line that looks
//! like none of them counts nothing.

use std::fmt;
use std::ops::AddAssign;

/// Tests that passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Ran and held.
    pub(crate) passed: u64,
    /// Ran and did not hold, or could not run.
    pub(crate) failed: u64,
    /// Left out on this machine, each with a reason in the log.
    pub(crate) skipped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 { write!(f, ", {} skipped", self.skipped) } else { Ok(()) }
    }
}

/// Adds up every closing line of a runner's output; `None` when there is none, so that no runner came to its end.
pub(crate) fn read(output: &str) -> Option<Counts> {
    let mut sum = None;
    for line in output.lines().map(plain) {
        // nextest shows a failed test's own output, closing line included, moved to the right.
        let of_cargo = line.starts_with("test result:");
        let line = line.trim().trim_matches('=').trim();
        let closes = of_cargo || line.starts_with("Summary [") || closes_pytest(line);
        if closes {
            *sum.get_or_insert_default() += read_line(line);
        }
    }
    sum
}

/// Whether `line` is pytest's closing line: counts, then `in 1.23s`.
fn closes_pytest(line: &str) -> bool {
    let Some((counts, time)) = line.rsplit_once(" in ") else { return false };
    let time = time.split_whitespace().next().unwrap_or_default();
    let timed = time.strip_suffix('s').is_some_and(|seconds| seconds.parse::<f64>().is_ok());
    timed && counts.split(", ").all(|part| part.split_whitespace().count() == 2)
}

/// The counts of one closing line: every number that is followed by a word we know.
fn read_line(line: &str) -> Counts {
    let mut counts = Counts::default();
    let words: Vec<&str> =
        line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    for pair in words.windows(2) {
        let [number, word] = pair else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match *word {
            "passed" => counts.passed += number,
            "failed" | "error" | "errors" | "timed" => counts.failed += number,
            "skipped" | "ignored" => counts.skipped += number,
            _ => {}
        }
    }
    counts
}

/// The line without terminal colours.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            // A colour is ESC [ digits m.
            rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, passed: u64, failed: u64, skipped: u64) {
        assert_eq!(read(output), Some(Counts { passed, failed, skipped }), "{output}");
    }

    #[test]
    fn cargo_test_closes_once_per_binary() {
        let line =
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        check(&format!("running 5 tests\n{line}\nrunning 5 tests\n{line}\n"), 10, 0, 2);
    }

    #[test]
    fn nextest_closes_with_a_summary() {
        check("     Summary [   0.501s] 10 tests run: 8 passed (1 slow), 2 failed, 1 skipped", 8, 2, 1);
        let inner = "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s";
        check(
            &format!("{inner}\n     Summary [   1.0s] 3 tests run: 2 passed, 1 failed, 0 skipped"),
            2,
            1,
            0,
        );
        check("     Summary [   9.5s] 3 tests run: 1 passed, 1 failed, 1 timed out, 0 skipped", 1, 2, 0);
    }

    #[test]
    fn pytest_closes_with_or_without_rulers() {
        check("==== 3 failed, 40 passed, 2 skipped, 1 error in 61.20s (0:01:01) ====", 40, 4, 2);
        check("7 passed in 0.12s", 7, 0, 0);
        check("\u{1b}[32m7 passed\u{1b}[0m\u{1b}[32m in 0.12s\u{1b}[0m", 7, 0, 0);
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(read("we passed 5 failed 6 in 3 tries\n12 files passed, all of them\n"), None);
    }
}
