//! Arguments as meant: what is measured, how much of it, and against what.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::args::{Args, ProfileName};
use crate::endpoint::Endpoint;
use crate::limit;
use crate::measurement::Workload;
use crate::peer::PeerLaunch;
use crate::profile::{MIB, Profile};
use crate::scenario::{MEMORY, Scenario};
use crate::sign::Credentials;
use crate::stage::Wanted;
use crate::target::{Defaults, Target, parse_pids};

/// Name of a server in reports when nobody gave it one.
const NAME: &str = "drystone";

/// Everything that a run needs to know.
#[derive(Debug)]
pub struct Plan {
    /// How much.
    pub profile: Profile,
    /// Which workloads.
    pub wanted: Wanted,
    /// Servers that run already.
    pub targets: Vec<Target>,
    /// Servers to start.
    pub servers: Vec<Launch>,
    /// Servers to start that are not ours.
    pub peers: Vec<PeerLaunch>,
    /// Whether the machine's own limits are measured too.
    pub limits: Limits,
    /// What targets have in common.
    pub defaults: Defaults,
    /// Where started servers keep their data.
    pub scratch: PathBuf,
    /// Most memory that a server may hold in the workload `memory`, in MiB; `None`: any.
    pub memory_mib_max: Option<u64>,
}

/// Whether the machine's own limits are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// They are not.
    Left,
    /// They are, as if they were one more target.
    Measured,
}

/// A server to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Its name in reports.
    pub name: String,
    /// The program.
    pub program: PathBuf,
}

impl Plan {
    /// Makes sense of `args`; `beside` is the folder that this program was built into.
    ///
    /// # Errors
    /// An endpoint that is not on this machine, a workload that does not exist, two targets of one name.
    pub fn new(args: &Args, beside: &std::path::Path) -> Result<Self> {
        let defaults = Defaults {
            credentials: Credentials {
                access_key: args.access_key.clone(),
                secret_key: args.secret_key.clone(),
                region: args.region.clone(),
            },
            bucket: args.bucket.clone(),
            payload_signing: args.payload,
        };
        let mut targets = Vec::new();
        if let Some(url) = &args.endpoint {
            let mut target = Target::new("endpoint", Endpoint::parse(url)?, &defaults);
            target.pids = parse_pids(args.pids.iter().map(String::as_str))?.into();
            target.data.clone_from(&args.data);
            targets.push(target);
        } else {
            ensure!(
                args.pids.is_empty() && args.data.is_none(),
                "--pids and --data belong to --endpoint; give a --target its own as pids=1+2 and data=DIR"
            );
        }
        for text in &args.target {
            targets.push(Target::parse(text, &defaults)?);
        }
        let built = beside.join(NAME);
        let mut servers: Vec<Launch> = args.server.iter().map(|text| launch(text, &built)).collect();
        if targets.is_empty() && servers.is_empty() {
            servers.push(launch("", &built));
        }
        let peers = match &args.peers {
            Some(names) => PeerLaunch::find(names, args.garage.as_deref(), args.nginx.as_deref())?,
            None => Vec::new(),
        };
        let mut names: Vec<&str> = servers.iter().map(|launch| launch.name.as_str()).collect();
        names.extend(targets.iter().map(|target| target.name.as_str()));
        names.extend(peers.iter().map(|peer| peer.kind.name()));
        let limits = if args.limits || args.smoke { Limits::Measured } else { Limits::Left };
        if limits == Limits::Measured {
            names.push(limit::NAME);
        }
        names.sort_unstable();
        let twice =
            names.windows(2).find_map(|pair| if let [a, b] = pair { (a == b).then_some(*a) } else { None });
        ensure!(
            twice.is_none(),
            "two targets are called {}: give one another name",
            twice.unwrap_or_default()
        );
        for launch in &servers {
            ensure!(
                launch.program.is_file(),
                "there is no {}: build it with `cargo build --release --package drystone`, or give --server PATH, \
                 --endpoint or --target",
                launch.program.display()
            );
        }
        Ok(Self {
            profile: profile(args)?,
            wanted: wanted(args)?,
            targets,
            servers,
            peers,
            limits,
            defaults,
            scratch: args.scratch.clone().unwrap_or_else(|| beside.to_owned()),
            memory_mib_max: (args.memory || args.smoke).then_some(args.memory_mib_max),
        })
    }
}

fn launch(text: &str, built: &std::path::Path) -> Launch {
    match text.split_once('=') {
        Some((name, program)) => Launch { name: name.to_owned(), program: program.into() },
        None if text.is_empty() => Launch { name: NAME.to_owned(), program: built.to_owned() },
        None => Launch { name: NAME.to_owned(), program: text.into() },
    }
}

