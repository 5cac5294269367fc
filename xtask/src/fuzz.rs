//! Coverage-guided fuzzing: builds the targets in `fuzz/`, runs each for a while, and keeps its corpus small.
//!
//! The fuzzer is LLVM's libFuzzer with the instrumentation that cargo-fuzz asks for, which the stable compiler has
//! too: only its sanitizers need another one, and code without `unsafe` has no use for those. So nothing has to be
//! installed, and `cargo fuzz run --sanitizer none NAME` works as well. What is found is kept under
//! `target/fuzz/found`, and the command that repeats it is printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::check::cargo;
use crate::{repository, stage};

/// Every target, the slowest first.
const TARGETS: &[&str] = &["operations", "requests", "chunked", "signature", "documents", "words", "records"];

/// How long each runs in every test run, and in a long one.
const SECONDS: u64 = 20;
const SECONDS_LONG: u64 = 15 * 60;

/// How many run at a time.
const AT_A_TIME: usize = 2;

/// How long the build may take.
const BUILD_LIMIT: Duration = Duration::from_mins(15);

/// How long a target may need beyond its time, to read its corpus and to write what it found.
const GRACE: Duration = Duration::from_mins(2);

/// The longest input in bytes: a few requests.
const INPUT_BYTES_MAX: u32 = 4096;

/// The longest that one input may take, in seconds; a hundred times what the slowest takes.
const INPUT_SECONDS_MAX: u32 = 25;

/// The instrumentation: counters at every edge, and every comparison shown to the fuzzer.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The stage `fuzz-build`: the targets, while others have work that leaves processors idle.
pub(crate) fn build_beside() -> Vec<Command> {
    // Where rustc names no host, the stage `fuzz` says so.
    host().map(|host| stage::standing_back(&build(&host))).into_iter().collect()
}

/// The stage `fuzz`: this program again, which then knows whether the run is a long one.
pub(crate) fn stage() -> Vec<Command> {
    vec![cargo(&["xtask", "fuzz"])]
}

/// Builds every target and runs each for its time.
///
/// # Errors
/// When a target does not build, or finds something: the message names the input.
pub(crate) fn run() -> Result<()> {
    let (host, log) = (host()?, stage::log_path("fuzz-build")?);
    stage::run_command(build(&host), &log, BUILD_LIMIT).with_context(|| shown(&log))?;
    let is_long = std::env::var("DRYSTONE_LONG").is_ok_and(|value| !value.is_empty() && value != "0");
    let seconds = if is_long { SECONDS_LONG } else { SECONDS };
    let waiting = Mutex::new(TARGETS.iter());
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(name) = waiting.lock().expect("nobody panics with the lock").next() else {
                        break;
                    };
                    if let Err(error) = run_one(&host, name, seconds) {
                        failures.lock().expect("nobody panics with the lock").push(format!("{error:#}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("nobody panicked with the lock");
    if failures.is_empty() { Ok(()) } else { bail!("{}", failures.join("\n")) }
}

/// Runs the target `name`, and reduces the corpus in the repository to what reaches different lines.
///
/// # Errors
/// When there is no such target, or it does not run.
pub(crate) fn reduce(name: &str) -> Result<()> {
    ensure!(TARGETS.contains(&name), "no target is called `{name}`; there are {}", TARGETS.join(", "));
    let (host, log) = (host()?, stage::log_path("fuzz-build")?);
    stage::run_command(build(&host), &log, BUILD_LIMIT).with_context(|| shown(&log))?;
    let (kept, reduced) = (kept(name), working().join("reduced").join(name));
    if reduced.exists() {
        fs::remove_dir_all(&reduced).context("empty the folder for the reduced corpus")?;
    }
    fs::create_dir_all(&reduced).context("make the folder for the reduced corpus")?;
    let mut command = Command::new(binary(&host, name));
    // Few inputs for all edges: how often an edge is taken counts for a fuzzer, not for a replay.
    command
        .args(["-set_cover_merge=1", "-use_counters=0", "-max_len=192"])
        .arg(&reduced)
        .args([&kept, &corpus(name)]);
    stage::run_command(command, &log, BUILD_LIMIT).with_context(|| shown(&log))?;
    for entry in fs::read_dir(&kept).context("list the corpus")? {
        let entry = entry.context("list the corpus")?;
        // What was written by hand has a name, and stays.
        let is_found = entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_found {
            fs::remove_file(entry.path()).context("empty the corpus")?;
        }
    }
    for entry in fs::read_dir(&reduced).context("list the reduced corpus")? {
        let entry = entry.context("list the reduced corpus")?;
        fs::copy(entry.path(), kept.join(entry.file_name())).context("copy the reduced corpus")?;
    }
    Ok(())
}

fn run_one(host: &str, name: &str, seconds: u64) -> Result<()> {
    let log = stage::log_path(&format!("fuzz-{name}"))?;
    let (corpus, found) = (corpus(name), working().join("found"));
    for folder in [&corpus, &found] {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    let mut command = Command::new(binary(host, name));
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-max_len={INPUT_BYTES_MAX}"));
    command.arg(format!("-timeout={INPUT_SECONDS_MAX}"));
    command.arg(format!("-artifact_prefix={}/{name}-", found.display()));
    command.args(["-print_final_stats=1", "-verbosity=1"]);
    // What it finds goes to the first folder; the others are read.
    command.arg(corpus).arg(kept(name));
    let limit = Duration::from_secs(seconds) + GRACE;
    stage::run_command(command, &log, limit).with_context(|| {
        format!("{}\nfuzz target {name}; repeat it with {} FILE", shown(&log), binary(host, name).display())
    })
}

fn build(host: &str) -> Command {
    // Not `--locked`: a dependency that the product takes up is taken up here too, by whoever builds this next.
    let mut command = cargo(&["build", "--release", "--target", host, "--manifest-path"]);
    command.arg(repository::root().join("fuzz/Cargo.toml")).arg("--target-dir").arg(working());
    // Flags for a named target only reach what is built for it, not the build scripts.
    command.env("RUSTFLAGS", INSTRUMENTATION);
    command
}

fn working() -> PathBuf {
    repository::target().join("fuzz")
}

/// The triple of this machine, as the compiler says it.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("ask rustc for its host")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

/// Where cargo puts a target that is built for `host`.
fn binary(host: &str, name: &str) -> PathBuf {
    working().join(host).join("release").join(name)
}

/// What runs on this machine have found interesting; git ignores it.
fn corpus(name: &str) -> PathBuf {
    working().join("corpus").join(name)
}

/// The corpus in the repository, which plain tests replay.
fn kept(name: &str) -> PathBuf {
    repository::root().join("fuzz/corpus").join(name)
}

/// The end of a log: the panic, and the input that made it.
fn shown(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(60)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_manifest_entry_a_file_and_a_corpus() {
        let manifest = fs::read_to_string(repository::root().join("fuzz/Cargo.toml")).unwrap();
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
        for name in TARGETS {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
            assert!(repository::root().join(format!("fuzz/fuzz_targets/{name}.rs")).exists(), "{name}");
            assert!(kept(name).is_dir(), "{name}");
        }
    }

    #[test]
    fn the_corpus_stays_small() {
        let bytes: u64 = TARGETS
            .iter()
            .flat_map(|name| fs::read_dir(kept(name)).unwrap())
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(bytes < 200 * 1024, "{bytes} bytes: reduce it with `cargo xtask fuzz --reduce NAME`");
    }
}
