//! The test of the tests: every mistake that can be planted must make a suite fail.
//!
//! The suites' binaries are those of the stages `unit` and `models`. They are run once per mistake, which
//! `DRYSTONE_PLANTED` names, until one of them fails. A mistake that all of them let pass fails this stage: then the
//! tests have a hole where that mistake could be made. So does a suite that caught one and does not pass without: it
//! would catch them all. The mistakes stand in `crates/drystone-core/src/planted.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::check::cargo;
use crate::{builds, repository, stage};

/// Where the mistakes are listed.
const LIST: &str = "crates/drystone-core/src/planted.rs";

/// How a suite is built.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Build {
    /// As it is.
    Plain,
    /// With locks that a model checker schedules.
    Scheduled,
}

/// Some tests of one test binary.
struct Suite {
    build: Build,
    /// The binary's name.
    binary: &'static str,
    /// The crate it belongs to: it runs in its folder.
    package: &'static str,
    /// Which of its tests.
    filter: &'static str,
    /// Mistakes that are tried on it first, because it catches them and those before it do not. That saves half of
    /// the stage's time, and decides nothing.
    first_for: &'static [&'static str],
}

const fn promises(filter: &'static str) -> Suite {
    Suite { build: Build::Plain, binary: "promises", package: "drystone-sim", filter, first_for: &[] }
}

const fn store(binary: &'static str) -> Suite {
    Suite { build: Build::Plain, binary, package: "drystone-store", filter: "", first_for: &[] }
}

const fn models(binary: &'static str, package: &'static str) -> Suite {
    Suite { build: Build::Scheduled, binary, package, filter: "models", first_for: &[] }
}

/// What runs against the mistakes that no real disk is needed for, the quick ones first.
const SIMULATION: &[Suite] = &[
    promises("races::ordered"),
    promises("deletion").first_for(&[
        "CondemnedForgottenAtStart",
        "FailedCommitAcknowledged",
        "ReclaimListEmptiedFirst",
        "WorkerNotWoken",
    ]),
    promises("reading").first_for(&["PinnedForgotten"]),
    promises("rot").first_for(&["SmallBodyNotVerified"]),
    store("drystone_store").first_for(&[
        "ChangedRowKept",
        "FreedRangeKept",
        "GivenUpRangeKept",
        "JournalShortenedTooFar",
    ]),
    models("drystone_store", "drystone-store").first_for(&["SyncAnswersLatecomers"]),
    promises("sequences").first_for(&[
        "PinsNotHonoured",
        "RangeCutWrong",
        "RecoveryForgetsSuspects",
        "UnknownCommitFreesBytes",
    ]),
    promises("real"),
    promises("races::running"),
    promises("exhaustive"),
    models("promises", "drystone-sim").first_for(&["FindersNotAwaited"]),
];

/// What runs against the others.
const DISK: &[Suite] = &[
    models("drystone_store", "drystone-store"),
    store("drystone_store").first_for(&["DeadFileSystemTrusted", "FrameNotVerified", "SuspectsForgotten"]),
    store("opened").first_for(&["CleanMarkerLeft"]),
    store("disks").first_for(&["JournalNotSynced", "ReplacedFileNotSynced"]),
];

/// The longest that a suite may take with a mistake in it: a hang is a failure too.
const LIMIT: Duration = Duration::from_mins(5);
/// The longest that building the suites may take.
const BUILD_LIMIT: Duration = Duration::from_mins(15);
/// Mistakes that are tried side by side.
const SIDE_BY_SIDE: usize = 2;

/// A mistake, and whether only real disks show it.
#[derive(Debug, PartialEq, Eq)]
struct Mistake {
    name: String,
    on_disk: bool,
}

