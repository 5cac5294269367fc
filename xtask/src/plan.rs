//! Which stages a command runs, in which order, and what each of them needs.
//!
//! A failed stage does not stop the run: whoever reads the result wants to know all that is wrong. Only a stage
//! whose need has failed is not started, and counts as failed.

use std::collections::HashMap;
use std::process::Command;
use std::thread;
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
    /// Waits for networks more than it works: it runs beside what comes before it.
    Beside(fn() -> Result<()>),
    Check(fn() -> Vec<Command>),
    Tests(fn() -> Vec<Command>),
}

/// Every stage, in the order in which they run.
const STAGES: &[Stage] = &[
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
    Stage {
        name: "packages",
        needs: &[],
        fast: Speed::Full,
        minutes: 15,
        work: Work::Beside(packages::install),
    },
    Stage { name: "unit", needs: &[], fast: Speed::Fast, minutes: 30, work: Work::Tests(unit) },
    Stage { name: "doctests", needs: &[], fast: Speed::Fast, minutes: 15, work: Work::Tests(doctests) },
    Stage { name: "models", needs: &[], fast: Speed::Full, minutes: 20, work: Work::Tests(models) },
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
        name: "rust-client",
        needs: &[],
        fast: Speed::Full,
        minutes: 15,
        work: Work::Check(blackbox::build_rust_client),
    },
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
    Stage { name: "fuzz", needs: &[], fast: Speed::Full, minutes: 15, work: Work::Check(fuzz::stage) },
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
        needs: &["packages", "build", "rust-client"],
        fast: Speed::Full,
        minutes: 20,
        work: Work::Tests(|| blackbox::suite("clients")),
    },
    Stage {
        name: "commands",
        needs: &["packages", "build"],
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
    let stages = || STAGES.iter().filter(|stage| plan.names.contains(&stage.name));
    let outcomes = thread::scope(|scope| {
        let beside = stages().filter_map(|stage| match stage.work {
            Work::Beside(work) => Some((stage.name, scope.spawn(move || stage::run_here(stage.name, work)))),
            _ => None,
        });
        let mut beside: HashMap<_, _> = beside.collect();
        let mut outcomes: Vec<Outcome> = Vec::new();
        for stage in stages() {
            let failed =
                |name: &&&str| outcomes.iter().any(|done| done.name == **name && done.counts.failed > 0);
            let outcome = match (stage.needs.iter().find(failed), beside.remove(stage.name)) {
                (Some(need), _) => stage::not_started(stage.name, need),
                (None, Some(begun)) => begun.join().map_err(|_| anyhow!("{} panicked", stage.name))??,
                (None, None) => run_stage(stage, plan.effort)?,
            };
            outcomes.push(outcome);
        }
        anyhow::Ok(outcomes)
    })?;
    Ok(summary::print(&outcomes, start.elapsed()))
}

fn run_stage(stage: &Stage, effort: Effort) -> Result<Outcome> {
    let (mut commands, unit) = match stage.work {
        Work::Here(work) | Work::Beside(work) => return stage::run_here(stage.name, work),
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

/// The models, in a build whose locks a model checker schedules and in which nothing else can run.
fn models() -> Vec<Command> {
    let tests = &["--no-fail-fast", "models::", "--", "--show-output"];
    vec![cargo(&[&["test"], builds::SCHEDULED, tests].concat())]
}

/// The examples in the documentation, which nextest does not run.
fn doctests() -> Vec<Command> {
    vec![cargo(&[&["test"], builds::WHOLE, &["--doc", "--no-fail-fast"]].concat())]
}

#[cfg(test)]
mod tests {
    use super::*;

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
