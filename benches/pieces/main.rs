//! The pieces, each alone, measured by criterion: `cargo xtask bench --pieces`.
//!
//! They tell where a server's time goes and whether a change made a piece slower; how fast the whole is
//! the load generator tells. In reading order: a request's signature is verified, its body decoded and
//! hashed, its record written and read, the store does it all in memory, lists, and counts.

mod signed_request;
mod signature;
mod arriving;
mod body;
mod digests;
mod records;
mod fixed_world;
mod memory_store;
mod objects;
mod listing;
mod census;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    signature::bench(&mut criterion);
    body::bench(&mut criterion);
    digests::bench(&mut criterion);
    records::bench(&mut criterion);
    objects::bench(&mut criterion);
    listing::bench(&mut criterion);
    census::bench(&mut criterion);
    criterion.final_summary();
}
