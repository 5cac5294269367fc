//! What every operation cost when somebody last agreed to it.
//!
//! The file is TOML, one line for each operation, so that a change of the price is a line in a review.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// How many per cent an operation may grow, and how many it may shrink before the baseline says too little.
const TOLERANCE_PER_CENT: u64 = 5;

/// The comment that names the tools that the file was written with.
const WRITTEN_WITH: &str = "# Written with ";

/// An operation that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The operation.
    pub(crate) name: String,
    /// Instructions for one of it.
    pub(crate) instructions: u64,
    /// Callgrind's file, which says where they were spent.
    pub(crate) profile: PathBuf,
}

/// The baselines: operations with their instructions, in the file's order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Baselines {
    counts: Vec<(String, u64)>,
    written_with: Option<String>,
}

impl Baselines {
    /// Reads the file.
    ///
    /// # Errors
    /// A line is no operation with its count, or names one again.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut baselines = Self::default();
        for line in text.lines().map(str::trim) {
            if let Some(tools) = line.strip_prefix(WRITTEN_WITH) {
                baselines.written_with = Some(tools.trim_end_matches('.').to_owned());
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry = line.split_once('=').and_then(|(name, count)| {
                Some((name.trim().to_owned(), count.trim().replace('_', "").parse().ok()?))
            });
            let (name, count) = entry.with_context(|| format!("`{line}` is no operation with its count"))?;
            ensure!(baselines.of(&name).is_none(), "{name} has two baselines");
            baselines.counts.push((name, count));
        }
        Ok(baselines)
    }

    /// The file that makes `counted` the baselines.
    pub(crate) fn text(counted: &[Counted], tools: &str) -> String {
        let head = "# Instructions per operation, as callgrind counts them. A growth of more than 5 % fails the stage `instructions`.\n\
                    # Renewed by `cargo xtask bench --instructions --write`; whoever raises a line says why in the commit message.\n";
        let lines = counted.iter().map(|one| {
            let count = thousands(one.instructions).replace(',', "_");
            format!("{} = {count}\n", one.name)
        });
        format!("{head}{WRITTEN_WITH}{tools}.\n{}", lines.collect::<String>())
    }

    /// The tools that the file was written with.
    pub(crate) fn written_with(&self) -> Option<&str> {
        self.written_with.as_deref()
    }

    /// What is wrong, one line each: an operation grew, has no baseline, or is not there any more.
    pub(crate) fn failures(&self, counted: &[Counted]) -> Vec<String> {
        let mut failures = Vec::new();
        for one in counted {
            let Counted { name, instructions, profile } = one;
            match self.of(name) {
                None => failures.push(format!("{name} has no baseline: it was added, or renamed")),
                Some(before) if grew(before, *instructions) => failures.push(format!(
                    "{name} takes {} instructions instead of {}, {}; where: callgrind_annotate --auto=no --inclusive=yes {}",
                    thousands(*instructions),
                    thousands(before),
                    self.change(one).unwrap_or_default(),
                    profile.display()
                )),
                Some(_) => {}
            }
        }
        let is_gone = |name: &str| counted.iter().all(|one| one.name != name);
        let gone = self.counts.iter().filter(|(name, _)| is_gone(name));
        failures
            .extend(gone.map(|(name, _)| format!("{name} has a baseline, but nothing counts it any more")));
        failures
    }

    /// Operations that cost so much less that their baselines would let them grow again unseen.
    pub(crate) fn shrunk(&self, counted: &[Counted]) -> Vec<String> {
        let shrunk = counted
            .iter()
            .filter(|one| self.of(&one.name).is_some_and(|before| shrank(before, one.instructions)));
        shrunk
            .map(|one| {
                let change = self.change(one).unwrap_or_default();
                format!(
                    "{}: {change}; renew its baseline: cargo xtask bench --instructions --write",
                    one.name
                )
            })
            .collect()
    }

