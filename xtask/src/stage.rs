//! Runs one stage: a command with a time limit, its output kept in `target/xtask/STAGE.log`.
//!
//! A stage always ends. When its limit passes, the command and everything it started are killed and the stage
//! counts as failed; without that a hung client would hold the whole run. On failure the end of the log is shown,
//! so that a reader of a remote run sees the reason without the file.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{self, PollFd, PollFlags, Timespec};
use rustix::process::{self, Pid, PidfdFlags, Signal};

use crate::count::{self, Counts};
use crate::repository;

/// How many lines of a failed stage's log are shown.
const TAIL_LINES: usize = 120;

/// How long a killed process may take to end; the kernel needs milliseconds unless its disk hangs.
const ENDING_LIMIT: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// What a stage's result line counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// The stage is one check: it passed or it failed.
    Whole,
    /// The stage runs a test runner, whose own closing lines are added up.
    Tests,
}

/// A finished stage.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The stage's name.
    pub(crate) name: &'static str,
    /// What it counted.
    pub(crate) counts: Counts,
    /// How long it took.
    pub(crate) elapsed: Duration,
}

/// Runs `commands` one after the other as the stage `name`, until one fails or `limit` has passed for all of them.
///
/// # Errors
/// Only when the log cannot be written; a command that cannot be started is a failed stage.
pub(crate) fn run(
    name: &'static str,
    unit: Unit,
    limit: Duration,
    commands: Vec<Command>,
) -> Result<Outcome> {
    let start = now();
    let log = log_path(name)?;
    eprintln!("== {name}");
    let mut ok = true;
    for command in commands {
        let left = limit.saturating_sub(start.elapsed());
        if let Err(error) = run_command(command, &log, left) {
            append(&log, &format!("xtask: {error:#}\n"))?;
            ok = false;
            break;
        }
    }
    let text = String::from_utf8_lossy(&fs::read(&log).context("read the stage's log")?).into_owned();
    let whole = Counts { passed: u64::from(ok), failed: u64::from(!ok), skipped: 0 };
    let mut counts = match unit {
        Unit::Whole => whole,
        Unit::Tests => count::read(&text).unwrap_or_else(|| {
            ok = false;
            Counts::default()
        }),
    };
    // A runner that dies before its closing line has failed, whatever it counted.
    counts.failed = counts.failed.max(u64::from(!ok));
    let outcome = Outcome { name, counts, elapsed: start.elapsed() };
    if counts.failed > 0 {
        eprintln!("{}", tail(&fs::read_to_string(&log).unwrap_or(text)));
    }
    eprintln!("== {name}: {counts} in {:.1} s ({})", outcome.elapsed.as_secs_f64(), log.display());
    Ok(outcome)
}

/// Runs a function of this program as a stage; its error is the stage's failure.
///
/// # Errors
/// Only when the log cannot be written.
pub(crate) fn run_here(name: &'static str, work: impl FnOnce() -> Result<()>) -> Result<Outcome> {
    let start = now();
    let log = log_path(name)?;
    eprintln!("== {name}");
    let result = work();
    let counts = Counts { passed: u64::from(result.is_ok()), failed: u64::from(result.is_err()), skipped: 0 };
    if let Err(error) = result {
        append(&log, &format!("{error:#}\n"))?;
        eprintln!("{error:#}");
    }
    let elapsed = start.elapsed();
    eprintln!("== {name}: {counts} in {:.1} s", elapsed.as_secs_f64());
    Ok(Outcome { name, counts, elapsed })
}

/// A stage that was not started because something it needs had failed.
pub(crate) fn not_started(name: &'static str, needs: &str) -> Outcome {
    eprintln!("== {name}: not started, because `{needs}` failed");
    Outcome { name, counts: Counts { passed: 0, failed: 1, skipped: 0 }, elapsed: Duration::ZERO }
}

/// `command` with what others leave of the processors: for a stage that runs beside one whose tests have limits.
pub(crate) fn standing_back(command: &Command) -> Command {
    let mut nice = Command::new("nice");
    nice.args(["-n", "19"]).arg(command.get_program()).args(command.get_args());
    nice.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        nice.current_dir(folder);
    }
    nice
}

/// Runs one command to its end with its output appended to `log`.
///
/// # Errors
/// When it cannot be started, ends with another code than 0, or `limit` passes.
pub(crate) fn run_command(mut command: Command, log: &Path, limit: Duration) -> Result<()> {
    append(log, &format!("$ {command:?}\n"))?;
    let output = File::options().create(true).append(true).open(log).context("open the stage's log")?;
    let errors = output.try_clone().context("open the stage's log")?;
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .with_context(|| format!("start {program}: is it installed?"))?;
    let status = wait(child, limit).with_context(|| format!("run {program}"))?;
    anyhow::ensure!(status.success(), "{program} ended with {status}");
    Ok(())
}

