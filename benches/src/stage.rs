//! Where a scenario plays: one target, how much of everything, and where results go.

use std::cell::RefCell;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::client::Client;
use crate::clock;
use crate::closed_loop::{self, Bounds, Tally};
use crate::failure::Failure;
use crate::flamegraph::{Sampler, Sampling};
use crate::measurement::{Measurement, Used, Workload};
use crate::process::{self, Processes, Reading};
use crate::profile::Profile;
use crate::report::Report;
use crate::server::Server;
use crate::target::Target;

/// Which workloads are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// If not empty: only these.
    pub only: Vec<String>,
    /// Never these.
    pub skip: Vec<String>,
}

impl Wanted {
    /// Whether `workload` is wanted.
    pub fn has(&self, workload: Workload) -> bool {
        let named = |names: &[String]| names.iter().any(|name| name == workload.name);
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }
}

/// One target in one run.
pub struct Stage<'a> {
    /// The target.
    pub target: &'a Target,
    /// The server behind it, where this program started it.
    pub server: Option<&'a Mutex<Server>>,
    /// How much is done.
    pub profile: &'a Profile,
    /// Which workloads are measured.
    pub wanted: &'a Wanted,
    /// Which run it is, counted from 1.
    pub run: u32,
    /// Makes this run's bodies differ from those of all others.
    pub salt: u64,
    /// Where results go.
    pub report: &'a RefCell<Report>,
    /// Who samples the target meanwhile.
    pub sampler: Option<&'a Sampler>,
}

/// A target's processes since a workload began.
pub struct Watch {
    processes: Processes,
    server: Reading,
    client_cpu_s: f64,
    machine_cpu_s: f64,
    /// Ends with the watch.
    _sampling: Option<Sampling>,
}

impl Watch {
    fn start(target: &Target, sampler: Option<&Sampler>) -> Self {
        let pids = target.pids.now();
        let processes = Processes::new(&pids);
        processes.forget_peak();
        Self {
            _sampling: sampler.and_then(|sampler| sampler.sample(&pids)),
            server: processes.read(),
            processes,
            client_cpu_s: process::own_cpu_s(),
            machine_cpu_s: process::machine_cpu_s(),
        }
    }

    /// What was used since the start, so far.
    pub fn so_far(&self) -> Used {
        let server = self.processes.read().since(&self.server);
        let client_cpu_s = process::own_cpu_s() - self.client_cpu_s;
        let machine_cpu_s = process::machine_cpu_s() - self.machine_cpu_s;
        let server = (!self.processes.is_empty()).then_some(server);
        let server_cpu_s = server.as_ref().map_or(0.0, |server| server.cpu_s);
        Used { other_cpu_s: (machine_cpu_s - client_cpu_s - server_cpu_s).max(0.0), server, client_cpu_s }
    }
}

impl Stage<'_> {
    /// Whether `workload` is measured here.
    pub fn wants(&self, workload: Workload) -> bool {
        self.wanted.has(workload)
    }

    /// A body id that differs between runs, kinds of objects and objects.
    pub fn id(&self, kind: u16, number: u64) -> u64 {
        self.salt.wrapping_add(u64::from(kind) << 40).wrapping_add(number)
    }

    /// A name that differs between runs, for the beginning of keys.
    pub fn folder(&self, name: &str) -> String {
        format!("{name}-{}", self.run)
    }

    /// Lets what went before end, then watches the target's processes.
    pub async fn watch(&self) -> Watch {
        self.profile.settle().await;
        Watch::start(self.target, self.sampler)
    }

    /// Measures `request` as `workload` in a closed loop. The caller reports it.
    ///
    /// # Errors
    /// As [`closed_loop::run`].
    pub async fn measure<R>(
        &self,
        workload: Workload,
        bounds: Bounds,
        request: R,
    ) -> Result<(Measurement, u64), Failure>
    where
        R: AsyncFn(&mut Client<'_>, u64) -> Result<u64, Failure>,
    {
        let watch = self.watch().await;
        let tally = closed_loop::run(self.target, workload.name, bounds, request).await?;
        let started = tally.started;
        Ok((self.measurement(workload, bounds.clients, tally, &watch), started))
    }

    /// Does `request` in a closed loop, for a measurement that the caller makes.
    ///
    /// # Errors
    /// As [`closed_loop::run`].
    pub async fn repeat<R>(&self, workload: Workload, bounds: Bounds, request: R) -> Result<Tally, Failure>
    where
        R: AsyncFn(&mut Client<'_>, u64) -> Result<u64, Failure>,
    {
        closed_loop::run(self.target, workload.name, bounds, request).await
    }

    /// What `watch` saw while `tally` was made.
    pub fn measurement(
        &self,
        workload: Workload,
        clients: usize,
        tally: Tally,
        watch: &Watch,
    ) -> Measurement {
        Measurement::new(&self.target.name, workload, self.run, clients, tally, watch.so_far())
    }

    /// Does `request` a fixed number of times, unmeasured: what `workload` needs or leaves behind.
    ///
    /// # Errors
    /// [`Failure::Unprepared`] when any failed; as [`closed_loop::run`].
    pub async fn prepare<R>(&self, workload: Workload, bounds: Bounds, request: R) -> Result<(), Failure>
    where
        R: AsyncFn(&mut Client<'_>, u64) -> Result<u64, Failure>,
    {
        let tally = closed_loop::run(self.target, workload.name, bounds, request).await?;
        match tally.errors {
            0 => Ok(()),
            errors => Err(Failure::Unprepared { workload: workload.name, errors, requests: tally.started }),
        }
    }

    /// Does one thing outside of a loop, with the same patience.
    ///
    /// # Errors
    /// [`Failure::TimedOut`], or its own failure.
    pub async fn once<T>(
        &self,
        workload: Workload,
        limit: Duration,
        thing: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let ended = clock::within(limit, thing).await;
        ended.unwrap_or(Err(Failure::TimedOut { workload: workload.name, limit }))
    }

    /// Hands a measurement to the report.
    pub fn tell(&self, measurement: Measurement) {
        self.report.borrow_mut().add(measurement);
    }
}