fn profile(args: &Args) -> Result<Profile> {
    let mut profile = match args.profile {
        _ if args.smoke => Profile::SMOKE,
        ProfileName::Quick => Profile::QUICK,
        ProfileName::Full => Profile::FULL,
    };
    if let Some(runs) = args.runs {
        ensure!(runs > 0, "--runs 0 measures nothing");
        profile.runs = runs;
    } else if args.memory || args.grown {
        profile.runs = 1;
    }
    if let Some(seconds) = args.seconds {
        profile.time = Duration::from_secs(seconds);
    }
    if let Some(bytes) = args.small_bytes {
        ensure!((1..=MIB).contains(&bytes), "--small-bytes must be 1 to 1048576");
        profile.small_bytes = bytes;
    }
    if let Some(uploads) = args.memory_uploads {
        ensure!((1..=1024).contains(&uploads), "--memory-uploads must be 1 to 1024");
        profile.memory_uploads = uploads;
    }
    if let Some(uploads) = args.uploads_many {
        ensure!((1..=100_000_000).contains(&uploads), "--uploads-many must be 1 to 100000000");
        profile.many_uploads = uploads;
    }
    if let Some(keys) = args.keys_many {
        ensure!((1_000..=100_000_000).contains(&keys), "--keys-many must be 1000 to 100000000");
        profile.many_keys = keys;
    }
    if let Some(connections) = args.idle_connections {
        ensure!((1..=1_000_000).contains(&connections), "--idle-connections must be 1 to 1000000");
        profile.idle_connections = connections;
    }
    if let Some(mib) = args.memory_upload_mib {
        ensure!(
            (1..=5 * 1024).contains(&mib),
            "--memory-upload-mib must be 1 to 5120, the most that one PUT takes"
        );
        profile.memory_upload_bytes = mib * MIB;
    }
    Ok(profile)
}

fn wanted(args: &Args) -> Result<Wanted> {
    let all: Vec<Workload> =
        Scenario::ALL.iter().flat_map(|scenario| scenario.workloads().iter().copied()).collect();
    for name in args.only.iter().chain(&args.skip).chain(&args.flamegraph) {
        let names = || all.iter().map(|workload| workload.name).collect::<Vec<_>>().join(", ");
        all.iter()
            .find(|workload| workload.name == name)
            .with_context(|| format!("no workload is called `{name}`; there are {}", names()))?;
    }
    let mut wanted = Wanted { only: args.only.clone(), skip: args.skip.clone() };
    if args.memory {
        wanted.only = vec![MEMORY.name.to_owned()];
    } else if let Some(name) = &args.flamegraph {
        wanted.only = vec![name.clone()];
    } else if args.grown {
        wanted.only = names(Scenario::is_growth);
    } else if args.only.is_empty() && !args.smoke {
        wanted.skip.extend(names(Scenario::is_long));
    }
    Ok(wanted)
}

/// The names of the workloads of such scenarios.
fn names(of: fn(Scenario) -> bool) -> Vec<String> {
    let scenarios = Scenario::ALL.into_iter().filter(|scenario| of(*scenario));
    scenarios.flat_map(Scenario::workloads).map(|workload| workload.name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// A plan for the arguments in `line`, in a folder with a file that could be a server.
    fn plan(line: &str) -> Result<Plan> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(NAME), "").unwrap();
        let args = std::iter::once("bench").chain(line.split_whitespace());
        Plan::new(&Args::try_parse_from(args)?, folder.path())
    }

    fn names(wanted: &Wanted) -> Vec<&'static str> {
        let all = Scenario::ALL.iter().flat_map(|scenario| scenario.workloads());
        all.filter(|workload| wanted.has(**workload)).map(|workload| workload.name).collect()
    }

    #[test]
    fn nothing_given_starts_the_server_that_was_built() {
        let plan = plan("").unwrap();
        assert!(plan.targets.is_empty());
        assert_eq!(plan.servers.iter().map(|launch| launch.name.as_str()).collect::<Vec<_>>(), [NAME]);
        assert_eq!(plan.memory_mib_max, None);
    }

    #[test]
    fn an_endpoint_is_measured_alone_unless_a_server_is_asked_for() {
        assert!(plan("--endpoint 127.0.0.1:9000 --pids 1,2").unwrap().servers.is_empty());
        let both = plan("--server --endpoint 127.0.0.1:9000").unwrap();
        assert_eq!((both.servers.len(), both.targets.len()), (1, 1));
    }

    #[test]
    fn memory_is_measured_only_when_it_is_asked_for() {
        let default = names(&plan("").unwrap().wanted);
        assert!(default.contains(&"put4k") && !default.contains(&"memory"), "{default:?}");
        assert!(!default.contains(&"abort-job") && !default.contains(&"grown-list"), "{default:?}");
        let grown = names(&plan("--grown").unwrap().wanted);
        assert!(grown.contains(&"grown-list") && grown.contains(&"list-uploads-many"), "{grown:?}");
        assert!(!grown.contains(&"put4k"), "{grown:?}");
        assert_eq!(names(&plan("--only abort-job").unwrap().wanted), ["abort-job"]);
        assert_eq!(names(&plan("--memory").unwrap().wanted), ["memory"]);
        assert_eq!(names(&plan("--flamegraph put4k").unwrap().wanted), ["put4k"]);
        assert_eq!(names(&plan("--only memory,put1g").unwrap().wanted), ["put1g", "memory"]);
        assert!(names(&plan("--smoke").unwrap().wanted).contains(&"memory"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let lines = [
            "--only nothing",
            "--endpoint http://10.0.0.1:9000",
            "--pids 1",
            "--target drystone=127.0.0.1:1 --server",
            "--server /no/such/program",
            "--runs 0",
            "--peers minio",
            "--peers nginx --nginx /no/such/program",
            "--limits --target limit=127.0.0.1:1",
            "--uploads-many 0",
            "--keys-many 999",
            "--grown --only put4k",
            "--flamegraph nothing",
            "--flamegraph put4k --only get4k",
            "--out put4k.svg",
            "--memory-upload-mib 6000",
        ];
        for line in lines {
            assert!(plan(line).is_err(), "{line}");
        }
    }
}
