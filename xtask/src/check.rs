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

/// Targets with the features that tests ask of dependencies, but without tests. There are no examples: cargo only takes
/// test dependencies into account because somebody asks for some, and so a dependency is checked once for all passes.
const BESIDE_TESTS: &[&str] = &["--lib", "--bins", "--examples"];

/// No lint fires anywhere: in what is shipped; in that and all tests and benches with mistakes to plant; and in the
/// models, which one more pass sees together.
pub(crate) fn clippy() -> Vec<Command> {
    let all: &[&str] = &["--all-targets"];
    [(&["--workspace"][..], BESIDE_TESTS), (builds::WHOLE, all), (builds::SCHEDULED, all)]
        .map(|(build, targets)| cargo(&[&["clippy"], build, targets, &["--", "-D", "warnings"]].concat()))
        .into()
}

/// The documentation builds without a warning: every link leads somewhere.
pub(crate) fn documentation() -> Vec<Command> {
    let mut command = cargo(&[&["doc", "--workspace", "--no-deps"], BESIDE_TESTS].concat());
    command.env("RUSTDOCFLAGS", "-D warnings");
    vec![command]
}
