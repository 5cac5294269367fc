//! Instructions per operation, counted by callgrind and compared with `benches/instructions.toml`: the stage
//! `instructions`, and `cargo xtask bench --instructions [--write]`.
//!
//! Times say little on a machine that others use too; a count of instructions is the same each time within 0.6 %, so
//! that a growth of more than 5 % is a growth of the program, and fails. Without this the price of a request would
//! creep up, a few per cent a change, each of them below what a clock can tell.
//!
//! `benches/instructions` plays one operation in each run, and callgrind counts between the first and the last
//! instruction of its function `measured` only. Valgrind has a processor of its own: there is AVX2 where the machine
//! has it, never AVX-512 and never SHA-NI. So SHA-256 is counted as software and CRC as the PCLMULQDQ of SSE,
//! wherever the stage runs; MD5 and the rest are as in the product. The compiler and the C library count too: another
//! version of them may need new baselines, and the file says what it was written with.
//!
//! It is code of our own because gungraun (before: iai-callgrind) needs a second program, `gungraun-runner`, installed
//! in exactly the library's version, and keeps its baselines as callgrind's files under `target`, where no review sees
//! them.

mod baselines;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::instructions::baselines::{Baselines, Counted, thousands};
use crate::{packages, repository, stage};

/// The baselines, seen from the root.
const BASELINES: &str = "benches/instructions.toml";

/// The program that plays an operation.
const PROGRAM: &str = "release/drystone-instructions";

/// The function between whose first and last instruction callgrind counts.
const MEASURED: &str = "*::measured";

/// The longest that one operation may take under valgrind; the longest of them takes five seconds.
const OPERATION_LIMIT: Duration = Duration::from_mins(2);

/// What is to become of the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// They are compared with the baselines.
    Compare,
    /// They become the baselines.
    Write,
}

/// One operation that the program knows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Operation {
    name: String,
    rounds: u64,
}

/// The stage: no operation costs more than it did.
///
/// # Errors
/// An operation grew, or operations and baselines are not the same; or it could not be counted.
pub(crate) fn check() -> Result<()> {
    run(Purpose::Compare)
}

/// Counts all operations, prints them, and does with the counts what is asked for.
///
/// # Errors
/// As [`check`].
pub(crate) fn run(purpose: Purpose) -> Result<()> {
    let log = stage::log_path("instructions")?;
    let counted = count_all(&log)?;
    let path = repository::root().join(BASELINES);
    let tools = tools()?;
    if purpose == Purpose::Write {
        fs::write(&path, Baselines::text(&counted, &tools)).with_context(|| format!("write {BASELINES}"))?;
        println!("{}wrote {BASELINES}", table(&counted, &Baselines::default()));
        return Ok(());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("read {BASELINES}"))?;
    let baselines = Baselines::parse(&text).with_context(|| format!("read {BASELINES}"))?;
    println!("{}", table(&counted, &baselines).trim_end());
    for notice in baselines.shrunk(&counted) {
        println!("{notice}");
    }
    let failures = baselines.failures(&counted);
    if failures.is_empty() {
        return Ok(());
    }
    let mut text = failures.join("\n");
    if let Some(before) = baselines.written_with().filter(|before| *before != tools) {
        write!(text, "\nthe baselines were written with {before}; this is {tools}")?;
    }
    bail!(
        "{text}\nif it is meant: cargo xtask bench --instructions --write, and the reason in the commit message"
    )
}

/// The counts and how they differ from the baselines.
fn table(counted: &[Counted], baselines: &Baselines) -> String {
    let mut text = format!("{:<24}{:>16}{:>10}\n", "operation", "instructions", "change");
    for one in counted {
        let change = baselines.change(one).unwrap_or_default();
        writeln!(text, "{:<24}{:>16}{change:>10}", one.name, thousands(one.instructions))
            .expect("a String takes every write");
    }
    text
}

