//! Where a server's time goes while a workload is measured: `perf` samples its stacks, a flamegraph shows them.
//!
//! Sampled is what is measured and nothing before it: a [`Sampling`] begins and ends with a workload's watch. Stacks
//! are unwound by the tables that every build has, so that the very program is sampled that is released; frame
//! pointers would need another one. Where the machine hides its hardware counters, as most virtual ones do, the
//! processor's clock takes their place.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use inferno::collapse::Collapse;
use inferno::collapse::perf::Folder;
use inferno::flamegraph::color::{MultiPalette, Palette};
use inferno::flamegraph::{self, Options};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::report::talk;

/// Samples per second of CPU time: not a multiple of anything that happens by the clock.
const SAMPLES_A_SECOND: &str = "499";

/// Stack kept with each sample, in bytes, the most that perf takes: futures are large, and of 16 KiB a third of the
/// stacks had no beginning, of 64 KiB a thirtieth. 499 samples a second are 33 MB a second for each processor.
const STACK: &str = "dwarf,65528";

/// What may be sampled, the better first.
const EVENTS: [&str; 2] = ["cycles", "cpu-clock"];

/// The file of the first, empty sampling.
const PROBE: &str = "probe";

/// What of a sample is read; without its period, so that samples are counted.
const FIELDS: &str = "comm,pid,tid,time,event,ip,sym,dso";

/// How many functions the text shows.
const SHOWN: usize = 25;

/// Samples a server's processes with `perf`.
#[derive(Debug)]
pub struct Sampler {
    event: String,
    folder: TempDir,
    /// Where each sampling put what it saw.
    seen: RefCell<Vec<PathBuf>>,
}

/// Processes that are being sampled, until it is dropped.
#[derive(Debug)]
pub struct Sampling(Child);

/// Stacks, and how often each was met.
#[derive(Debug, PartialEq, Eq)]
pub struct Stacks {
    /// One stack a line, outermost function first, in the form of `stackcollapse`.
    folded: String,
    /// What was sampled.
    event: String,
}

impl Sampler {
    /// Looks for `perf` and for what it can count here; samples are kept in `scratch` until the end.
    ///
    /// # Errors
    /// There is no `perf`, or it may not sample; the message says what to do.
    pub fn find(scratch: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("drystone-flamegraph-").tempdir_in(scratch);
        let folder = folder.with_context(|| format!("make a folder in {}", scratch.display()))?;
        let mut refusal = String::new();
        for event in EVENTS {
            let mut probe = Command::new("perf");
            probe.args(["record", "--quiet", "--event", event, "--output"]);
            probe.arg(folder.path().join(PROBE)).args(["--", "true"]);
            match probe.output() {
                Ok(output) if output.status.success() => {
                    let event = event_of(&folder.path().join(PROBE))?;
                    return Ok(Self { event, folder, seen: RefCell::default() });
                }
                Ok(output) => refusal = String::from_utf8_lossy(&output.stderr).into_owned(),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    bail!("there is no perf: install Debian's package linux-perf")
                }
                Err(error) => return Err(error).context("start perf"),
            }
        }
        bail!(
            "perf may not sample here: run as root, or lower kernel.perf_event_paranoid\n{}",
            refusal.trim()
        )
    }

    /// Samples `pids` until the result is dropped.
    pub(crate) fn sample(&self, pids: &[u32]) -> Option<Sampling> {
        if pids.is_empty() {
            talk("nothing is sampled: the target's pids are not known");
            return None;
        }
        let mut seen = self.seen.borrow_mut();
        let output = self.folder.path().join(format!("{}.perf", seen.len()));
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        let mut perf = Command::new("perf");
        perf.args(["record", "--quiet", "--event", &self.event, "--freq", SAMPLES_A_SECOND]);
        perf.args(["--call-graph", STACK, "--pid", &pids.join(","), "--output"]).arg(&output);
        match perf.stdin(Stdio::null()).stdout(Stdio::null()).spawn() {
            Ok(child) => {
                seen.push(output);
                Some(Sampling(child))
            }
            Err(error) => {
                talk(&format!("nothing is sampled: perf cannot be started: {error}"));
                None
            }
        }
    }

    /// All stacks that were sampled.
    ///
    /// # Errors
    /// Nothing was sampled, or it cannot be read.
    pub fn stacks(&self) -> Result<Stacks> {
        let seen = self.seen.borrow();
        let mut folded = String::new();
        for path in &*seen {
            let script = path.with_extension("script");
            let mut perf = Command::new("perf");
            // Without inlined functions: to find them takes minutes, and their time shows in those they are part of.
            perf.args(["script", "--no-inline", "--force", "--fields", FIELDS, "--input"]).arg(path);
            let output = File::create(&script).context("make a file for perf's samples")?;
            let errors = path.with_extension("errors");
            perf.stdin(Stdio::null())
                .stdout(output)
                .stderr(File::create(&errors).context("make a log for perf")?);
            let status = perf.status().context("start perf script")?;
            let said = || String::from_utf8_lossy(&fs::read(&errors).unwrap_or_default()).into_owned();
            ensure!(status.success(), "perf script ended with {status}: {}", said());
            let mut lines = Vec::new();
            let script = BufReader::new(File::open(&script).context("open perf's samples")?);
            Folder::default().collapse(script, &mut lines).context("read perf's samples")?;
            folded.push_str(&String::from_utf8_lossy(&lines));
        }
        ensure!(!folded.is_empty(), "perf saw nothing: was the server busy, and for long enough?");
        Ok(Stacks { folded: demangled(&folded), event: self.event.clone() })
    }
}

