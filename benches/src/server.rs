//! Starts a `drystone serve` of its own in a folder of its own, and ends both.
//!
//! Whatever happens, no process and no folder is left: dropping a server kills it. After a clean stop
//! `drystone verify` must find nothing wrong, so that speed is never measured on a store that loses
//! bytes. It can be ended and started again in between, to see how long a start takes.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::endpoint::Endpoint;
use crate::launched::{Launched, free_ports};
use crate::plan::Launch;
use crate::target::{Defaults, Target};

/// How often a start is tried: between looking for a free port and using it, somebody may take it.
const TRIES: usize = 3;

/// Variables that would configure the server behind our back begin with these.
const FOREIGN: [&str; 3] = ["DRYSTONE_", "AWS_", "MINIO_"];

/// A server that this program started.
#[derive(Debug)]
pub struct Server {
    process: Launched,
    way: Way,
}

/// How it is started, each time alike.
#[derive(Debug)]
struct Way {
    program: PathBuf,
    folder: TempDir,
    s3: SocketAddr,
    admin: SocketAddr,
    defaults: Defaults,
}

/// How a server ends before it is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is asked to (SIGTERM), and has time.
    Orderly,
    /// It is killed (SIGKILL), and has none.
    Killed,
}

impl Server {
    /// Starts `launch` with its data in a new folder in `scratch`; the target to measure.
    ///
    /// # Errors
    /// It cannot be started, ends, or does not listen in time; its log is in the error.
    pub async fn start(launch: &Launch, scratch: &Path, defaults: &Defaults) -> Result<(Self, Target)> {
        let mut refused = None;
        for _ in 0..TRIES {
            let (s3, admin) = free_ports().context("find free ports")?;
            let way = Way {
                program: launch.program.clone(),
                folder: new_folder(scratch)?,
                s3,
                admin,
                defaults: defaults.clone(),
            };
            let mut process = way.begin()?;
            match process.until_listening(s3).await {
                Ok(()) => {
                    let mut target = Target::new(&launch.name, Endpoint::parse(&s3.to_string())?, defaults);
                    target.pids = vec![process.pid()].into();
                    target.data = Some(way.data());
                    return Ok((Self { process, way }, target));
                }
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.context("no start was tried")?)
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.way.data()
    }

    /// Ends it, and starts it again on the same data and the same ports; when it was started, until it
    /// listens. Its process id changes.
    ///
    /// # Errors
    /// It does not end, or does not listen again.
    pub async fn restart(&mut self, ending: Ending) -> Result<()> {
        let status = match ending {
            Ending::Orderly => self.process.end(Signal::TERM).await?,
            Ending::Killed => self.process.end(Signal::KILL).await?,
        };
        if ending == Ending::Orderly {
            ensure!(status.success(), "the server ended with {status}\n{}", self.process.said());
        }
        self.process = self.way.begin()?;
        self.process.until_listening(self.way.s3).await
    }

    /// The process that runs now.
    pub fn process(&self) -> &Launched {
        &self.process
    }

    /// Asks the server to end, waits for it, and has its data verified.
    ///
    /// # Errors
    /// It does not end well or in time, or `drystone verify` finds something wrong.
    pub async fn stop(mut self) -> Result<()> {
        let status = self.process.end(Signal::TERM).await?;
        let program = &self.way.program;
        ensure!(status.success(), "{} ended with {status}\n{}", program.display(), self.process.said());
        let verified = Command::new(program).arg("verify").arg("--data").arg(self.data()).output();
        let verified = verified.context("run drystone verify")?;
        ensure!(
            verified.status.success(),
            "drystone verify found something wrong ({})\n{}{}",
            verified.status,
            String::from_utf8_lossy(&verified.stdout),
            String::from_utf8_lossy(&verified.stderr)
        );
        Ok(())
    }
}

impl Way {
    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn begin(&self) -> Result<Launched> {
        let credentials = &self.defaults.credentials;
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if FOREIGN.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command
            .arg("serve")
            .arg("--data")
            .arg(self.data())
            .args(["--listen", &self.s3.to_string(), "--admin-listen", &self.admin.to_string()])
            .args(["--region", &credentials.region])
            .env("DRYSTONE_ACCESS_KEY_ID", &credentials.access_key)
            .env("DRYSTONE_SECRET_ACCESS_KEY", &credentials.secret_key)
            .current_dir(self.folder.path());
        Launched::start(&mut command, self.folder.path().join("server.log"))
    }
}

/// A new folder in `scratch`, which goes when it is dropped.
///
/// # Errors
/// It cannot be made.
pub fn new_folder(scratch: &Path) -> Result<TempDir> {
    fs::create_dir_all(scratch).with_context(|| format!("make {}", scratch.display()))?;
    let folder = tempfile::Builder::new().prefix("drystone-bench-").tempdir_in(scratch);
    folder.with_context(|| format!("make a folder in {}", scratch.display()))
}
