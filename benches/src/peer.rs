//! Other servers, started here and measured beside ours: Garage, as it comes and with every sync on, and nginx.
//!
//! Figures of two servers can be compared only when they met the same machine on the same day. Each peer gets a
//! folder of its own beside ours, loopback addresses, and is ended by its id. nginx stands for what a plain file
//! server does: no signatures, no digests, no sync.

mod garage;
mod nginx;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::launched::Launched;
use crate::server::new_folder;
use crate::target::{Defaults, Target};

/// A server that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Garage as it comes: it never syncs.
    Garage,
    /// Garage with `metadata_fsync` and `data_fsync`.
    GarageSync,
    /// nginx with sendfile, keep-alive and DAV.
    Nginx,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 3] = [Self::Garage, Self::GarageSync, Self::Nginx];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Garage => "garage",
            Self::GarageSync => "garage-sync",
            Self::Nginx => "nginx",
        }
    }

    /// The program's name.
    fn program(self) -> &'static str {
        match self {
            Self::Garage | Self::GarageSync => "garage",
            Self::Nginx => "nginx",
        }
    }

    /// How to come by the program.
    fn installation(self) -> &'static str {
        match self {
            Self::Garage | Self::GarageSync => {
                "`cargo xtask bench --peers` builds it; or `cargo install --locked garage --version 2.5.0` and give \
                 --garage PATH"
            }
            Self::Nginx => "`apt-get install nginx-light`, or give --nginx PATH",
        }
    }
}

/// A peer to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerLaunch {
    /// Which.
    pub kind: Kind,
    /// Its program.
    pub program: PathBuf,
}

impl PeerLaunch {
    /// Reads the names of peers, separated by commas, and finds their programs: those given, else those in the
    /// folders that commands are looked for in.
    ///
    /// # Errors
    /// A name that is not known, or a program that is not there; the message says how to get it.
    pub fn find(names: &str, garage: Option<&Path>, nginx: Option<&Path>) -> Result<Vec<Self>> {
        let find = |name: &str| {
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name.trim());
            let kind = kind.with_context(|| {
                let names = Kind::ALL.map(Kind::name).join(", ");
                format!("no peer is called `{name}`; there are {names}")
            })?;
            let given = if kind == Kind::Nginx { nginx } else { garage };
            let program = match given {
                Some(path) if path.is_file() => path.to_owned(),
                Some(path) => bail!("there is no {}: {}", path.display(), kind.installation()),
                None => installed(kind.program()).with_context(|| {
                    format!("{} is not installed: {}", kind.program(), kind.installation())
                })?,
            };
            Ok(Self { kind, program })
        };
        names.split(',').map(find).collect()
    }
}

/// Where the program `name` is; Debian keeps servers where ordinary users do not look.
fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// A peer that runs.
#[derive(Debug)]
pub struct Peer {
    process: Launched,
    /// It goes after the process that works in it.
    _folder: TempDir,
    target: Target,
}

impl Peer {
    /// Starts `launch` with its data in a new folder in `scratch`.
    ///
    /// # Errors
    /// It cannot be set up, ends, or does not listen in time; its log is in the error.
    pub async fn start(launch: &PeerLaunch, scratch: &Path, defaults: &Defaults) -> Result<Self> {
        let folder = new_folder(scratch)?;
        let (name, program) = (launch.kind.name(), &launch.program);
        let started = match launch.kind {
            Kind::Garage => garage::start(name, program, folder.path(), garage::Syncs::None, defaults).await,
            Kind::GarageSync => {
                garage::start(name, program, folder.path(), garage::Syncs::All, defaults).await
            }
            Kind::Nginx => nginx::start(name, program, folder.path(), defaults).await,
        };
        let (process, mut target) = started.with_context(|| format!("start the peer {name}"))?;
        let mut pids = vec![process.pid()];
        pids.extend(process.children());
        target.pids = pids.into();
        target.data = Some(folder.path().join("data"));
        Ok(Self { process, _folder: folder, target })
    }

    /// What is measured.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Asks it to end, and waits.
    ///
    /// # Errors
    /// It does not end in time.
    pub async fn end(mut self) -> Result<()> {
        self.process.end(Signal::TERM).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_found_by_name_and_a_missing_one_says_how_to_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        std::fs::write(&program, "").unwrap();
        let found = PeerLaunch::find("nginx,garage-sync", Some(&program), Some(&program)).unwrap();
        assert_eq!(found.iter().map(|peer| peer.kind).collect::<Vec<_>>(), [Kind::Nginx, Kind::GarageSync]);
        let missing = PeerLaunch::find("nginx", None, Some(&folder.path().join("none"))).unwrap_err();
        assert!(missing.to_string().contains("apt-get install"), "{missing}");
        assert!(PeerLaunch::find("minio", None, None).is_err());
    }
}