impl Drop for Sampling {
    fn drop(&mut self) {
        // It writes what it has when it is interrupted; when it has ended already, it said why.
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::INT);
        }
        let _ = self.0.wait();
    }
}

impl Stacks {
    /// The flamegraph, as SVG.
    ///
    /// # Errors
    /// It cannot be drawn.
    pub fn svg(&self, workload: &str) -> Result<Vec<u8>> {
        let mut options = Options::default();
        options.title = format!("drystone, {workload}");
        options.subtitle = Some(format!("{} at {SAMPLES_A_SECOND} Hz", self.event));
        options.colors = Palette::Multi(MultiPalette::Rust);
        let mut svg = Vec::new();
        flamegraph::from_lines(&mut options, self.folded.lines(), &mut svg).context("draw the flamegraph")?;
        Ok(svg)
    }

    /// The functions in which most time was spent, without what they called.
    pub fn hottest(&self) -> String {
        let mut own: HashMap<&str, u64> = HashMap::new();
        for (stack, count) in self.folded.lines().filter_map(counted) {
            *own.entry(stack.rsplit(';').next().unwrap_or(stack)).or_default() += count;
        }
        let total = own.values().sum::<u64>().max(1);
        let mut own: Vec<(&str, u64)> = own.into_iter().collect();
        own.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let mut text = format!("{:>8}  function, of {total} samples ({})\n", "self", self.event);
        for (function, count) in own.into_iter().take(SHOWN) {
            let tenths = count * 1_000 / total;
            writeln!(text, "{:>6}.{} %  {function}", tenths / 10, tenths % 10)
                .expect("a String takes every write");
        }
        text
    }
}

/// What was sampled in the file `samples`: perf takes another event than it was asked for where there is none.
fn event_of(samples: &Path) -> Result<String> {
    let output = Command::new("perf").args(["evlist", "--input"]).arg(samples).output();
    let output = output.context("start perf evlist")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let event = text.split_whitespace().next().context("perf evlist names no event")?;
    Ok(event.to_owned())
}

/// A line's stack and how often it was met.
fn counted(line: &str) -> Option<(&str, u64)> {
    let (stack, count) = line.rsplit_once(' ')?;
    Some((stack, count.parse().ok()?))
}

/// The stacks with functions named as in the source, whatever perf was built with.
fn demangled(folded: &str) -> String {
    let line = |line: &str| {
        let (stack, count) = line.rsplit_once(' ').unwrap_or((line, ""));
        let names = stack.split(';').map(|name| format!("{:#}", rustc_demangle::demangle(name)));
        format!("{} {count}\n", names.collect::<Vec<_>>().join(";"))
    };
    folded.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stacks() -> Stacks {
        let folded =
            "worker;poll;_ZN4core3fmt5write17h0123456789abcdefE 30\nworker;poll;hash 60\nlane;hash 10\n";
        Stacks { folded: demangled(folded), event: "cpu-clock".to_owned() }
    }

    #[test]
    fn functions_are_shown_by_their_own_time_over_all_threads() {
        let text = stacks().hottest();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(lines.get(1..).unwrap(), ["70.0 %  hash", "30.0 %  core::fmt::write"], "{text}");
    }

    #[test]
    fn a_flamegraph_names_workload_and_functions() {
        let svg = String::from_utf8(stacks().svg("put4k").unwrap()).unwrap();
        for part in ["<svg", "drystone, put4k", "cpu-clock", "core::fmt::write"] {
            assert!(svg.contains(part), "{part} is not in {svg}");
        }
    }
}
