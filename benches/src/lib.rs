//! The load generator: what a server does, how fast, and what it costs.
//!
//! Closed loop: each client sends its next request when the last one is answered, so that a slow
//! server is never asked for more than it can do and latencies are those of the load they are shown
//! with. All clients live on one thread: with a thread each, 32 of them would take the server's share
//! of a small machine. Requests go to loopback addresses only, are bounded in number and in time, and
//! every answer is checked; a workload that saw an error says so.
//!
//! In reading order: [`endpoint`], [`target`], [`launched`], [`server`] and [`peer`] say who is measured; [`sign`],
//! [`payload`], [`answer`], [`connection`] and [`client`] speak S3; [`closed_loop`] keeps the clients
//! busy; [`process`], [`descriptors`], [`disk`], [`latency`] and [`flamegraph`] observe; [`profile`] says how much; [`scenario`] holds
//! the workloads and [`limit`] what the machine could do; [`measurement`] and [`report`] tell.

pub mod clock;
pub mod endpoint;
pub mod target;
pub mod launched;
pub mod server;
pub mod peer;

pub mod sign;
pub mod payload;
pub mod answer;
pub mod connection;
pub mod failure;
pub mod client;
pub mod closed_loop;

pub mod process;
pub mod descriptors;
pub mod disk;
pub mod latency;
pub mod flamegraph;
pub mod machine;

pub mod profile;
pub mod measurement;
pub mod stage;
pub mod scenario;
pub mod limit;
pub mod report;

pub mod args;
pub mod plan;

#[cfg(test)]
mod testing;