    /// How much more or less `counted` is than its baseline, in per cent.
    pub(crate) fn change(&self, counted: &Counted) -> Option<String> {
        let before = self.of(&counted.name).filter(|before| *before > 0)?;
        // In tenths of a per cent, which no count makes overflow.
        let now = i128::from(counted.instructions);
        let tenths = (now - i128::from(before)) * 1_000 / i128::from(before);
        let sign = if tenths < 0 { '-' } else { '+' };
        Some(format!("{sign}{}.{} %", tenths.abs() / 10, tenths.abs() % 10))
    }

    fn of(&self, name: &str) -> Option<u64> {
        self.counts.iter().find(|(known, _)| known == name).map(|(_, count)| *count)
    }
}

fn grew(before: u64, now: u64) -> bool {
    u128::from(now) * 100 > u128::from(before) * u128::from(100 + TOLERANCE_PER_CENT)
}

fn shrank(before: u64, now: u64) -> bool {
    u128::from(now) * 100 < u128::from(before) * u128::from(100 - TOLERANCE_PER_CENT)
}

/// A number with commas.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str =
        "# Instructions.\n# Written with rustc 1.95.0, valgrind-3.19.0.\nput-4k = 100_000\nhead = 2_000\n";

    fn counted(name: &str, instructions: u64) -> Counted {
        Counted { name: name.to_owned(), instructions, profile: format!("{name}.callgrind").into() }
    }

    fn failures(counts: &[(&str, u64)]) -> Vec<String> {
        let counted: Vec<Counted> = counts.iter().map(|(name, count)| counted(name, *count)).collect();
        Baselines::parse(FILE).unwrap().failures(&counted)
    }

    #[test]
    fn growth_of_five_per_cent_passes_and_of_more_fails() {
        assert_eq!(failures(&[("put-4k", 104_900), ("head", 2_000)]), [""; 0]);
        assert_eq!(failures(&[("put-4k", 105_000), ("head", 2_100)]), [""; 0]);
        let failed = failures(&[("put-4k", 105_100), ("head", 2_000)]);
        let [line] = failed.as_slice() else { panic!("one operation grew: {failed:?}") };
        for part in [
            "put-4k takes 105,100 instructions instead of 100,000, +5.1 %",
            "callgrind_annotate",
            "put-4k.callgrind",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }

    #[test]
    fn what_shrinks_passes_and_is_named() {
        let baselines = Baselines::parse(FILE).unwrap();
        let shrunk = [counted("put-4k", 94_900), counted("head", 1_900)];
        assert_eq!(baselines.failures(&shrunk), [""; 0]);
        let named = baselines.shrunk(&shrunk);
        let [line] = named.as_slice() else { panic!("one operation shrank by more than 5 %: {named:?}") };
        assert!(line.starts_with("put-4k: -5.1 %") && line.contains("--write"), "{line}");
    }

    #[test]
    fn an_operation_without_a_baseline_fails_and_so_does_a_baseline_without_an_operation() {
        let failed = failures(&[("put-4k", 100_000), ("get-4k", 1)]);
        assert_eq!(failed.len(), 2, "{failed:?}");
        assert!(failed.iter().any(|line| line.starts_with("get-4k has no baseline")), "{failed:?}");
        assert!(failed.iter().any(|line| line.starts_with("head has a baseline")), "{failed:?}");
    }

    #[test]
    fn what_is_written_reads_back() {
        let counts = [counted("put-4k", 100_000), counted("head", 2_000)];
        let text = Baselines::text(&counts, "rustc 1.95.0, valgrind-3.19.0");
        let read = Baselines::parse(&text).unwrap();
        assert_eq!(read, Baselines::parse(FILE).unwrap(), "{text}");
        assert_eq!(read.written_with(), Some("rustc 1.95.0, valgrind-3.19.0"));
    }

    #[test]
    fn a_line_that_is_none_is_refused() {
        for line in ["put-4k", "put-4k = many", "put-4k = -1", "head = 1\nhead = 2"] {
            assert!(Baselines::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!([0, 999, 1_000, 16_316_667].map(thousands), ["0", "999", "1,000", "16,316,667"]);
    }
}
