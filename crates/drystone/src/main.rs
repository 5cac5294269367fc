//! The `drystone` binary: arguments, configuration, wiring and signals. It decides nothing about
//! objects; it introduces the rooms that do to each other.

mod args;
mod config;
mod keys;
mod quotas;
mod log;
mod greeting;
mod connections;
mod serve;
mod housekeeping;
mod abort_jobs;
mod census;
mod scrub;
mod verify;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;
use drystone_core::store::Chain;

use crate::args::{Command, Verb};

fn main() -> ExitCode {
    let command = Command::parse();
    let outcome = match command.verb {
        Verb::Serve(args) => serve::run(*args).map(|()| ExitCode::SUCCESS),
        Verb::Verify(args) => verify::run(&args),
        Verb::Objects(verb) => Ok(drystone_client::objects::run(verb)),
        Verb::Uploads(args) => Ok(drystone_client::uploads::run(*args)),
    };
    outcome.unwrap_or_else(|error| {
        log::complain(&format!("drystone: {}", Chain(error.as_ref())));
        ExitCode::from(2)
    })
}
