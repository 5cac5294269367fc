//! One measured workload, in the units that reports use.
//!
//! GB and MB are powers of ten, MiB and KiB powers of two. A figure that could not be seen (no process
//! id given, nothing stored) is absent rather than 0.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::closed_loop::Tally;
use crate::latency::Percentiles;
use crate::process::Reading;

/// What a workload's rate is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Requests a second.
    Requests,
    /// Megabytes a second.
    Bytes,
}

/// Whether a workload stores what it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// It stores body bytes.
    In,
    /// It reads them, or moves none.
    Out,
}

/// A workload's name and how it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its name, as `--only` takes it.
    pub name: &'static str,
    /// What it does, in a few words.
    pub what: &'static str,
    /// What its rate is counted in.
    pub unit: Unit,
    /// Whether it stores.
    pub moves: Moves,
}

/// What a server used while a workload ran, and what others used.
#[derive(Clone, Debug)]
pub struct Used {
    /// The server; `None` when its processes are not known.
    pub server: Option<Reading>,
    /// CPU seconds of the load generator.
    pub client_cpu_s: f64,
    /// CPU seconds of everything else on the machine.
    pub other_cpu_s: f64,
}

/// One measured workload.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// The target's name.
    pub target: String,
    /// The workload's name.
    pub workload: &'static str,
    /// What it does, in a few words.
    #[serde(skip)]
    pub what: &'static str,
    /// Which run it was, counted from 1.
    pub run: u32,
    /// Clients at once.
    pub clients: usize,
    /// How long it took.
    pub seconds: f64,
    /// Requests that succeeded.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// What the rate is counted in.
    pub unit: Unit,
    /// Requests that succeeded a second.
    pub requests_per_s: f64,
    /// Body bytes a second, in MB.
    pub mb_per_s: f64,
    /// How long requests took.
    #[serde(flatten)]
    pub latency: Percentiles,
    /// CPU seconds of the server.
    pub server_cpu_s: Option<f64>,
    /// Those of them outside of the kernel.
    pub server_user_s: Option<f64>,
    /// CPU seconds of the server for each GB of bodies.
    pub server_cpu_s_per_gb: Option<f64>,
    /// CPU seconds of the server for each 1,000 requests.
    pub server_cpu_s_per_1000: Option<f64>,
    /// CPU seconds of the server by name of its threads.
    pub server_threads_s: Option<BTreeMap<String, f64>>,
    /// Most memory that the server held, in MiB.
    pub peak_rss_mib: Option<f64>,
    /// Bytes that the server wrote for each byte stored.
    pub written_per_stored: Option<f64>,
    /// CPU seconds of the load generator.
    pub client_cpu_s: f64,
    /// CPU seconds of everything else on the machine: much of it makes the figure worthless.
    pub other_cpu_s: f64,
    /// What only this workload can tell, each with its unit in its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<&'static str, f64>,
}

