//! One MD5 over bytes that are in the cache: the rate that one stream with an ETag cannot pass.

use std::time::Duration;

use md5::{Digest, Md5};

use crate::clock::Moment;
use crate::closed_loop::Tally;
use crate::payload::Payload;
use crate::profile::MIB;

/// How long it hashes.
const TIME: Duration = Duration::from_millis(500);

/// Hashes 1 MiB again and again, for half a second.
pub(super) fn hash() -> Tally {
    let mut payload = Payload::new(MIB as usize);
    let mut tally = Tally::default();
    let mut md5 = Md5::new();
    let start = Moment::now();
    while start.elapsed() < TIME {
        let begun = Moment::now();
        md5.update(payload.stamped(MIB, 0, tally.bytes));
        tally.latencies_us.push(begun.elapsed_us());
        tally.bytes += MIB;
        tally.started += 1;
    }
    tally.seconds = start.elapsed().as_secs_f64();
    // Nobody needs the digest; computing it must not be optimised away.
    std::hint::black_box(md5.finalize());
    tally
}
