//! What is told: JSON lines for programs, aligned tables and a plot for people, progress on standard error.
//!
//! JSON is written as it is measured, so that an interrupted run is not lost; each line has a `kind`:
//! `machine`, `measurement` or `failure`. The table comes at the end and shows medians over the runs.
#![expect(clippy::print_stderr, reason = "a command-line tool: it talks on standard error")]

mod progress;
mod medians;
mod table;
mod ratios;
mod plot;

use std::io::Write;

use serde::Serialize;

pub use self::progress::Progress;

use crate::machine::Machine;
use crate::measurement::Measurement;

/// Says something to whoever waits for the results.
pub fn talk(text: &str) {
    eprintln!("{text}");
}

/// A line of JSON.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line<'a> {
    Machine(&'a Machine),
    Measurement(&'a Measurement),
    Failure { target: &'a str, run: u32, failure: &'a str },
}

/// Everything that was measured so far.
pub struct Report {
    json: Option<Box<dyn Write>>,
    machine: Option<Machine>,
    measurements: Vec<Measurement>,
    failures: usize,
    unwritten: Option<std::io::Error>,
}

impl Report {
    /// A report that also writes JSON lines to `json`.
    pub fn new(json: Option<Box<dyn Write>>) -> Self {
        Self { json, machine: None, measurements: Vec::new(), failures: 0, unwritten: None }
    }

    /// Notes the machine.
    pub fn machine(&mut self, machine: &Machine) {
        self.write(&Line::Machine(machine));
        self.machine = Some(machine.clone());
    }

    /// Adds a measurement and says so.
    pub fn add(&mut self, measurement: Measurement) {
        self.write(&Line::Measurement(&measurement));
        talk(&format!(
            "  {} {}: {}{}",
            measurement.target,
            measurement.workload,
            table::rate(&measurement),
            if measurement.errors > 0 { format!(", {} errors", measurement.errors) } else { String::new() }
        ));
        self.measurements.push(measurement);
    }

    /// Adds a workload that could not be measured and says so.
    pub fn fail(&mut self, target: &str, run: u32, failure: &str) {
        self.write(&Line::Failure { target, run, failure });
        talk(&format!("  {target}: {failure}"));
        self.failures += 1;
    }

    /// What was measured.
    pub fn measurements(&self) -> &[Measurement] {
        &self.measurements
    }

    /// Whether everything was measured, and no request failed.
    pub fn is_clean(&self) -> bool {
        self.failures == 0 && self.measurements.iter().all(|measurement| measurement.errors == 0)
    }

    /// The table of everything, medians over the runs; then the first target against the others.
    pub fn table(&self) -> String {
        let ratios = ratios::of(&medians::of(&self.measurements));
        format!("{}{ratios}", table::of(&self.measurements))
    }

    /// The same as a picture: a panel for each workload, a bar for each target.
    ///
    /// # Errors
    /// It cannot be drawn; nothing was measured.
    pub fn plot(&self) -> anyhow::Result<String> {
        plot::of(&medians::of(&self.measurements), self.machine.as_ref())
    }

    /// Ends the JSON.
    ///
    /// # Errors
    /// The first line that could not be written.
    pub fn finish(&mut self) -> std::io::Result<()> {
        match self.unwritten.take() {
            Some(error) => Err(error),
            None => self.json.as_mut().map_or(Ok(()), Write::flush),
        }
    }

    fn write(&mut self, line: &Line<'_>) {
        let Some(json) = &mut self.json else { return };
        let written = serde_json::to_writer(&mut *json, line).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|()| json.write_all(b"\n")).and_then(|()| json.flush()) {
            self.unwritten.get_or_insert(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::closed_loop::Tally;
    use crate::measurement::{Moves, Unit, Used, Workload};

    /// A file that a test can read back.
    #[derive(Clone, Default)]
    struct Kept(Rc<RefCell<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn measurement(errors: u64) -> Measurement {
        let workload = Workload { name: "put", what: "", unit: Unit::Requests, moves: Moves::Out };
        let tally = Tally { latencies_us: vec![2_000], errors, seconds: 1.0, ..Tally::default() };
        let used = Used { server: None, client_cpu_s: 0.0, other_cpu_s: 0.0 };
        Measurement::new("a", workload, 1, 1, tally, used).with("create_ms", 1.5)
    }

    #[test]
    fn each_line_is_an_object_with_a_kind() {
        let kept = Kept::default();
        let mut report = Report::new(Some(Box::new(kept.clone())));
        report.add(measurement(0));
        report.fail("a", 1, "it broke");
        report.finish().unwrap();
        let text = String::from_utf8(kept.0.borrow().clone()).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["kind"], &lines[0]["p50_ms"]), (&"measurement".into(), &2.0.into()));
        assert_eq!((&lines[0]["details"]["create_ms"], &lines[0]["server_cpu_s"]), (&1.5.into(), &().into()));
        assert_eq!((&lines[1]["kind"], &lines[1]["failure"]), (&"failure".into(), &"it broke".into()));
    }

    #[test]
    fn an_error_or_a_failure_is_not_clean() {
        let mut report = Report::new(None);
        report.add(measurement(0));
        assert!(report.is_clean());
        report.add(measurement(1));
        assert!(!report.is_clean());
        let mut report = Report::new(None);
        report.fail("a", 1, "it broke");
        assert!(!report.is_clean());
    }
}
