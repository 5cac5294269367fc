//! The project's own commands: `cargo xtask check | test | bench | tidy`.
//!
//! Everything that has to be right before a change lands is one of these commands, so that a developer and the
//! continuous integration run the same thing. A failing command ends with a non-zero exit code; `check` and
//! `test` end with a last line of the form `N passed, N failed`.
#![expect(clippy::print_stdout, reason = "a command-line tool: standard output is its product")]
#![expect(clippy::print_stderr, reason = "a command-line tool: it talks on standard error")]

mod stage;

mod count;

mod summary;

mod builds;

mod check;

mod tidy;

mod packages;

mod blackbox;

mod fuzz;

mod planted;

mod instructions;

mod plan;

mod bench;

mod repository;

use std::env;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::plan::Plan;

/// What `cargo xtask` prints when it is asked for nothing it knows.
const USAGE: &str = "\
usage: cargo xtask COMMAND
  check                        formatting, clippy, tidy, documentation and the tests' own Python; runs no test
  tidy                         only the project's own rules, with the longest files and functions
  test [--fast] [--long] [--only NAME]
                               everything: packages, checks, unit tests, then real clients against the binary
                               --fast leaves out whatever needs packages or the release binary
                               --long lets the suites that can do more do it: for a night
                               --only runs one stage and what it needs; `--only list` prints their names
  fuzz [--reduce NAME]         builds the targets in `fuzz/` and runs each for a while
                               --reduce adds what was found on this machine to the corpus in the repository, reduced
  bench [ARGUMENTS]            the load generator against a server of its own or any other: `bench --help`
  bench --pieces [ARGUMENTS]   the pieces, each alone, measured by criterion
  bench --instructions [--write]
                               instructions per operation, counted by callgrind, against `benches/instructions.toml`
                               --write makes them the baselines";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs the command named on the command line; `false` means that it ran and something in it failed.
fn run() -> Result<bool> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((command, rest)) = arguments.split_first() else { bail!("no command\n{USAGE}") };
    match command.as_str() {
        "check" if rest.is_empty() => plan::run(&Plan::check()),
        "tidy" if rest.is_empty() => tidy::run(),
        "test" => plan::run(&Plan::test(rest)?),
        "fuzz" => fuzz_command(rest),
        "bench" => bench::run(rest),
        _ => bail!("unknown command `{}`\n{USAGE}", arguments.join(" ")),
    }
}

/// What the stage `fuzz` runs, and what one does with a corpus by hand.
fn fuzz_command(arguments: &[String]) -> Result<bool> {
    match arguments {
        [] => fuzz::run().map(|()| true),
        [option, name] if option == "--reduce" => fuzz::reduce(name).map(|()| true),
        _ => bail!("`fuzz` knows --reduce NAME\n{USAGE}"),
    }
}
