//! One S3 operation, some rounds of it, for callgrind to count: `cargo xtask bench --instructions`.
//!
//! `drystone-instructions --list` prints each operation with its rounds, `drystone-instructions NAME` plays one. What
//! is counted is everything between [`measured`]'s first instruction and its last; the caller says so to callgrind by
//! that name (`--toggle-collect`), so that start, preparation and end are left out exactly, and callgrind's file shows
//! the operation alone. Counts divided by the rounds are instructions per operation.
//!
//! A count is the same in every run, because nothing here varies: the clock ticks, chance comes from a seed, and every
//! request was written down before. What varies still is the seed of the standard library's hash maps: measured, less
//! than 0.1 %.
//!
//! Counted is the way of a request through the whole service: route, signature, handler, core, both doors, answer, its
//! line in the log and its metrics. Not counted: HTTP's own framing (hyper), sockets and the kernel.
//!
//! The doors are in memory, where one thread does everything. Over the doors on disk (`disk-`) only the thread of the
//! request is counted, which measured the same within 0.6 %. With the commit lane and the engine's workers, five runs
//! differed by 25 %: those take as many requests at once as happen to wait. Their price is for clocks to tell.
#![expect(clippy::print_stdout, reason = "what this program is asked for is its output")]

#[path = "../../pieces/signed_request.rs"]
mod signed_request;
#[path = "../../pieces/arriving.rs"]
mod arriving;
#[path = "../../pieces/fixed_world.rs"]
mod fixed_world;
#[path = "../../pieces/memory_store.rs"]
mod memory_store;
mod server;
mod exchange;
mod operations;

use std::process::ExitCode;

use crate::exchange::Exchange;
use crate::operations::{Afterwards, OPERATIONS, Operation};
use crate::server::Server;

/// Rounds before the measured ones: what happens once is over then.
const WARM_UP_ROUNDS: usize = 4;

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    match asked.as_slice() {
        [option] if option == "--list" => {
            OPERATIONS.iter().for_each(|operation| println!("{} {}", operation.name, operation.rounds));
            ExitCode::SUCCESS
        }
        [name] => match OPERATIONS.iter().find(|operation| operation.name == name) {
            Some(operation) => {
                play(operation);
                ExitCode::SUCCESS
            }
            None => refuse(),
        },
        _ => refuse(),
    }
}

fn refuse() -> ExitCode {
    println!("usage: drystone-instructions --list | NAME");
    ExitCode::from(2)
}

fn play(operation: &Operation) {
    let server = Server::new(operation.doors);
    let mut exchanges = (operation.prepare)(&server, WARM_UP_ROUNDS + operation.rounds);
    let rounds = exchanges.split_off(WARM_UP_ROUNDS);
    assert_eq!(rounds.len(), operation.rounds, "every round has its request");
    exchanges.into_iter().for_each(|exchange| server.exchange(exchange));
    measured(&server, rounds, operation.afterwards);
}

/// What callgrind counts; the name is what `cargo xtask bench --instructions` tells it.
#[inline(never)]
fn measured(server: &Server, rounds: Vec<Exchange>, afterwards: Afterwards) {
    rounds.into_iter().for_each(|exchange| server.exchange(exchange));
    match afterwards {
        Afterwards::Nothing => {}
        Afterwards::GiveBack => server.give_back(),
    }
}