/// Plants one mistake after the other; an error lists those that nobody caught.
///
/// # Errors
/// When a mistake is not caught, or the suites cannot be built.
pub(crate) fn check() -> Result<()> {
    let list = fs::read_to_string(repository::root().join(LIST)).context("read the list of mistakes")?;
    let mistakes = mistakes(&list);
    ensure!(mistakes.len() >= 20, "only {} mistakes are listed in {LIST}", mistakes.len());
    let built = Built { plain: build(Build::Plain)?, scheduled: build(Build::Scheduled)? };
    let (waiting, missed) = (Mutex::new(mistakes.iter()), Mutex::new(Vec::new()));
    let caught_by = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().ok().and_then(|mut waiting| waiting.next());
                    let Some(mistake) = next else { return };
                    let caught = catch(mistake, &built);
                    match &caught {
                        Ok(Some(by)) => println!("{}: caught by {}", mistake.name, by.name()),
                        Ok(None) => println!("{}: NOT CAUGHT", mistake.name),
                        Err(error) => println!("{}: {error:#}", mistake.name),
                    }
                    if let Ok(Some(suite)) = caught {
                        if let Ok(mut caught_by) = caught_by.lock() {
                            caught_by.insert(suite.name(), suite);
                        }
                    } else if let Ok(mut missed) = missed.lock() {
                        missed.push(mistake.name.as_str());
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap_or_default();
    println!("{} of {} planted mistakes were caught", mistakes.len() - missed.len(), mistakes.len());
    ensure!(missed.is_empty(), "nobody caught {}", missed.join(", "));
    innocent(&caught_by.into_inner().unwrap_or_default(), &built)
}

/// The mistakes in the text of their list: lines of `Proof Name,`. Those that only tests/faults can see are tried there.
fn mistakes(list: &str) -> Vec<Mistake> {
    let mistake = |line: &str| {
        let (proof, name) = line.trim().strip_suffix(',')?.split_once(' ')?;
        let named = name.chars().all(|c| c.is_ascii_alphanumeric());
        match proof {
            "Simulation" if named => Some(Mistake { name: name.to_owned(), on_disk: false }),
            "Disk" if named => Some(Mistake { name: name.to_owned(), on_disk: true }),
            _ => None,
        }
    };
    list.lines().filter_map(mistake).collect()
}

/// The test binaries.
struct Built {
    plain: Vec<PathBuf>,
    scheduled: Vec<PathBuf>,
}

/// Builds the suites where they are not built yet; where their binaries are.
fn build(how: Build) -> Result<Vec<PathBuf>> {
    let (log, arguments) = match how {
        Build::Plain => ("planted-build", &[builds::WHOLE, builds::TARGETS][..]),
        Build::Scheduled => ("planted-build-scheduled", &[builds::SCHEDULED][..]),
    };
    let log = stage::log_path(log)?;
    let mut command = cargo(&["test", "--no-run"]);
    command.args(arguments.concat());
    stage::run_command(command, &log, BUILD_LIMIT).context("build the suites with planted mistakes")?;
    let said = fs::read_to_string(&log).context("read what cargo said")?;
    Ok(executables(&said).into_iter().map(|path| repository::root().join(path)).collect())
}

/// The test binaries that cargo names: `Executable tests/a.rs (PATH)`.
fn executables(said: &str) -> Vec<PathBuf> {
    let named = said.lines().filter(|line| line.trim_start().starts_with("Executable "));
    named
        .filter_map(|line| line.trim_end().strip_suffix(')')?.rsplit_once('(').map(|(_, path)| path.into()))
        .collect()
}

/// Runs the suites that caught a mistake without one: a suite that fails then has caught nothing.
fn innocent(suites: &BTreeMap<String, &Suite>, built: &Built) -> Result<()> {
    let (waiting, failed) = (Mutex::new(suites.values()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let Some(suite) = waiting.lock().ok().and_then(|mut waiting| waiting.next()) else {
                        return;
                    };
                    if let (Err(error), Ok(mut failed)) = (suite.passes(built), failed.lock()) {
                        failed.push(format!("{}: {error:#}", suite.name()));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_default();
    ensure!(failed.is_empty(), "suites fail without a mistake: {}", failed.join("\n"));
    Ok(())
}

/// Runs suites against `mistake` until one fails: that one.
fn catch(mistake: &Mistake, built: &Built) -> Result<Option<&'static Suite>> {
    let log = stage::log_path(&format!("planted-{}", mistake.name))?;
    let suites = if mistake.on_disk { DISK } else { SIMULATION };
    let (first, then): (Vec<_>, Vec<_>) = suites.iter().partition(|suite| suite.is_first_for(mistake));
    for suite in first.into_iter().chain(then) {
        let command = suite.command(Some(mistake), built)?;
        if stage::run_command(command, &log, LIMIT).is_err() {
            return Ok(Some(suite));
        }
    }
    Ok(None)
}

impl Suite {
    const fn first_for(mut self, mistakes: &'static [&'static str]) -> Self {
        self.first_for = mistakes;
        self
    }

    fn is_first_for(&self, mistake: &Mistake) -> bool {
        self.first_for.contains(&mistake.name.as_str())
    }

    fn name(&self) -> String {
        format!("{} {}", self.binary, self.filter).trim_end().to_owned()
    }

    /// Runs it without a mistake; where it fails, the end of what it said is in the error.
    fn passes(&self, built: &Built) -> Result<()> {
        let log = stage::log_path(&format!("planted-none-{}", self.name().replace([' ', ':'], "-")))?;
        stage::run_command(self.command(None, built)?, &log, LIMIT)
            .with_context(|| stage::tail(&fs::read_to_string(&log).unwrap_or_default()))
    }

    /// What runs it, with a mistake or without one.
    fn command(&self, mistake: Option<&Mistake>, built: &Built) -> Result<Command> {
        let built = match self.build {
            Build::Plain => &built.plain,
            Build::Scheduled => &built.scheduled,
        };
        let mut command = Command::new(find(built, self.binary)?);
        command.arg(self.filter).env("RUST_BACKTRACE", "0").env_remove("DRYSTONE_PLANTED");
        command.current_dir(repository::root().join("crates").join(self.package));
        command.envs(mistake.map(|mistake| ("DRYSTONE_PLANTED", &mistake.name)));
        Ok(command)
    }
}

/// The binary called `name`; cargo puts a hash behind the name.
fn find<'b>(built: &'b [PathBuf], name: &str) -> Result<&'b Path> {
    let is = |path: &&PathBuf| {
        let stem = path.file_name().and_then(|file| file.to_str()).and_then(|file| file.rsplit_once('-'));
        stem.is_some_and(|(stem, _)| stem == name)
    };
    let found = built.iter().find(is).map(PathBuf::as_path).filter(|path| path.is_file());
    found.with_context(|| format!("cargo built no test binary called {name}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_list_of_mistakes_is_read_whole() {
        let list = fs::read_to_string(repository::root().join(LIST)).unwrap();
        let mistakes = mistakes(&list);
        assert!(mistakes.len() >= 40, "{mistakes:?}");
        for mistake in &mistakes {
            let used = repository::texts().unwrap().into_iter().any(|text| {
                text.is_rust() && text.text.contains(&format!("planted(Mistake::{})", mistake.name))
            });
            assert!(used, "{mistake:?} is planted nowhere");
        }
        for (suites, on_disk) in [(SIMULATION, false), (DISK, true)] {
            for name in suites.iter().flat_map(|suite| suite.first_for) {
                let listed = Mistake { name: (*name).to_owned(), on_disk };
                assert!(
                    mistakes.contains(&listed),
                    "{listed:?} is tried on a suite first, but nobody plants it"
                );
            }
        }
    }

    /// A test binary `promises` that is this shell script.
    fn built(name: &str, script: &str) -> Built {
        let folder = repository::target().join("xtask").join(format!("test-planted-{name}"));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("promises-0");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Built { plain: vec![path], scheduled: Vec::new() }
    }

    /// Tries a mistake that is none, and says whether the suite that caught it passes without.
    fn caught_by_an_innocent(name: &str, script: &str) -> bool {
        let (built, mistake) =
            (built(name, script), Mistake { name: format!("Test-{name}"), on_disk: false });
        let suite = catch(&mistake, &built).unwrap().expect("it fails with a mistake");
        innocent(&BTreeMap::from([(suite.name(), suite)]), &built).is_ok()
    }

    #[test]
    fn a_suite_that_fails_without_a_mistake_has_caught_nothing() {
        assert!(caught_by_an_innocent("right", "test -z \"$DRYSTONE_PLANTED\""));
        assert!(!caught_by_an_innocent("fails", "exit 1"));
        assert!(!caught_by_an_innocent("does-not-start", "exec ./nowhere"));
    }

    #[test]
    fn binaries_are_found_by_their_names() {
        let said = "   Compiling a\n  Executable tests/a.rs (/t/a-b-0123)\n  Executable unittests src/lib.rs (/t/c-45)\n";
        assert_eq!(executables(said), [PathBuf::from("/t/a-b-0123"), PathBuf::from("/t/c-45")]);
        assert!(find(&executables(said), "a").is_err(), "a name is not the beginning of another");
    }
}
