//! A process that this program started: waited for until it listens, asked to end, never left behind.
//!
//! It and what it started itself are known by their ids, and only those are ever ended. Dropping it kills
//! it: without that, an interrupted benchmark would leave servers that slow down the next one.

mod log;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use self::log::Log;
use crate::clock::{self, Moment};

/// How long a process may take to listen, or to end. A store of 10^7 keys writes for a while before it ends.
const PATIENCE: Duration = Duration::from_mins(2);

/// The step of a poll: what a start is measured to.
const STEP: Duration = Duration::from_millis(1);

/// A process of ours.
#[derive(Debug)]
pub struct Launched {
    child: Child,
    name: String,
    log: Log,
    /// When it was started.
    since: Moment,
}

impl Launched {
    /// Starts `command`; what it says is added to the file `log`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(command: &mut Command, log: PathBuf) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let log = Log::open(log)?;
        command.stdin(Stdio::null()).stdout(log.share()?).stderr(log.share()?);
        let since = Moment::now();
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        Ok(Self { child, name, log, since })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The ids of the processes that it has started itself.
    pub fn children(&self) -> Vec<u32> {
        let pid = self.pid();
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Time since it was started.
    pub fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Waits until somebody listens on `address`.
    ///
    /// # Errors
    /// It ends instead, or does not listen in time; its log is in the error.
    pub async fn until_listening(&mut self, address: SocketAddr) -> Result<()> {
        loop {
            if let Some(status) = self.child.try_wait().context("look at a process")? {
                bail!("{} ended with {status} instead of listening\n{}", self.name, self.said());
            }
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(());
            }
            ensure!(
                self.age() < PATIENCE,
                "{} did not listen on {address} within {} s\n{}",
                self.name,
                PATIENCE.as_secs(),
                self.said()
            );
            clock::pause(STEP).await;
        }
    }

    /// Sends `signal` and waits for the end.
    ///
    /// # Errors
    /// It does not end in time.
    pub async fn end(&mut self, signal: Signal) -> Result<ExitStatus> {
        kill_process(pid_of(self.pid()).context("a process id is not one")?, signal)
            .with_context(|| format!("ask {} to end", self.name))?;
        let start = Moment::now();
        loop {
            if let Some(status) = self.child.try_wait().context("look at a process")? {
                return Ok(status);
            }
            ensure!(
                start.elapsed() < PATIENCE,
                "{} did not end within {} s of SIG{signal:?}\n{}",
                self.name,
                PATIENCE.as_secs(),
                self.said()
            );
            clock::pause(STEP).await;
        }
    }

    /// The end of what it said.
    pub fn said(&self) -> String {
        self.log.end()
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // It may have ended already; then there is nobody to kill, and its id is not used again before `wait`.
        let children = self.children();
        let _ = self.child.kill();
        for pid in children.into_iter().filter_map(pid_of) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Two addresses that nobody listens on at this moment.
///
/// # Errors
/// What the operating system says.
pub fn free_ports() -> std::io::Result<(SocketAddr, SocketAddr)> {
    let first = TcpListener::bind("127.0.0.1:0")?;
    let second = TcpListener::bind("127.0.0.1:0")?;
    Ok((first.local_addr()?, second.local_addr()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::wait;

    #[test]
    fn a_process_that_ends_instead_of_listening_is_told_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no room; exit 3"]);
        let mut launched = Launched::start(&mut command, folder.path().join("log")).unwrap();
        let (address, _) = free_ports().unwrap();
        let error = format!("{:#}", wait(launched.until_listening(address)).unwrap_err());
        assert!(error.contains("no room") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_dropped_process_takes_its_children_along() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "cat /dev/zero > /dev/null & wait"]);
        let launched = Launched::start(&mut command, folder.path().join("log")).unwrap();
        let children = loop {
            let children = launched.children();
            if !children.is_empty() {
                break children;
            }
            std::thread::yield_now();
        };
        drop(launched);
        // What was killed may still be a corpse that nobody has asked after.
        let runs = |pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
        };
        while children.iter().any(runs) {
            std::thread::yield_now();
        }
    }
}