/// Waits for `child` at most `limit`, then kills it with everything that it started.
fn wait(mut child: Child, limit: Duration) -> Result<ExitStatus> {
    let id = child.id();
    let (ended, end) = sync_channel(1);
    let waiter = thread::spawn(move || {
        // The receiver is gone only when this program is ending too.
        let _ = ended.send(child.wait());
    });
    let result = match end.recv_timeout(limit) {
        Ok(status) => status.context("wait for it"),
        Err(RecvTimeoutError::Timeout) => {
            kill_with_descendants(id);
            let _ = end.recv();
            Err(anyhow::anyhow!("it did not end within {} s and was killed", limit.as_secs()))
        }
        Err(RecvTimeoutError::Disconnected) => Err(anyhow::anyhow!("nobody waited for it")),
    };
    waiter.join().map_err(|_| anyhow::anyhow!("the thread that waited for it panicked"))?;
    result
}

/// Kills a process and all its descendants, parents first so that none of them starts another, and waits until they
/// have ended: a signal is only asked for when the call returns.
fn kill_with_descendants(id: u32) {
    let mut doomed = Vec::new();
    let mut found = VecDeque::from([id]);
    while let Some(parent) = found.pop_front() {
        let Some(process) = open(parent) else { continue };
        // An error here and below: it has ended by itself.
        let _ = process::pidfd_send_signal(&process, Signal::STOP);
        found.extend(children(parent));
        doomed.push(process);
    }
    for process in &doomed {
        let _ = process::pidfd_send_signal(process, Signal::KILL);
    }
    for process in &doomed {
        // A process that has ended is readable, whether its parent has asked for its status or not.
        let _ = event::poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&ENDING_LIMIT));
    }
}

/// A handle of a process, which stays that process's when its number is used again; `None` when it has ended.
fn open(id: u32) -> Option<OwnedFd> {
    let id = Pid::from_raw(i32::try_from(id).ok()?)?;
    process::pidfd_open(id, PidfdFlags::empty()).ok()
}

/// The processes whose parent is `parent`, from `/proc`.
fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    ids.filter(|id| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // pid (name) state parent …: the name may hold spaces and brackets, so read after the last one.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        after_name.split_whitespace().nth(1).and_then(|field| field.parse().ok()) == Some(parent)
    })
    .collect()
}

/// The stage's log, emptied.
pub(crate) fn log_path(name: &str) -> Result<PathBuf> {
    let folder = repository::target().join("xtask");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let log = folder.join(format!("{name}.log"));
    fs::write(&log, "").with_context(|| format!("empty {}", log.display()))?;
    Ok(log)
}

/// Adds `text` to the end of `log`.
fn append(log: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    let mut file = File::options().create(true).append(true).open(log).context("open the stage's log")?;
    file.write_all(text.as_bytes()).context("write the stage's log")
}

/// The last lines of a log.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(TAIL_LINES);
    lines.get(first..).unwrap_or_default().join("\n")
}

/// The moment a stage or a run starts.
#[expect(clippy::disallowed_methods, reason = "this program times its own stages; no test depends on it")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<Command> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        vec![command]
    }

    #[test]
    fn a_stage_that_outlives_its_limit_is_killed_with_its_children() {
        let limit = Duration::from_millis(300);
        let outcome =
            run("test-killed", Unit::Whole, limit, shell("sleep 600 & echo child $!; wait")).unwrap();
        assert_eq!(outcome.counts.failed, 1);
        let log = fs::read_to_string(repository::target().join("xtask/test-killed.log")).unwrap();
        let child =
            log.lines().find_map(|line| line.strip_prefix("child ")).expect("the child printed its id");
        let state = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "the stage's child still runs: {state}");
    }

    #[test]
    fn what_stands_back_is_the_same_command_with_the_lowest_priority() {
        let mut command = Command::new("sh");
        command.args(["-c", "test $(nice) = 19 && test \"$GIVEN\" = word && test $PWD = /"]);
        command.env("GIVEN", "word").current_dir("/");
        let limit = Duration::from_mins(1);
        let back = run("test-back", Unit::Whole, limit, vec![standing_back(&command)]).unwrap();
        let usual = run("test-usual", Unit::Whole, limit, vec![command]).unwrap();
        // Whoever runs the tests may stand back already.
        let mine = Command::new("nice").output().unwrap().stdout;
        assert_eq!((back.counts.passed, usual.counts.passed), (1, u64::from(mine == b"19\n")));
    }

    #[test]
    fn a_stage_that_runs_no_test_has_failed() {
        let outcome = run("test-empty", Unit::Tests, Duration::from_mins(1), shell("echo hello")).unwrap();
        assert_eq!((outcome.counts.passed, outcome.counts.failed), (0, 1));
    }

    #[test]
    fn a_runner_that_dies_after_counting_has_failed() {
        let commands = shell("echo '3 passed in 1s'; exit 3");
        let outcome = run("test-dies", Unit::Tests, Duration::from_mins(1), commands).unwrap();
        assert_eq!((outcome.counts.passed, outcome.counts.failed), (3, 1));
    }

    #[test]
    fn the_tail_is_the_end_of_the_log() {
        let text = (0..500).map(|line| line.to_string()).collect::<Vec<_>>().join("\n");
        let shown = tail(&text);
        assert!(shown.starts_with("380\n") && shown.ends_with("499"), "{shown}");
    }
}
