//! How a request can fail, told with what a reader of a benchmark needs to find the cause.

use std::time::Duration;

/// Why a request, or a step of a workload, did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody answers at the address, or the connection broke.
    #[error("the connection failed while {doing}")]
    Connection {
        /// What was tried.
        doing: &'static str,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The answer is not HTTP/1.1 as this client knows it.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
    /// The answer is longer than what is kept of one.
    #[error("the answer has more than {max} bytes")]
    TooLong {
        /// Most bytes that are kept.
        max: usize,
    },
    /// The server refused.
    #[error("{request} was answered {status}: {body}")]
    Status {
        /// The method and the target.
        request: String,
        /// The status code.
        status: u16,
        /// The first bytes of the answer's body.
        body: String,
    },
    /// The server agreed, but the answer is wrong.
    #[error("{request} got a wrong answer: {why}")]
    Wrong {
        /// The method and the target.
        request: String,
        /// What is wrong.
        why: String,
    },
    /// The workload did not end.
    #[error("{workload} did not end within {} s", limit.as_secs())]
    TimedOut {
        /// The workload.
        workload: &'static str,
        /// How long it may take.
        limit: Duration,
    },
    /// Too many requests failed for a figure to mean anything.
    #[error("{workload} was given up after {errors} errors")]
    GivenUp {
        /// The workload.
        workload: &'static str,
        /// Requests that failed.
        errors: u64,
    },
    /// What the workload works on could not be made.
    #[error("{errors} of {requests} requests that prepare {workload} failed")]
    Unprepared {
        /// The workload.
        workload: &'static str,
        /// Requests that failed.
        errors: u64,
        /// Requests that were sent.
        requests: u64,
    },
    /// A server that was started here could not be started again.
    #[error("{0}")]
    Server(String),
    /// The file system is too small for the workload.
    #[error("{needed} bytes are needed and {available} are free: make the uploads smaller or fewer")]
    NoRoom {
        /// Bytes that the workload stores, and some room.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// The file system of a data directory cannot be asked.
    #[error("the free space of the data directory is not known")]
    Space(#[source] std::io::Error),
}

/// An error and its sources in one line.
pub struct Chain<'a>(pub &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
