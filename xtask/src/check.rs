//! The checks that run no test: formatting, clippy, the documentation.

use std::process::Command;

use crate::{builds, repository};

/// Cargo in the repository's root, without colour, so that a log is plain text.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).current_dir(repository::root()).env("CARGO_TERM_COLOR", "never");
    command
}

/// Every file is formatted as rustfmt would.
pub(crate) fn formatting() -> Vec<Command> {
    vec![cargo(&["fmt", "--all", "--check"])]
}

/// No lint fires anywhere, tests and benches included; nor in what only the tests' own features build: planted
/// mistakes, and the models, which one more pass sees together.
pub(crate) fn clippy() -> Vec<Command> {
    [&["--workspace"], builds::WHOLE, builds::SCHEDULED]
        .map(|build| cargo(&[&["clippy"], build, &["--all-targets", "--", "-D", "warnings"]].concat()))
        .into()
}

/// The documentation builds without a warning: every link leads somewhere.
pub(crate) fn documentation() -> Vec<Command> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    vec![command]
}
