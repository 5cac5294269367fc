//! What ratios and plots are made of: of each workload on each target the middle of all runs.

use crate::measurement::{Measurement, Unit};

/// One workload on one target.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Median<'a> {
    pub(super) workload: &'a str,
    /// What it does, in a few words.
    pub(super) what: &'a str,
    pub(super) target: &'a str,
    pub(super) clients: usize,
    pub(super) unit: Unit,
    /// Requests or MB a second.
    pub(super) rate: f64,
    /// CPU seconds of the server: for a GB where bytes are counted, else for 1,000 requests.
    pub(super) cpu: Option<f64>,
}

/// Each workload on each target, in the order in which workloads were first seen, and targets within them.
pub(super) fn order(measurements: &[Measurement]) -> Vec<(&str, &str)> {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for measurement in measurements {
        let name = (measurement.workload, measurement.target.as_str());
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    // Targets of one workload stand together, so that they can be compared.
    let mut order = seen.clone();
    order.sort_by_key(|(workload, _)| seen.iter().position(|(name, _)| name == workload));
    order
}

/// The medians of `measurements`, in that order.
pub(super) fn of(measurements: &[Measurement]) -> Vec<Median<'_>> {
    let median = |(workload, target): (&str, &str)| {
        let runs = || measurements.iter().filter(|run| run.workload == workload && run.target == target);
        let first = runs().next()?;
        let cpu = |run: &Measurement| match run.unit {
            Unit::Bytes => run.server_cpu_s_per_gb,
            Unit::Requests => run.server_cpu_s_per_1000,
        };
        Some(Median {
            workload: first.workload,
            what: first.what,
            target: &first.target,
            clients: first.clients,
            unit: first.unit,
            rate: middle(runs().map(Measurement::rate).collect())?,
            cpu: middle(runs().filter_map(cpu).collect()),
        })
    };
    order(measurements).into_iter().filter_map(median).collect()
}

/// The targets, in the order in which they were first seen.
pub(super) fn targets<'a>(medians: &[Median<'a>]) -> Vec<&'a str> {
    let mut targets = Vec::new();
    for median in medians {
        if !targets.contains(&median.target) {
            targets.push(median.target);
        }
    }
    targets
}

/// The workloads, in order.
pub(super) fn workloads<'a>(medians: &[Median<'a>]) -> Vec<&'a str> {
    let mut workloads: Vec<&str> = medians.iter().map(|median| median.workload).collect();
    workloads.dedup();
    workloads
}

/// The middle value, or the mean of the two in the middle.
pub(super) fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        Some(upper)
    } else {
        values.get(middle - 1).map(|lower| f64::midpoint(*lower, upper))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(middle(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(middle(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(middle(Vec::new()), None);
    }
}
