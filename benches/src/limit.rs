//! What the machine itself could do in the place of a server: the ruler that durable writes are held against.
//!
//! A plain writer puts blocks of the same size into one preallocated file, with as many writers as a workload has
//! clients, each waiting until its block is on stable storage; one `fdatasync` serves all who wait for it. There
//! is no network, no name, no digest: no durable server on this file system is faster. For one long stream the
//! bound is another one: an ETag is an MD5, and MD5 cannot be computed in pieces at once.

mod digest;
mod volume;

use std::path::Path;

use anyhow::Result;

use crate::closed_loop::Tally;
use crate::measurement::{Measurement, Used, Workload};
use crate::process::{self, Reading};
use crate::profile::{KIB, MIB, Profile};
use crate::scenario::Scenario;
use crate::stage::Wanted;

/// Its name in reports.
pub const NAME: &str = "limit";

/// What is measured in the place of a scenario's first workload.
enum Bound {
    /// Durable writes: so many writers, blocks of so many bytes, at most so many bytes in all.
    Writes(volume::Writes),
    /// MD5 in one stream.
    Digest,
}

/// Measures the bound of `scenario`, where it has one that is wanted; files lie in `scratch`.
///
/// # Errors
/// A file cannot be made or written.
pub async fn measure(
    scenario: Scenario,
    profile: &Profile,
    wanted: &Wanted,
    run: u32,
    scratch: &Path,
) -> Result<Option<Measurement>> {
    let workload = scenario.workloads().first().copied().filter(|workload| wanted.has(*workload));
    let (Some(workload), Some(bound)) = (workload, bound(scenario, profile)) else { return Ok(None) };
    if let Bound::Writes(writes) = bound {
        // Once in vain: memory that a virtual machine has to ask its host for first would make the ruler short.
        volume::write(writes, scratch)?;
    }
    profile.settle().await;
    let (own, machine) = (process::own_cpu_s(), process::machine_cpu_s());
    let (clients, tally) = match bound {
        Bound::Writes(writes) => (writes.clients, volume::write(writes, scratch)?),
        Bound::Digest => (1, digest::hash()),
    };
    let (own, machine) = (process::own_cpu_s() - own, process::machine_cpu_s() - machine);
    Ok(Some(told(workload, run, clients, tally, own, machine)))
}

fn told(
    workload: Workload,
    run: u32,
    clients: usize,
    tally: Tally,
    own_cpu_s: f64,
    machine_cpu_s: f64,
) -> Measurement {
    let server = Reading { cpu_s: own_cpu_s, user_s: own_cpu_s, ..Reading::default() };
    let other_cpu_s = (machine_cpu_s - own_cpu_s).max(0.0);
    let used = Used { server: Some(server), client_cpu_s: 0.0, other_cpu_s };
    let mut told = Measurement::new(NAME, workload, run, clients, tally, used);
    // Neither was looked at: this process holds the load generator too.
    (told.peak_rss_mib, told.written_per_stored) = (None, None);
    told
}

fn bound(scenario: Scenario, profile: &Profile) -> Option<Bound> {
    let repeated = |clients, block_bytes| {
        let bytes_max = profile.stored_bytes_max.min(profile.requests_max.saturating_mul(block_bytes));
        Some(Bound::Writes(volume::Writes { clients, block_bytes, bytes_max, time: profile.time }))
    };
    match scenario {
        Scenario::SmallObjects => repeated(32, profile.small_bytes),
        Scenario::MediumObjects => repeated(16, 64 * KIB),
        Scenario::LargeObjects => repeated(8, MIB),
        Scenario::Multipart => Some(Bound::Writes(volume::Writes {
            clients: 8,
            block_bytes: profile.part_bytes,
            bytes_max: profile.stream_bytes,
            time: crate::scenario::PATIENCE,
        })),
        Scenario::Stream => Some(Bound::Digest),
        _ => None,
    }
}
