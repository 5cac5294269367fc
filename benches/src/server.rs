//! Starts a `drystone serve` of its own in a folder of its own, and ends both.
//!
//! Whatever happens, no process and no folder is left: dropping a server kills it. After a clean stop
//! `drystone verify` must find nothing wrong, so that speed is never measured on a store that loses
//! bytes.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::clock::{self, Moment};
use crate::endpoint::Endpoint;
use crate::plan::Launch;
use crate::target::{Defaults, Target};

/// How long a server may take to listen, or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The step of a poll.
const STEP: Duration = Duration::from_millis(10);

/// How often a start is tried: between looking for a free port and using it, somebody may take it.
const TRIES: usize = 3;

/// How much of a log is shown when something went wrong, in bytes.
const SHOWN_BYTES: usize = 4_000;

/// Variables that would configure the server behind our back begin with these.
const FOREIGN: [&str; 3] = ["DRYSTONE_", "AWS_", "MINIO_"];

/// A server that this program started.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    child: Child,
    folder: TempDir,
}

impl Server {
    /// Starts `launch` with its data in a new folder in `scratch`; the target to measure.
    ///
    /// # Errors
    /// It cannot be started, ends, or does not listen in time; its log is in the error.
    pub async fn start(
        launch: &Launch,
        scratch: &std::path::Path,
        defaults: &Defaults,
    ) -> Result<(Self, Target)> {
        fs::create_dir_all(scratch).with_context(|| format!("make {}", scratch.display()))?;
        let mut refused = None;
        for _ in 0..TRIES {
            let folder = tempfile::Builder::new().prefix("drystone-bench-").tempdir_in(scratch);
            let folder = folder.with_context(|| format!("make a folder in {}", scratch.display()))?;
            let ports = free_ports().context("find free ports")?;
            let mut server = Self::spawn(launch, folder, ports, defaults)?;
            match server.until_listening(ports.0).await {
                Ok(()) => return Ok((server, Self::target(launch, ports.0, defaults)?)),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.context("no start was tried")?)
    }

    fn spawn(
        launch: &Launch,
        folder: TempDir,
        (s3, admin): (SocketAddr, SocketAddr),
        defaults: &Defaults,
    ) -> Result<Self> {
        let log = fs::File::create(folder.path().join("server.log")).context("make the server's log")?;
        let mut command = Command::new(&launch.program);
        for (name, _) in std::env::vars_os() {
            if FOREIGN.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        let child = command
            .arg("serve")
            .arg("--data")
            .arg(folder.path().join("data"))
            .args(["--listen", &s3.to_string(), "--admin-listen", &admin.to_string()])
            .args(["--region", &defaults.credentials.region])
            .env("DRYSTONE_ACCESS_KEY_ID", &defaults.credentials.access_key)
            .env("DRYSTONE_SECRET_ACCESS_KEY", &defaults.credentials.secret_key)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share the server's log")?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", launch.program.display()))?;
        Ok(Self { program: launch.program.clone(), child, folder })
    }

    fn target(launch: &Launch, address: SocketAddr, defaults: &Defaults) -> Result<Target> {
        Ok(Target::new(&launch.name, Endpoint::parse(&address.to_string())?, defaults))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    async fn until_listening(&mut self, address: SocketAddr) -> Result<()> {
        let start = Moment::now();
        loop {
            if let Some(status) = self.child.try_wait().context("look at the server")? {
                bail!("{} ended with {status} instead of listening\n{}", self.program.display(), self.log());
            }
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(());
            }
            ensure!(
                start.elapsed() < PATIENCE,
                "{} did not listen on {address} within {} s\n{}",
                self.program.display(),
                PATIENCE.as_secs(),
                self.log()
            );
            clock::pause(STEP).await;
        }
    }

    /// Asks the server to end, waits for it, and has its data verified.
    ///
    /// # Errors
    /// It does not end well or in time, or `drystone verify` finds something wrong.
    pub async fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.context("the server's process id is not one")?;
        kill_process(pid, Signal::TERM).context("ask the server to end")?;
        let status = self.until_ended().await?;
        ensure!(status.success(), "{} ended with {status}\n{}", self.program.display(), self.log());
        let verified = Command::new(&self.program).arg("verify").arg("--data").arg(self.data()).output();
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

    async fn until_ended(&mut self) -> Result<ExitStatus> {
        let start = Moment::now();
        loop {
            if let Some(status) = self.child.try_wait().context("look at the server")? {
                return Ok(status);
            }
            ensure!(
                start.elapsed() < PATIENCE,
                "{} did not end within {} s of SIGTERM\n{}",
                self.program.display(),
                PATIENCE.as_secs(),
                self.log()
            );
            clock::pause(STEP).await;
        }
    }

    /// The end of the server's log.
    fn log(&self) -> String {
        let text = fs::read(self.folder.path().join("server.log")).unwrap_or_default();
        let from = text.len().saturating_sub(SHOWN_BYTES);
        String::from_utf8_lossy(text.get(from..).unwrap_or_default()).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nobody to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two addresses that nobody listens on at this moment.
fn free_ports() -> std::io::Result<(SocketAddr, SocketAddr)> {
    let first = TcpListener::bind("127.0.0.1:0")?;
    let second = TcpListener::bind("127.0.0.1:0")?;
    Ok((first.local_addr()?, second.local_addr()?))
}
