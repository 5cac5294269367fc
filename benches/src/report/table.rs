//! The table: one line for each workload and target, medians over the runs, columns aligned.

use super::medians;
use crate::measurement::{Measurement, Unit};

/// The columns' heads; the first two are aligned left, the last one is free text.
const HEADS: [&str; 12] = [
    "workload",
    "target",
    "clients",
    "rate",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "CPU s/GB",
    "CPU s/1000",
    "peak MiB",
    "written/stored",
    "notes",
];

/// Columns that hold words.
const WORDS: usize = 2;

/// The table of `measurements`, in the order in which workloads and targets were first seen.
pub(super) fn of(measurements: &[Measurement]) -> String {
    let order = medians::order(measurements);
    let rows = order.iter().map(|(workload, target)| {
        let runs = measurements.iter().filter(|m| m.workload == *workload && m.target == *target);
        row(&runs.collect::<Vec<_>>())
    });
    let rows: Vec<Vec<String>> = std::iter::once(HEADS.map(str::to_owned).to_vec()).chain(rows).collect();
    aligned(&rows, WORDS)
}

/// Rows of cells as lines: the first `words` columns aligned left, the others right.
pub(super) fn aligned(rows: &[Vec<String>], words: usize) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    rows.iter().map(|row| line(row, &widths, words)).collect()
}

fn line(cells: &[String], widths: &[usize], words: usize) -> String {
    let mut text = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let gap = " ".repeat(width - cell.chars().count().min(*width));
        let left = column < words || (words == WORDS && column + 1 == cells.len());
        let (before, after) = if left { ("", gap.as_str()) } else { (gap.as_str(), "") };
        text.extend([before, cell, after, "  "]);
    }
    format!("{}\n", text.trim_end())
}

/// One line: the runs of one workload on one target.
fn row(runs: &[&Measurement]) -> Vec<String> {
    let Some(first) = runs.first() else { return Vec::new() };
    let median = |of: fn(&Measurement) -> Option<f64>| {
        medians::middle(runs.iter().filter_map(|run| of(run)).collect())
    };
    let cell = |of: fn(&Measurement) -> Option<f64>, digits: usize| {
        median(of).map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    vec![
        first.workload.to_owned(),
        first.target.clone(),
        first.clients.to_string(),
        with_unit(first.unit, median(|run| Some(run.rate())).unwrap_or_default()),
        cell(|run| Some(run.latency.p50_ms), 2),
        cell(|run| Some(run.latency.p99_ms), 2),
        cell(|run| Some(run.latency.p999_ms), 2),
        cell(|run| run.server_cpu_s_per_gb, 2),
        cell(|run| run.server_cpu_s_per_1000, 3),
        cell(|run| run.peak_rss_mib, 0),
        cell(|run| run.written_per_stored, 2),
        notes(runs),
    ]
}

fn notes(runs: &[&Measurement]) -> String {
    let mut notes = Vec::new();
    let errors: u64 = runs.iter().map(|run| run.errors).sum();
    if errors > 0 {
        notes.push(format!("{errors} errors"));
    }
    if runs.iter().any(|run| run.is_disturbed()) {
        notes.push("machine was busy".to_owned());
    }
    if runs.iter().any(|run| run.is_of_the_client()) {
        notes.push("client was the limit".to_owned());
    }
    let names = runs.iter().flat_map(|run| run.details.keys()).collect::<std::collections::BTreeSet<_>>();
    for name in names {
        let values = runs.iter().filter_map(|run| run.details.get(name).copied()).collect();
        notes.extend(medians::middle(values).map(|value| format!("{name} {value:.3}")));
    }
    notes.join(", ")
}

/// The rate of one measurement with its unit.
pub(super) fn rate(measurement: &Measurement) -> String {
    with_unit(measurement.unit, measurement.rate())
}

fn with_unit(unit: Unit, rate: f64) -> String {
    match unit {
        Unit::Requests => format!("{rate:.0}/s"),
        Unit::Bytes => format!("{rate:.0} MB/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::closed_loop::Tally;
    use crate::measurement::{Moves, Used, Workload};

    fn measurement(target: &str, name: &'static str, requests: usize) -> Measurement {
        let workload = Workload { name, what: "", unit: Unit::Requests, moves: Moves::Out };
        let tally = Tally { latencies_us: vec![1_000; requests], seconds: 1.0, ..Tally::default() };
        Measurement::new(
            target,
            workload,
            1,
            8,
            tally,
            Used { server: None, client_cpu_s: 0.0, other_cpu_s: 0.0 },
        )
    }

    #[test]
    fn a_workload_s_targets_stand_together_with_their_medians() {
        let table = of(&[
            measurement("here", "get", 100),
            measurement("here", "head", 7),
            measurement("there", "get", 5),
            measurement("here", "get", 900),
            measurement("here", "get", 300),
        ]);
        let lines: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().take(4).collect()).collect();
        let want = [
            vec!["workload", "target", "clients", "rate"],
            vec!["get", "here", "8", "300/s"],
            vec!["get", "there", "8", "5/s"],
            vec!["head", "here", "8", "7/s"],
        ];
        assert_eq!(lines, want);
    }

    #[test]
    fn columns_are_aligned() {
        let table = of(&[measurement("a", "get", 100_000), measurement("longer-name", "head", 7)]);
        let ends: Vec<usize> = table.lines().skip(1).map(|line| line.find("/s").unwrap()).collect();
        assert_eq!(ends.first(), ends.last(), "{table}");
        assert!(table.lines().all(|line| line == line.trim_end()));
    }
}
