//! Which stages a command runs, in which order, and what each of them needs.
//!
//! A failed stage does not stop the run: whoever reads the result wants to know all that is wrong. Only a stage
//! whose need has failed is not started, and counts as failed.

use std::process::Command;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use crate::check::cargo;
use crate::stage::{self, Outcome, Unit};
use crate::{blackbox, builds, check, fuzz, instructions, packages, planted, summary, tidy};

/// One stage of a run.
struct Stage {
    name: &'static str,
    /// Stages that must have passed before.
    needs: &'static [&'static str],
    /// Whether `--fast` keeps it.
    fast: Speed,
    /// The longest it may take: several times what it takes on two cores, far below what a reader would wait.
    minutes: u64,
    work: Work,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Speed {
    /// No package but the linter of the tests, no release build.
    Fast,
    /// Everything else.
    Full,
}

enum Work {
    Here(fn() -> Result<()>),
    Check(fn() -> Vec<Command>),
    Tests(fn() -> Vec<Command>),
    /// Begins at its place and runs beside what follows, until something needs it. That is for work that waits for
    /// networks, and for work that takes what the stages beside it leave of the processors.
    Beside(&'static Work),
}

/// Every stage, in the order in which they run.
const STAGES: &[Stage] = &[
    Stage {
        name: "packages",
        needs: &[],
        fast: Speed::Full,
        minutes: 15,
        work: Work::Beside(&Work::Here(packages::install)),
    },
    Stage { name: "format", needs: &[], fast: Speed::Fast, minutes: 2, work: Work::Check(check::formatting) },
    Stage { name: "tidy", needs: &[], fast: Speed::Fast, minutes: 2, work: Work::Here(tidy::check) },
    Stage { name: "clippy", needs: &[], fast: Speed::Fast, minutes: 20, work: Work::Check(check::clippy) },
    Stage {
        name: "docs",
        needs: &[],
        fast: Speed::Fast,
        minutes: 15,
        work: Work::Check(check::documentation),
    },
    Stage { name: "unit", needs: &[], fast: Speed::Fast, minutes: 30, work: Work::Tests(unit) },
    Stage { name: "doctests", needs: &[], fast: Speed::Fast, minutes: 15, work: Work::Tests(doctests) },
    Stage { name: "planted", needs: &[], fast: Speed::Full, minutes: 40, work: Work::Here(planted::check) },
    Stage {
        name: "build-unoptimised",
        needs: &[],
        fast: Speed::Full,
        minutes: 15,
        work: Work::Check(blackbox::build_unoptimised),
    },
    Stage { name: "python", needs: &[], fast: Speed::Fast, minutes: 2, work: Work::Check(blackbox::python) },
    Stage { name: "build", needs: &[], fast: Speed::Full, minutes: 30, work: Work::Check(blackbox::build) },
    Stage {
        name: "bench-smoke",
        needs: &["build", "build-unoptimised"],
        fast: Speed::Full,
        minutes: 5,
        work: Work::Check(blackbox::bench_smoke),
    },
    Stage {
        name: "instructions",
        needs: &["packages", "build"],
        fast: Speed::Full,
        minutes: 5,
        work: Work::Here(instructions::check),
    },
    Stage {
        name: "garage",
        needs: &["packages"],
        fast: Speed::Full,
        minutes: 45,
        work: Work::Beside(&Work::Here(packages::garage)),
    },
    Stage {
        name: "behaviour",
        needs: &["packages", "build"],
        fast: Speed::Full,
        minutes: 15,
        work: Work::Tests(|| blackbox::suite("behaviour")),
    },
    Stage {
        name: "histories",
        needs: &["packages", "build"],
        fast: Speed::Full,
        minutes: 15,
        work: Work::Tests(|| blackbox::suite("histories")),
    },
    Stage {
        name: "clients",
        needs: &["packages", "build", "build-unoptimised"],
        fast: Speed::Full,
        minutes: 20,
        work: Work::Tests(|| blackbox::suite("clients")),
    },
    Stage {
        name: "models",
        needs: &[],
        fast: Speed::Full,
        minutes: 45,
        work: Work::Beside(&Work::Tests(models)),
    },
    Stage {
        name: "fuzz-build",
        needs: &[],
        fast: Speed::Full,
        minutes: 45,
        work: Work::Beside(&Work::Check(fuzz::build_beside)),
    },
    Stage {
        name: "commands",
        needs: &["packages", "garage", "build"],
        fast: Speed::Full,
        minutes: 20,
        work: Work::Tests(|| blackbox::suite("commands")),
    },
    Stage {
        name: "faults",
        needs: &["packages", "build", "build-unoptimised"],
        fast: Speed::Full,
        minutes: 30,
        work: Work::Tests(blackbox::faults),
    },
    Stage {
        name: "fuzz",
        needs: &["fuzz-build"],
        fast: Speed::Full,
        minutes: 15,
        work: Work::Check(fuzz::stage),
    },
];

/// The stages of `cargo xtask check`.
const CHECKS: &[&str] = &["format", "tidy", "clippy", "docs", "python"];

/// How much the suites do that can do more or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effort {
    /// Enough for every change.
    Usual,
    /// As much as a night allows; they learn it from `DRYSTONE_LONG`.
    Long,
}

