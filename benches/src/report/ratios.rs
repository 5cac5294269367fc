//! The first target against each other one, workload by workload: what goals are written in.

use super::medians::{self, Median};
use super::table;

/// Two tables in one: rates of the first target divided by those of the others, and the same of CPU time. Empty
/// when there is only one target.
pub(super) fn of(medians: &[Median<'_>]) -> String {
    let targets = medians::targets(medians);
    let Some((ours, others)) = targets.split_first().filter(|(_, others)| !others.is_empty()) else {
        return String::new();
    };
    let mut heads = vec!["workload".to_owned()];
    heads.extend(others.iter().map(|other| format!("rate/{other}")));
    heads.extend(others.iter().map(|other| format!("CPU/{other}")));
    let mut rows = vec![heads];
    for workload in medians::workloads(medians) {
        let of = |target: &str| {
            medians.iter().find(|median| median.workload == workload && median.target == target)
        };
        let Some(ours) = of(ours) else { continue };
        let mut row = vec![workload.to_owned()];
        let ratio = |ours: Option<f64>, other: Option<f64>| match (ours, other) {
            (Some(ours), Some(other)) if other > 0.0 => told(ours / other),
            _ => "-".to_owned(),
        };
        row.extend(others.iter().map(|other| ratio(Some(ours.rate), of(other).map(|other| other.rate))));
        row.extend(others.iter().map(|other| ratio(ours.cpu, of(other).and_then(|other| other.cpu))));
        if row.iter().skip(1).any(|cell| cell != "-") {
            rows.push(row);
        }
    }
    format!(
        "\n{ours} against the others: how many times their rate, and what share of their CPU time for the same \
         work\n{}",
        table::aligned(&rows, 1)
    )
}

fn told(ratio: f64) -> String {
    if ratio >= 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::Unit;

    fn median(workload: &'static str, target: &'static str, rate: f64, cpu: Option<f64>) -> Median<'static> {
        Median { workload, what: "", target, clients: 1, unit: Unit::Requests, rate, cpu }
    }

    #[test]
    fn the_first_target_is_held_against_the_others() {
        let ratios = of(&[
            median("get", "ours", 300.0, Some(0.1)),
            median("get", "nginx", 600.0, Some(0.4)),
            median("get", "garage", 10.0, None),
            median("list", "ours", 50.0, Some(1.0)),
            median("list", "garage", 20.0, Some(0.5)),
        ]);
        let rows: Vec<Vec<&str>> =
            ratios.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
        let want = [
            vec!["workload", "rate/nginx", "rate/garage", "CPU/nginx", "CPU/garage"],
            vec!["get", "0.50", "30.0", "0.25", "-"],
            vec!["list", "-", "2.50", "-", "2.00"],
        ];
        assert_eq!(rows, want);
    }

    #[test]
    fn one_target_has_no_ratio() {
        assert_eq!(of(&[median("get", "ours", 300.0, None)]), "");
    }
}
