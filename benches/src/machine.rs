//! The machine that figures were measured on: without it they cannot be compared with others.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::process;

/// A machine, as reports show it.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// How many threads it runs at once, shared by client and server.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The kernel's release.
    pub kernel: String,
    /// CPU seconds a second that were used by others before anything was measured.
    pub busy_before: f64,
}

/// How long the machine is watched before anything is measured, in milliseconds.
const WATCHED_MS: u64 = 500;

impl Machine {
    /// Looks at this machine for half a second.
    pub async fn look() -> Self {
        let busy = process::machine_cpu_s();
        let start = crate::clock::Moment::now();
        crate::clock::pause(std::time::Duration::from_millis(WATCHED_MS)).await;
        let busy_before = (process::machine_cpu_s() - busy) / start.elapsed().as_secs_f64();
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let processor = processors.lines().find_map(|line| line.strip_prefix("model name"));
        let memory = read("/proc/meminfo");
        let memory_kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let memory_kib = memory_kib.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        Self {
            processor: processor.unwrap_or("unknown").trim_start_matches([' ', '\t', ':']).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory_kib.unwrap_or_default() / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            busy_before,
        }
    }
}

/// Whether `folder` lies in memory, where a sync costs nothing and figures flatter.
pub fn is_in_memory(folder: &Path) -> bool {
    /// `TMPFS_MAGIC` (statfs(2)).
    const TMPFS: u64 = 0x0102_1994;
    rustix::fs::statfs(folder).is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(TMPFS))
}