impl Measurement {
    /// Works out the figures.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn new(target: &str, workload: Workload, run: u32, clients: usize, tally: Tally, used: Used) -> Self {
        let requests = tally.latencies_us.len() as u64;
        let bytes = tally.bytes as f64;
        let seconds = tally.seconds.max(f64::MIN_POSITIVE);
        let cpu_s = used.server.as_ref().map(|server| server.cpu_s);
        let per = |amount: f64| cpu_s.filter(|_| amount > 0.0).map(|cpu_s| cpu_s / amount);
        let stored = (workload.moves == Moves::In && tally.bytes > 0).then_some(bytes);
        let written = used.server.as_ref().map(|server| server.written_bytes as f64);
        Self {
            target: target.to_owned(),
            workload: workload.name,
            what: workload.what,
            run,
            clients,
            seconds: tally.seconds,
            requests,
            errors: tally.errors,
            unit: workload.unit,
            requests_per_s: requests as f64 / seconds,
            mb_per_s: bytes / 1e6 / seconds,
            latency: Percentiles::of(tally.latencies_us),
            server_cpu_s: cpu_s,
            server_user_s: used.server.as_ref().map(|server| server.user_s),
            server_cpu_s_per_gb: per(bytes / 1e9),
            server_cpu_s_per_1000: per(requests as f64 / 1e3),
            peak_rss_mib: used.server.as_ref().map(|server| server.peak_rss_bytes as f64 / 1_048_576.0),
            written_per_stored: written.zip(stored).map(|(written, stored)| written / stored),
            server_threads_s: used.server.map(|server| server.threads_s),
            client_cpu_s: used.client_cpu_s,
            other_cpu_s: used.other_cpu_s,
            details: BTreeMap::new(),
        }
    }

    /// Adds what only this workload can tell.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: f64) -> Self {
        self.details.insert(name, value);
        self
    }

    /// Adds the CPU time that the server took for each of `count` things, in microseconds, where it is known.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn with_cpu_us_per(self, name: &'static str, count: u64) -> Self {
        match self.server_cpu_s {
            Some(cpu_s) if count > 0 => self.with(name, cpu_s * 1e6 / count as f64),
            _ => self,
        }
    }

    /// The rate in the workload's unit: requests or MB a second.
    pub fn rate(&self) -> f64 {
        match self.unit {
            Unit::Requests => self.requests_per_s,
            Unit::Bytes => self.mb_per_s,
        }
    }

    /// Whether the load generator had no time left: then a faster server would have looked just as fast.
    pub fn is_of_the_client(&self) -> bool {
        /// Share of its one core from which on it is the limit.
        const BUSY: f64 = 0.9;
        self.client_cpu_s > BUSY * self.seconds.max(0.05)
    }

    /// Whether others used so much of the machine that the figure should be taken again.
    pub fn is_disturbed(&self) -> bool {
        /// Share of one core that others may use: the kernel's threads, which write the server's dirty
        /// pages, and what a quiet machine does for itself.
        const OTHERS_MAX: f64 = 0.3;
        self.other_cpu_s > OTHERS_MAX * self.seconds.max(0.05)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUT: Workload = Workload { name: "put", what: "", unit: Unit::Bytes, moves: Moves::In };

    fn tally() -> Tally {
        Tally { latencies_us: vec![1_000; 500], bytes: 2_000_000_000, errors: 1, started: 501, seconds: 4.0 }
    }

    fn used(server: Option<Reading>) -> Used {
        Used { server, client_cpu_s: 1.0, other_cpu_s: 0.1 }
    }

    #[test]
    fn figures_have_the_units_they_say() {
        let server = Reading { cpu_s: 4.0, user_s: 3.0, written_bytes: 5_000_000_000, ..Reading::default() };
        let put = Measurement::new("a", PUT, 1, 8, tally(), used(Some(server)));
        assert_eq!((put.requests_per_s, put.mb_per_s, put.rate()), (125.0, 500.0, 500.0));
        assert_eq!(put.server_cpu_s_per_gb, Some(2.0));
        assert_eq!(put.server_cpu_s_per_1000, Some(8.0));
        assert_eq!(put.written_per_stored, Some(2.5));
        assert_eq!((put.requests, put.errors), (500, 1));
    }

    #[test]
    fn what_was_not_seen_is_absent() {
        let put = Measurement::new("a", PUT, 1, 8, tally(), used(None));
        assert_eq!((put.server_cpu_s, put.peak_rss_mib, put.written_per_stored), (None, None, None));
        let get = Workload { moves: Moves::Out, ..PUT };
        let get = Measurement::new("a", get, 1, 8, tally(), used(Some(Reading::default())));
        assert_eq!(get.written_per_stored, None);
    }

    #[test]
    fn a_client_without_time_to_spare_is_told() {
        let spare = Measurement::new("a", PUT, 1, 8, tally(), used(None));
        let busy = Used { client_cpu_s: 3.9, ..used(None) };
        let busy = Measurement::new("a", PUT, 1, 8, tally(), busy);
        assert_eq!((spare.is_of_the_client(), busy.is_of_the_client()), (false, true));
    }

    #[test]
    fn a_busy_machine_is_told() {
        let quiet = Measurement::new("a", PUT, 1, 8, tally(), used(None));
        let busy = Used { other_cpu_s: 4.0, ..used(None) };
        let busy = Measurement::new("a", PUT, 1, 8, tally(), busy);
        assert_eq!((quiet.is_disturbed(), busy.is_disturbed()), (false, true));
    }
}