/// How many times as long a stage may take in a long run.
const LONG_FACTOR: u64 = 40;

/// The names of the stages to run, in order.
pub(crate) struct Plan {
    names: Vec<&'static str>,
    effort: Effort,
}

impl Plan {
    /// What `cargo xtask check` runs.
    pub(crate) fn check() -> Plan {
        Plan { names: CHECKS.to_vec(), effort: Effort::Usual }
    }

    /// What `cargo xtask test` runs with these arguments.
    ///
    /// # Errors
    /// When an argument or a stage's name is not known; the message lists the names.
    pub(crate) fn test(arguments: &[String]) -> Result<Plan> {
        let mut stages: Vec<&Stage> = STAGES.iter().collect();
        let mut only: Vec<&'static str> = Vec::new();
        let mut effort = Effort::Usual;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--fast" => stages.retain(|stage| stage.fast == Speed::Fast),
                "--long" => effort = Effort::Long,
                "--only" => add_with_needs(rest.next().map_or("", String::as_str), &mut only)?,
                other => bail!("`test` knows --fast, --long and --only NAME, not `{other}`"),
            }
        }
        let names = stages.iter().map(|stage| stage.name);
        let names = names.filter(|name| only.is_empty() || only.contains(name)).collect();
        Ok(Plan { names, effort })
    }
}

/// Adds the stage called `name` and whatever it needs.
fn add_with_needs(name: &str, only: &mut Vec<&'static str>) -> Result<()> {
    let Some(stage) = STAGES.iter().find(|stage| stage.name == name) else {
        let names: Vec<_> = STAGES.iter().map(|stage| stage.name).collect();
        bail!("no stage is called `{name}`; there are {}", names.join(", "));
    };
    only.push(stage.name);
    stage.needs.iter().try_for_each(|need| add_with_needs(need, only))
}

/// Runs the plan and prints the summary; `false` when something failed.
///
/// # Errors
/// Only when the logs cannot be written.
pub(crate) fn run(plan: &Plan) -> Result<bool> {
    let start = stage::now();
    let stages = STAGES.iter().filter(|stage| plan.names.contains(&stage.name));
    let outcomes = run_in_order(stages, plan.effort)?;
    Ok(summary::print(&outcomes, start.elapsed()))
}

