//! The client commands: what people run against any S3 server, Drystone or not.
//!
//! They speak plain S3 through Amazon's SDK and can reach no storage of ours, so whatever they show is what
//! any client could see. Where the server is Drystone they use what it offers beyond S3, and they never rely
//! on it. One file per command; below them stand the words that all commands share:
//!
//! - [`Target`](target::Target): the bucket and the key or prefix that an argument names.
//! - [`Connection`](connection::Connection): where the server is and who is asking, as in the AWS CLI.
//! - [`Output`](output::Output): data on standard output, talk on standard error, for people or as JSON.
//! - [`Failure`](failure::Failure): what happened, to which thing, and what to do next.
//! - [`Ending`](ending::Ending): the exit code.
//!
//! Without the one place for each, every command would read `7d`, find its credentials and print a size in a
//! way of its own, and one of them would read too much into an option.

pub mod target;

pub mod moment;

pub mod size;

pub mod shell;

pub mod ending;

pub mod failure;

pub mod connection;

pub mod xml;

pub mod raw;

pub mod server;

pub mod listed_key;

pub mod output;

pub mod table;

pub mod progress;

pub mod interrupt;

pub mod stop;

pub mod work;

pub mod pause;

pub mod command;

pub mod uploads;

pub mod transfer;

pub mod objects;
