//! `cargo xtask bench`: builds the load generator optimised and hands it the arguments as they are.

use std::process::Command;

use anyhow::{Context, Result};

use crate::repository;

/// The package that holds the load generator.
const PACKAGE: &str = "drystone-bench";

/// Runs the load generator in the foreground; `false` when it ended with another code than 0.
///
/// # Errors
/// When cargo cannot be started.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let status = Command::new(env!("CARGO"))
        .args(["run", "--release", "--quiet", "--package", PACKAGE, "--"])
        .args(arguments)
        .current_dir(repository::root())
        .status()
        .context("start cargo")?;
    Ok(status.success())
}