/// Counts every operation, as many at once as there are processors.
fn count_all(log: &Path) -> Result<Vec<Counted>> {
    let folder = repository::target().join("xtask/instructions");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let operations = operations()?;
    let next = Mutex::new(operations.iter());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut counted = thread::scope(|scope| {
        let work = || -> Result<Vec<Counted>> {
            let mut counted = Vec::new();
            loop {
                let operation = next.lock().map_err(|_| anyhow!("another worker panicked"))?.next();
                let Some(operation) = operation else { return Ok(counted) };
                counted.push(count(operation, &folder, log)?);
            }
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let results =
            workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?);
        results.collect::<Result<Vec<_>>>()
    })?
    .concat();
    let place = |one: &Counted| operations.iter().position(|operation| operation.name == one.name);
    counted.sort_by_key(place);
    Ok(counted)
}

/// The operations that the program knows, and their rounds.
fn operations() -> Result<Vec<Operation>> {
    let output = Command::new(program()).arg("--list").output();
    let output = output.with_context(|| format!("start {}", program().display()))?;
    ensure!(output.status.success(), "{} --list ended with {}", program().display(), output.status);
    listed(&String::from_utf8_lossy(&output.stdout))
}

/// Reads lines of a name and a number of rounds.
fn listed(text: &str) -> Result<Vec<Operation>> {
    let operation = |line: &str| {
        let (name, rounds) = line.split_once(' ')?;
        Some(Operation { name: name.to_owned(), rounds: rounds.parse().ok().filter(|rounds| *rounds > 0)? })
    };
    text.lines().map(|line| operation(line).with_context(|| format!("`{line}` is no operation"))).collect()
}

/// Plays one operation under callgrind.
fn count(operation: &Operation, folder: &Path, log: &Path) -> Result<Counted> {
    let Operation { name, rounds } = operation;
    let profile = folder.join(format!("{name}.callgrind"));
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--toggle-collect={MEASURED}"));
    command.arg(format!("--callgrind-out-file={}", profile.display())).arg(program()).arg(name);
    // What the program finds in its environment must not make a difference.
    command.env_clear().env("PATH", packages::path());
    stage::run_command(command, log, OPERATION_LIMIT)
        .with_context(|| format!("count the instructions of {name}: see {}", log.display()))?;
    let text = fs::read_to_string(&profile).with_context(|| format!("read {}", profile.display()))?;
    let instructions = total(&text).with_context(|| format!("{} holds no count", profile.display()))?;
    ensure!(instructions > 0, "callgrind met no function `{MEASURED}` in {}", program().display());
    Ok(Counted { name: name.clone(), instructions: instructions / rounds, profile })
}

/// All instructions that callgrind counted.
fn total(profile: &str) -> Option<u64> {
    profile.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

fn program() -> PathBuf {
    // The folder of built things may be given relative to the root, and the program is started from anywhere.
    repository::root().join(repository::target()).join(PROGRAM)
}

/// What a count depends on beside the repository.
fn tools() -> Result<String> {
    let mut versions = Vec::new();
    for tool in ["rustc", "valgrind"] {
        let output = Command::new(tool).arg("--version").current_dir(repository::root()).output();
        let output = output.with_context(|| format!("start {tool}: is it installed?"))?;
        versions.push(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Ok(versions.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_callgrinds_file() {
        assert_eq!(total("version: 1\nevents: Ir\nfn=(1)\n1 5\ntotals: 16316667\n"), Some(16_316_667));
        assert_eq!(total("version: 1\n"), None);
    }

    #[test]
    fn an_operation_without_rounds_is_refused() {
        let operations = listed("put-4k 100\nhead 7\n").unwrap();
        assert_eq!(operations.get(1), Some(&Operation { name: "head".into(), rounds: 7 }));
        assert!(listed("put-4k 0\n").is_err());
        assert!(listed("put-4k\n").is_err());
    }
}
