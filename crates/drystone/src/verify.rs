//! `drystone verify`: prove that a stopped server's data is whole.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use drystone_core::reclaim::verify::Report;
use drystone_core::store::{Parts, Store};
use drystone_store::world::{SystemClock, SystemEntropy};
use drystone_store::{OpenOptions, open};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::args::{AuditOutput, LogFormat, VerifyArgs};
use crate::log;

/// The report as JSON shows it.
#[derive(Serialize)]
struct Shown<'a> {
    clean: bool,
    buckets: u64,
    objects: u64,
    uploads: u64,
    parts: u64,
    abort_jobs: u64,
    live_bytes: u64,
    in_progress_bytes: u64,
    reclaimable_bytes: u64,
    orphaned_bytes: u64,
    small_bytes: u64,
    checked_bytes: u64,
    problem_count: u64,
    problems: &'a [String],
    notes: &'a [String],
}

/// Verifies and prints the report.
///
/// # Errors
/// When the data cannot be opened or walked.
pub(crate) fn run(args: &VerifyArgs) -> Result<ExitCode> {
    log::start(LogFormat::Text, "warn", AuditOutput::Off)?;
    // A wrong path must not leave a new data directory behind.
    ensure!(
        args.data.is_dir(),
        "{} is no directory; name the data directory with --data DIR",
        args.data.display()
    );
    let opened = open(OpenOptions::new(&args.data))?;
    let store = Store::new(Parts {
        meta: opened.meta(),
        data: opened.data(),
        clock: Arc::new(SystemClock::new()),
        entropy: Arc::new(SystemEntropy),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().context("start the runtime")?;
    // Hidden by itself where standard error is no terminal.
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {bytes} checked, {bytes_per_sec}")
            .context("show progress")?,
    );
    let report = runtime.block_on(store.verify(&|bytes| bar.set_position(bytes)));
    bar.finish_and_clear();
    drop(store);
    opened.close()?;
    let report = report.context("verify")?;
    let text = if args.json { json(&report)? } else { table(&report) };
    log::print(&text).context("print the report")?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn json(report: &Report) -> Result<String> {
    let shown = Shown {
        clean: report.is_clean(),
        buckets: report.buckets,
        objects: report.objects,
        uploads: report.uploads,
        parts: report.parts,
        abort_jobs: report.abort_jobs,
        live_bytes: report.live_bytes,
        in_progress_bytes: report.in_progress_bytes,
        reclaimable_bytes: report.reclaimable_bytes,
        orphaned_bytes: report.orphaned_bytes,
        small_bytes: report.small_bytes,
        checked_bytes: report.checked_bytes,
        problem_count: report.problem_count,
        problems: &report.problems,
        notes: &report.notes,
    };
    Ok(serde_json::to_string(&shown).context("write the report down")? + "\n")
}

fn table(report: &Report) -> String {
    let mut text = String::new();
    let rows = [
        ("buckets", report.buckets),
        ("objects", report.objects),
        ("uploads in progress", report.uploads),
        ("their parts", report.parts),
        ("abort jobs", report.abort_jobs),
        ("live bytes", report.live_bytes),
        ("in-progress bytes", report.in_progress_bytes),
        ("reclaimable bytes", report.reclaimable_bytes),
        ("orphaned bytes", report.orphaned_bytes),
        ("small-body bytes", report.small_bytes),
        ("bytes checked", report.checked_bytes),
        ("problems", report.problem_count),
    ];
    for (name, value) in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<20} {value:>20}");
    }
    for problem in &report.problems {
        let _ = writeln!(text, "problem: {problem}");
    }
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text.push_str(if report.is_clean() {
        "Every byte is whole and has an owner.\n"
    } else {
        "Something is wrong: see the problems above. Nothing was changed.\n"
    });
    text
}
