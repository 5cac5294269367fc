//! The tests that drive the built binary from outside: pytest suites, and the programs that they start.

use std::path::PathBuf;
use std::process::Command;

use crate::check::cargo;
use crate::{builds, packages, repository};

/// The binary under test, optimised, because clients move gigabytes through it, and what callgrind counts.
pub(crate) fn build() -> Vec<Command> {
    vec![cargo(&["build", "--release", "--package", "drystone", "--package", "drystone-instructions"])]
}

/// Every workload of the load generator, briefly: it proves that they run, and measures nothing, so that the load
/// generator need not be optimised.
pub(crate) fn bench_smoke() -> Vec<Command> {
    let mut command = Command::new(repository::target().join("debug/drystone-bench"));
    command.args(["--smoke", "--server"]).current_dir(repository::root());
    command.arg(format!("drystone={}", drystone().display()));
    vec![command]
}

/// The binary under test.
fn drystone() -> PathBuf {
    repository::target().join("release/drystone")
}

/// The tests' own source is formatted and holds no lint. Where nothing is installed yet, the linter is first.
pub(crate) fn python() -> Vec<Command> {
    let ruff = |arguments: &[&str]| {
        let mut command = Command::new(packages::python_home().join("bin/ruff"));
        // In its folder, to which the paths in `ruff.toml` are relative.
        command.args(arguments).arg("--no-cache").current_dir(repository::root().join("tests"));
        command
    };
    let mut commands = packages::linter();
    commands.extend([ruff(&["check"]), ruff(&["format", "--check"])]);
    commands
}

/// The pytest suite in `tests/NAME`.
pub(crate) fn suite(name: &str) -> Vec<Command> {
    let root = repository::root();
    let mut command = Command::new(packages::python_home().join("bin/python"));
    command.args(["-B", "-m", "pytest", "--config-file"]).arg(root.join("tests/pytest.ini"));
    command.arg(root.join("tests").join(name)).current_dir(root);
    command.env("PATH", packages::path());
    command.env("DRYSTONE_BINARY", drystone());
    command.env("DRYSTONE_RUST_CLIENT", repository::target().join("debug/rust-client"));
    command.env("DRYSTONE_NODE_MODULES", packages::node_home().join("node_modules"));
    command.env("DRYSTONE_JAVA_SDK", packages::java_sdk());
    command.env("DRYSTONE_GARAGE", packages::garage_program());
    vec![command]
}

/// The programs of the unit tests' build, where they are only linked: the binary with planted mistakes, which the
/// fault suite must catch, the load generator, and the client on the AWS SDK for Rust.
pub(crate) fn build_unoptimised() -> Vec<Command> {
    vec![cargo(&[&["build"], builds::WHOLE, builds::TARGETS].concat())]
}

/// The suite in `tests/faults`, whole: it fails when it tried less than it has to.
pub(crate) fn faults() -> Vec<Command> {
    let mut commands = suite("faults");
    for command in &mut commands {
        // Its tests differ much in length, so a worker that has nothing left takes over from the other.
        command.args(["--dist", "worksteal"]).env("DRYSTONE_FAULTS", "whole");
        command.env("DRYSTONE_PLANTED_BINARY", repository::target().join("debug/drystone"));
    }
    commands
}