/// Runs stages one after the other, but for those that run beside the next.
fn run_in_order<'s>(stages: impl IntoIterator<Item = &'s Stage>, effort: Effort) -> Result<Vec<Outcome>> {
    thread::scope(|scope| {
        let mut beside: Vec<(&str, ScopedJoinHandle<'_, Result<Outcome>>)> = Vec::new();
        let mut outcomes: Vec<Outcome> = Vec::new();
        for stage in stages {
            for (name, begun) in beside.extract_if(.., |(name, _)| stage.needs.contains(name)) {
                outcomes.push(end(name, begun)?);
            }
            let failed =
                |name: &&&str| outcomes.iter().any(|done| done.name == **name && done.counts.failed > 0);
            match (stage.needs.iter().find(failed), &stage.work) {
                (Some(need), _) => outcomes.push(stage::not_started(stage.name, need)),
                (None, Work::Beside(work)) => {
                    beside.push((stage.name, scope.spawn(move || run_stage(stage, work, effort))));
                }
                (None, work) => outcomes.push(run_stage(stage, work, effort)?),
            }
        }
        for (name, begun) in beside {
            outcomes.push(end(name, begun)?);
        }
        Ok(outcomes)
    })
}

/// Waits for a stage that runs beside others.
fn end(name: &str, begun: ScopedJoinHandle<'_, Result<Outcome>>) -> Result<Outcome> {
    begun.join().map_err(|_| anyhow!("{name} panicked"))?
}

fn run_stage(stage: &Stage, work: &Work, effort: Effort) -> Result<Outcome> {
    let (mut commands, unit) = match work {
        Work::Beside(work) => return run_stage(stage, work, effort),
        Work::Here(work) => return stage::run_here(stage.name, work),
        Work::Check(commands) => (commands(), Unit::Whole),
        Work::Tests(commands) => (commands(), Unit::Tests),
    };
    let long = effort == Effort::Long;
    let limit = Duration::from_mins(if long { LONG_FACTOR * stage.minutes } else { stage.minutes });
    for command in commands.iter_mut().filter(|_| long) {
        command.env("DRYSTONE_LONG", "1");
    }
    stage::run(stage.name, unit, limit, commands)
}

/// The unit and integration tests of every crate, by nextest where it is installed.
fn unit() -> Vec<Command> {
    let nextest = cargo(&["nextest", "--version"]).output().is_ok_and(|output| output.status.success());
    let (runner, output): (&[&str], &[&str]) = if nextest {
        (&["nextest", "run"], &["--success-output", "final"])
    } else {
        (&["test"], &["--", "--show-output"])
    };
    vec![cargo(&[runner, builds::WHOLE, builds::TARGETS, &["--no-fail-fast"], output].concat())]
}

/// The models, in a build whose locks a model checker schedules and in which nothing else can run. They need no disk,
/// and stand back behind the stage beside them.
fn models() -> Vec<Command> {
    let tests = &["--no-fail-fast", "models::", "--", "--show-output"];
    vec![stage::standing_back(&cargo(&[&["test"], builds::SCHEDULED, tests].concat()))]
}

/// The examples in the documentation, which nextest does not run.
fn doctests() -> Vec<Command> {
    vec![cargo(&[&["test"], builds::WHOLE, &["--doc", "--no-fail-fast"]].concat())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository;

    fn names(arguments: &[&str]) -> Result<Vec<&'static str>> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        Plan::test(&arguments).map(|plan| plan.names)
    }

    #[test]
    fn one_stage_brings_what_it_needs() {
        assert_eq!(names(&["--only", "behaviour"]).unwrap(), ["packages", "build", "behaviour"]);
    }

    #[test]
    fn fast_needs_no_package_and_no_release_build() {
        let fast = names(&["--fast"]).unwrap();
        assert!(
            fast.contains(&"unit") && !fast.contains(&"packages") && !fast.contains(&"build"),
            "{fast:?}"
        );
    }

    /// A stage of a shell script.
    fn shell(name: &'static str, needs: &'static [&'static str], work: Work) -> Stage {
        Stage { name, needs, fast: Speed::Full, minutes: 1, work }
    }

    fn command(script: &str) -> Vec<Command> {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(repository::target());
        vec![command]
    }

    #[test]
    fn a_stage_beside_ends_before_what_needs_it_begins() {
        for left in ["test-meet", "test-met"] {
            let _ = std::fs::remove_file(repository::target().join("xtask").join(left));
        }
        // The first cannot end before the second runs, nor the third succeed before the first has ended.
        let first = Work::Beside(&Work::Check(|| {
            command("mkfifo xtask/test-meet && cat xtask/test-meet > xtask/test-met")
        }));
        let second = Work::Check(|| {
            command(
                "until test -p xtask/test-meet; do :; done; echo met > xtask/test-meet; rm xtask/test-meet",
            )
        });
        let third = Work::Check(|| command("grep met xtask/test-met"));
        let stages = [
            shell("test-first", &[], first),
            shell("test-second", &[], second),
            shell("test-third", &["test-first"], third),
        ];
        let outcomes = run_in_order(&stages, Effort::Usual).unwrap();
        let passed: Vec<_> = outcomes.iter().map(|outcome| (outcome.name, outcome.counts.passed)).collect();
        assert_eq!(passed.len(), 3, "{passed:?}");
        assert!(passed.iter().all(|(_, passed)| *passed == 1), "{passed:?}");
    }

    #[test]
    fn what_needs_a_stage_beside_that_failed_is_not_started() {
        let stages = [
            shell("test-fails", &[], Work::Beside(&Work::Check(|| command("exit 1")))),
            shell("test-waits", &["test-fails"], Work::Check(|| command("exit 0"))),
        ];
        let outcomes = run_in_order(&stages, Effort::Usual).unwrap();
        assert!(outcomes.iter().all(|outcome| outcome.counts.failed == 1), "{outcomes:?}");
    }

    #[test]
    fn a_long_run_runs_the_same_stages() {
        let arguments = ["--long".to_owned(), "--fast".to_owned()];
        let long = Plan::test(&arguments).unwrap();
        assert_eq!((long.effort, long.names), (Effort::Long, names(&["--fast"]).unwrap()));
    }

    #[test]
    fn an_unknown_stage_is_refused_with_the_names() {
        let error = names(&["--only", "everything"]).unwrap_err().to_string();
        assert!(error.contains("clippy, docs"), "{error}");
    }

    #[test]
    fn every_need_is_a_stage_that_runs_before() {
        for (at, stage) in STAGES.iter().enumerate() {
            for need in stage.needs {
                let place = STAGES.iter().position(|other| other.name == *need);
                assert!(place.is_some_and(|place| place < at), "{} needs {need}", stage.name);
            }
        }
    }
}
