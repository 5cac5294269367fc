//! `drystone uploads`: multipart uploads that nobody finished, on any S3 server.
//!
//! Their parts take room, cost money and stand in no listing of objects. The commands here show them with what
//! they hold, abort them, finish them, and write the rule that aborts them by itself:
//!
//! - an [`Upload`](upload::Upload) is one of them, as far as the server tells;
//! - a [`Walk`](walk::Walk) goes through all of a bucket's, whatever the number of pages;
//! - [`Holdings`](holdings::Holdings) finds out what they hold, where the listing does not say;
//! - [`Cutoffs`](cutoffs::Cutoffs) say which are meant.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::command;

pub mod upload;

pub mod extensions;

pub mod walk;

pub mod parts;

pub mod holdings;

pub mod cutoffs;

pub mod buckets;

pub mod totals;

pub mod ls;

pub mod outcome;

pub mod aborting;

pub mod receipt;

pub mod abort;

mod bulk;

pub mod lifecycle;

pub mod rule;

pub mod digest;

pub mod layout;

pub mod resume;

/// Unfinished multipart uploads: see what they hold, abort them, finish them.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct UploadsArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: UploadsVerb,
}

/// What to do with uploads.
#[derive(Debug, Subcommand)]
pub enum UploadsVerb {
    /// List unfinished uploads with what they hold
    Ls(Box<ls::LsArgs>),
    /// Abort unfinished uploads, by id or by age, and prove that they are gone
    Abort(Box<abort::AbortArgs>),
    /// Finish an upload that broke off, sending only what is missing
    Resume(Box<resume::ResumeArgs>),
    /// Show, set, preview or remove the lifecycle rule that aborts unfinished uploads by itself
    Rule(Box<rule::RuleArgs>),
}

/// Runs the command and returns its exit code.
pub fn run(args: UploadsArgs) -> ExitCode {
    match args.verb {
        UploadsVerb::Ls(args) => command::run(ls::run(*args)),
        UploadsVerb::Abort(args) => command::run(abort::run(*args)),
        UploadsVerb::Resume(args) => command::run(resume::run(*args)),
        UploadsVerb::Rule(args) => command::run(rule::run(*args)),
    }
}
