//! What processes cost, from `/proc`: CPU time by thread name, peak memory, bytes written.
//!
//! CPU time is that of the whole process, ended threads included, from the process's own CPU-time clock:
//! one Complete of 50 ms would be five ticks of `/proc`. Ticks of 10 ms remain where that clock cannot be
//! read, and for the share outside of the kernel. Processes of other users may hide their I/O counters;
//! they then count as 0.
//!
//! Source: proc(5), clock_getcpuclockid(3).

use std::collections::BTreeMap;
use std::fs;

use nix::time::ClockId;
use nix::unistd::Pid;

/// The processes of one server.
#[derive(Clone, Debug)]
pub struct Processes(Vec<u32>);

/// What processes have used since they began.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// CPU seconds.
    pub cpu_s: f64,
    /// Those of them outside of the kernel, in ticks of 10 ms.
    pub user_s: f64,
    /// CPU seconds by name of live threads.
    pub threads_s: BTreeMap<String, f64>,
    /// Memory held now, in bytes, added up.
    pub rss_bytes: u64,
    /// Most memory held at once since the last [`Processes::forget_peak`], in bytes, added up.
    pub peak_rss_bytes: u64,
    /// Bytes given to the block layer, or to its cache, to be written.
    pub written_bytes: u64,
}

impl Processes {
    /// The processes with these ids.
    pub fn new(pids: &[u32]) -> Self {
        Self(pids.to_vec())
    }

    /// Whether there is none, so that nothing can be said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Starts a new peak of memory, where the system allows it.
    pub fn forget_peak(&self) {
        for pid in &self.0 {
            // Refused for processes of other users; their peak is then that of their whole life.
            let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
        }
    }

    /// What the processes have used so far.
    pub fn read(&self) -> Reading {
        let mut reading = Reading::default();
        for pid in &self.0 {
            let (user_s, system_s) = cpu_seconds(&text(&format!("/proc/{pid}/stat")));
            reading.user_s += user_s;
            reading.cpu_s += clock_s(*pid).unwrap_or(user_s + system_s);
            let status = text(&format!("/proc/{pid}/status"));
            reading.rss_bytes += field(&status, "VmRSS:") * 1024;
            reading.peak_rss_bytes += field(&status, "VmHWM:") * 1024;
            reading.written_bytes += field(&text(&format!("/proc/{pid}/io")), "write_bytes:");
            for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let stat = text(&thread.path().join("stat").to_string_lossy());
                *reading.threads_s.entry(name(&stat)).or_default() += thread_s(&thread.path(), &stat);
            }
        }
        reading
    }
}

impl Reading {
    /// What was used since `before`; memory stays as it is.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let threads = self.threads_s.iter().map(|(name, seconds)| {
            let earlier = before.threads_s.get(name).copied().unwrap_or_default();
            (name.clone(), (seconds - earlier).max(0.0))
        });
        Self {
            cpu_s: (self.cpu_s - before.cpu_s).max(0.0),
            user_s: (self.user_s - before.user_s).max(0.0),
            threads_s: threads.filter(|(_, seconds)| *seconds > 0.0).collect(),
            rss_bytes: self.rss_bytes,
            peak_rss_bytes: self.peak_rss_bytes,
            written_bytes: self.written_bytes.saturating_sub(before.written_bytes),
        }
    }
}

/// CPU seconds of this process so far.
pub fn own_cpu_s() -> f64 {
    clock_s(std::process::id()).unwrap_or_else(|| {
        let (user_s, system_s) = cpu_seconds(&text("/proc/self/stat"));
        user_s + system_s
    })
}

/// CPU seconds of a process so far by its own clock, to the nanosecond; `None` where it cannot be read.
fn clock_s(pid: u32) -> Option<f64> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(i32::try_from(pid).ok()?)).ok()?;
    Some(std::time::Duration::from(clock.now().ok()?).as_secs_f64())
}

/// CPU seconds of the thread in `folder`: what the scheduler gave it, in nanoseconds, or its ticks.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of days stay below 2^53")]
fn thread_s(folder: &std::path::Path, stat: &str) -> f64 {
    let scheduled = text(&folder.join("schedstat").to_string_lossy());
    let ns = scheduled.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok());
    ns.map_or_else(
        || {
            let (user_s, system_s) = cpu_seconds(stat);
            user_s + system_s
        },
        |ns| ns as f64 / 1e9,
    )
}

/// CPU seconds of all processes and kernel threads of the machine so far, without interrupts, idling
/// and waiting for disks.
pub fn machine_cpu_s() -> f64 {
    let stat = text("/proc/stat");
    let ticks = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<f64> = ticks.filter_map(|ticks| ticks.parse().ok()).collect();
    // user nice system; then idle, iowait, irq, softirq, which belong to no process.
    ticks.iter().take(3).sum::<f64>() / ticks_per_s()
}

#[expect(clippy::cast_precision_loss, reason = "there are a hundred ticks a second")]
fn ticks_per_s() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// User and system CPU seconds in the text of a `stat` file.
fn cpu_seconds(stat: &str) -> (f64, f64) {
    // The name in brackets may hold anything: fields are counted after its last bracket.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let mut ticks = fields.split(' ').skip(11).map(|ticks| ticks.parse::<f64>().unwrap_or_default());
    let mut next = || ticks.next().unwrap_or_default() / ticks_per_s();
    (next(), next())
}

/// The thread's name in the text of a `stat` file, without the number that tells it from its like.
fn name(stat: &str) -> String {
    let inside =
        stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map_or("", |(name, _)| name);
    inside.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-' || c == ':').to_owned()
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_hides_no_field() {
        let stat = "42 (a ) b-3) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 100 1000 10";
        let ticks = ticks_per_s();
        assert_eq!(cpu_seconds(stat), (250.0 / ticks, 50.0 / ticks));
        assert_eq!(name(stat), "a ) b");
    }

    #[test]
    fn this_process_is_seen() {
        let this = Processes::new(&[std::process::id()]);
        let before = this.read();
        // Work until the coarse clock has moved too.
        let mut sum = 0_u64;
        while own_cpu_s() - before.cpu_s < 0.03 {
            sum = (0..100_000).fold(sum, |sum, n| std::hint::black_box(sum.wrapping_mul(31).wrapping_add(n)));
        }
        let used = this.read().since(&before);
        assert!(used.cpu_s >= 0.03 && used.rss_bytes > 500_000, "{used:?}");
        assert!(used.peak_rss_bytes >= used.rss_bytes);
        assert!(used.threads_s.values().sum::<f64>() > 0.0);
        assert!(machine_cpu_s() > 0.0);
    }

    #[test]
    fn work_of_less_than_a_tick_is_seen() {
        let before = own_cpu_s();
        let sum = (0..10_000_u64).fold(1, |sum: u64, n| std::hint::black_box(sum.wrapping_mul(31) ^ n));
        let used = own_cpu_s() - before;
        assert!(sum != 0 && used > 0.0);
    }

    #[test]
    fn a_process_that_does_not_exist_costs_nothing() {
        let reading = Processes::new(&[u32::MAX]).read();
        assert_eq!((reading.peak_rss_bytes, reading.written_bytes), (0, 0));
        assert!(reading.cpu_s.abs() < f64::EPSILON);
    }
}
