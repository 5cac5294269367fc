//! The closed loop: clients that each send a request as soon as their last one is answered.
//!
//! Bounded three ways: by requests, by time, and by errors, since a server that refuses at once would
//! otherwise look fast. Connections are opened before the clock starts.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures_util::future::join_all;

use crate::client::Client;
use crate::clock::{self, Moment};
use crate::failure::{Chain, Failure};
use crate::target::Target;

/// Errors after which a workload is given up.
const ERRORS_MAX: u64 = 100;

/// Errors of a workload that are shown; the rest are counted.
const ERRORS_SHOWN: u64 = 3;

/// How long a workload may go on after its time, to let the last requests be answered.
const GRACE: Duration = Duration::from_mins(2);

/// How much work there is.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Clients at once.
    pub clients: usize,
    /// Size of each client's body buffer, in bytes.
    pub payload_bytes: usize,
    /// Most requests of all clients.
    pub requests: u64,
    /// Time after which no request is started.
    pub time: Duration,
}

/// What the clients did.
#[derive(Debug, Default)]
pub struct Tally {
    /// Latency of each request that succeeded, in microseconds.
    pub latencies_us: Vec<u32>,
    /// Body bytes that were moved by requests that succeeded.
    pub bytes: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Requests that were started.
    pub started: u64,
    /// Time from the first request to the last answer, in seconds.
    pub seconds: f64,
}

/// Runs `request` in a closed loop within `bounds`. It is given a client and the request's number,
/// counted from 0 over all clients, and answers with the body bytes that it moved.
///
/// # Errors
/// [`Failure::Connection`] when the server cannot be reached, [`Failure::TimedOut`],
/// [`Failure::GivenUp`]. The failure of a request is shown and counted.
pub async fn run<R>(
    target: &Target,
    workload: &'static str,
    bounds: Bounds,
    request: R,
) -> Result<Tally, Failure>
where
    R: AsyncFn(&mut Client<'_>, u64) -> Result<u64, Failure>,
{
    let mut clients: Vec<_> =
        (0..bounds.clients).map(|_| Client::new(target, bounds.payload_bytes)).collect();
    for client in &mut clients {
        client.open().await?;
    }
    let tally = RefCell::new(Tally::default());
    let next = Cell::new(0);
    let start = Moment::now();
    let work = join_all(clients.iter_mut().map(async |client| {
        while next.get() < bounds.requests && start.elapsed() < bounds.time {
            let number = next.get();
            next.set(number + 1);
            let sent = Moment::now();
            let outcome = request(client, number).await;
            let latency_us = sent.elapsed_us();
            let mut tally = tally.borrow_mut();
            match outcome {
                Ok(bytes) => {
                    tally.latencies_us.push(latency_us);
                    tally.bytes += bytes;
                }
                Err(failure) => {
                    tally.errors += 1;
                    if tally.errors <= ERRORS_SHOWN {
                        crate::report::talk(&format!("{} {workload}: {}", target.name, Chain(&failure)));
                    }
                    if tally.errors >= ERRORS_MAX {
                        break;
                    }
                }
            }
        }
    }));
    let limit = bounds.time + GRACE;
    if clock::within(limit, work).await.is_none() {
        return Err(Failure::TimedOut { workload, limit });
    }
    let mut tally = tally.into_inner();
    tally.seconds = start.elapsed().as_secs_f64();
    tally.started = next.get();
    if tally.errors >= ERRORS_MAX {
        return Err(Failure::GivenUp { workload, errors: tally.errors });
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Endpoint;
    use crate::target::{Defaults, PayloadSigning};
    use crate::testing::{always, wait};

    const BOUNDS: Bounds =
        Bounds { clients: 4, payload_bytes: 0, requests: 50, time: Duration::from_mins(1) };

    /// HEAD requests to a server that always answers `answer`.
    fn heads(answer: &'static [u8], bounds: Bounds) -> Result<Tally, Failure> {
        let credentials = crate::sign::Credentials {
            access_key: "key".to_owned(),
            secret_key: "secret".to_owned(),
            region: "us-east-1".to_owned(),
        };
        let payload_signing = PayloadSigning::Unsigned;
        let defaults = Defaults { credentials, bucket: "bucket".to_owned(), payload_signing };
        let endpoint = Endpoint::parse(&always(answer).to_string()).unwrap();
        let target = Target::new("test", endpoint, &defaults);
        wait(run(&target, "heads", bounds, async |client, _| client.head("key").await.map(|()| 7)))
    }

    #[test]
    fn no_more_requests_are_sent_than_allowed() {
        let tally = heads(b"HTTP/1.1 200 OK\r\n\r\n", BOUNDS).unwrap();
        assert_eq!((tally.started, tally.latencies_us.len(), tally.bytes, tally.errors), (50, 50, 350, 0));
    }

    #[test]
    fn no_request_is_started_after_the_time() {
        let tally = heads(b"HTTP/1.1 200 OK\r\n\r\n", Bounds { time: Duration::ZERO, ..BOUNDS }).unwrap();
        assert_eq!(tally.started, 0);
    }

    #[test]
    fn refusals_are_errors_and_not_fast_requests() {
        let tally = heads(b"HTTP/1.1 503 Slow Down\r\n\r\n", BOUNDS).unwrap();
        assert_eq!((tally.errors, tally.latencies_us.len(), tally.bytes), (50, 0, 0));
    }

    #[test]
    fn a_server_that_only_refuses_is_given_up() {
        let many = Bounds { requests: 1_000_000, ..BOUNDS };
        let outcome = heads(b"HTTP/1.1 503 Slow Down\r\n\r\n", many);
        let errors = ERRORS_MAX..ERRORS_MAX + BOUNDS.clients as u64;
        assert!(
            matches!(&outcome, Err(Failure::GivenUp { errors: seen, .. }) if errors.contains(seen)),
            "{outcome:?}"
        );
    }
}
