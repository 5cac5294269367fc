//! `drystone ls|mb|rb|cp|rm|cat`: buckets and objects on any S3 server, with the AWS CLI's argument shapes.
//!
//! - a [`Listing`](listing::Listing) goes through the keys of a bucket, whatever the number of pages;
//! - a [`Sweep`](sweep::Sweep) deletes keys by the thousand and accounts for each;
//! - the other files are a command each.
//!
//! How bytes move is the business of [`transfer`](crate::transfer).

use std::process::ExitCode;

use clap::Subcommand;

use crate::command;

pub mod listing;

pub mod sweep;

pub mod ls;

pub mod mb;

pub mod rb;

pub mod rm;

pub mod naming;

pub mod place;

pub mod filters;

pub mod local_walk;

pub mod job;

pub mod runner;

pub mod cp;

pub mod cat;

/// What to do with buckets and objects.
#[derive(Debug, Subcommand)]
pub enum ObjectsVerb {
    /// List buckets, or the objects and folders of one, on any S3 server
    Ls(Box<ls::LsArgs>),
    /// Make a bucket
    Mb(Box<mb::MbArgs>),
    /// Remove a bucket
    Rb(Box<rb::RbArgs>),
    /// Copy files and objects, here to S3, S3 to here, S3 to S3
    Cp(Box<cp::CpArgs>),
    /// Delete objects
    Rm(Box<rm::RmArgs>),
    /// Write an object's bytes to standard output
    Cat(Box<cat::CatArgs>),
}

/// Runs the command and returns its exit code.
pub fn run(verb: ObjectsVerb) -> ExitCode {
    match verb {
        ObjectsVerb::Ls(args) => command::run(ls::run(*args)),
        ObjectsVerb::Mb(args) => command::run(mb::run(*args)),
        ObjectsVerb::Rb(args) => command::run(rb::run(*args)),
        ObjectsVerb::Cp(args) => command::run(cp::run(*args)),
        ObjectsVerb::Cat(args) => command::run(cat::run(*args)),
        ObjectsVerb::Rm(args) => command::run(rm::run(*args)),
    }
}
