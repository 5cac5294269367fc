//! `cargo xtask bench`: builds the server and the load generator optimised, and runs the latter with
//! the arguments as they are; with `--pieces`, criterion's benches of the pieces instead; with `--instructions`,
//! what callgrind counts.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::instructions::{self, Purpose};
use crate::{blackbox, packages, repository};

/// The package that holds the load generator and the benches of the pieces.
const PACKAGE: &str = "drystone-bench";

/// The package that is measured.
const SERVER: &str = "drystone";

/// Asks for other servers beside ours, and names one of them's program.
const PEERS: &str = "--peers";
const GARAGE: &str = "--garage";

/// Asks for the benches of the pieces.
const PIECES: &str = "--pieces";

/// Asks for instructions per operation.
const INSTRUCTIONS: &str = "--instructions";

/// Runs what is asked for in the foreground; `false` when it ended with another code than 0.
///
/// # Errors
/// When a program cannot be started.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    match arguments.split_first() {
        Some((first, rest)) if first == PIECES => {
            let bench = ["bench", "--quiet", "--package", PACKAGE, "--bench", "pieces", "--"];
            succeeds(cargo(&bench).args(rest))
        }
        Some((first, rest)) if first == INSTRUCTIONS => count_instructions(rest),
        _ => load(arguments),
    }
}

/// The load generator with these arguments.
fn load(arguments: &[String]) -> Result<bool> {
    let build = ["build", "--release", "--quiet", "--package", SERVER, "--package", PACKAGE];
    if !succeeds(&mut cargo(&build))? {
        return Ok(false);
    }
    let mut arguments = arguments.to_vec();
    if wants_garage(&arguments) {
        let program = packages::garage_measured().context("build Garage, to measure it")?;
        arguments.extend([GARAGE.to_owned(), program.to_string_lossy().into_owned()]);
    }
    // It runs where the caller is, as paths among its arguments are relative to that.
    let program = repository::root().join(repository::target()).join("release").join(PACKAGE);
    succeeds(Command::new(program).args(arguments))
}

/// Whether peers are asked for, Garage is one of them, and nobody says where its program is.
fn wants_garage(arguments: &[String]) -> bool {
    let value = |name: &str| {
        arguments.iter().enumerate().find_map(|(place, argument)| match argument.strip_prefix(name)? {
            "" => Some(arguments.get(place + 1).filter(|next| !next.starts_with('-')).map(String::as_str)),
            rest => rest.strip_prefix('=').map(Some),
        })
    };
    let peers = value(PEERS).is_some_and(|names| names.is_none_or(|names| names.contains("garage")));
    peers && value(GARAGE).is_none()
}

/// Builds what the stage `build` does, and counts.
fn count_instructions(arguments: &[String]) -> Result<bool> {
    let purpose = match arguments {
        [] => Purpose::Compare,
        [option] if option == "--write" => Purpose::Write,
        _ => bail!("`bench --instructions` knows --write only, not `{}`", arguments.join(" ")),
    };
    for mut build in blackbox::build() {
        if !succeeds(&mut build)? {
            return Ok(false);
        }
    }
    instructions::run(purpose).map(|()| true)
}

/// Cargo in the repository's root, on this terminal.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).current_dir(repository::root());
    command
}

fn succeeds(command: &mut Command) -> Result<bool> {
    let program = command.get_program().to_string_lossy().into_owned();
    Ok(command.status().with_context(|| format!("start {program}"))?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garage_is_built_only_for_those_who_measure_it() {
        let wants = |line: &str| wants_garage(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for line in
            ["--peers", "--peers --limits", "--only put4k --peers nginx,garage-sync", "--peers=garage"]
        {
            assert!(wants(line), "{line}");
        }
        for line in ["--limits", "--peers nginx", "--peers=nginx", "--peers --garage bin/garage"] {
            assert!(!wants(line), "{line}");
        }
    }
}
