//! The name of each request, on its answer and in its log lines.
//!
//! A client's author reports `x-amz-request-id`; whoever runs the server finds it in the log. Ids
//! never repeat while the server runs, and say nothing about how many requests there were.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use drystone_core::access::RequestNumber;
use drystone_core::world::Entropy;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that names the request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
/// The header that names the server and the request.
pub const EXTENDED_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// Hands out ids.
#[derive(Debug)]
pub struct RequestIds {
    server: [u8; 16],
    start: u64,
    count: AtomicU64,
}

/// The id of one request: 16 hexadecimal digits, like AWS's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId {
    server: [u8; 16],
    number: u64,
}

impl RequestIds {
    /// Begins a series that no other start of a server has.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut server = [0; 16];
        entropy.fill(&mut server);
        Self { server, start: entropy.next_u64(), count: AtomicU64::new(0) }
    }

    /// The next id.
    pub fn next(&self) -> RequestId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        RequestId { server: self.server, number: scramble(self.start.wrapping_add(count)) }
    }
}

/// Shuffles numbers so that neighbours look unlike; no two inputs have one output, because each
/// step can be undone (SplitMix64, Steele, Lea and Flood 2014).
fn scramble(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

impl RequestId {
    /// The id as the core knows it, for the audit.
    pub fn number(&self) -> RequestNumber {
        RequestNumber(self.number)
    }

    /// The extended id, base64 of the server's own id and the request's: 32 characters.
    pub fn extended(&self) -> String {
        let mut bytes = [0; 24];
        let (server, number) = bytes.split_at_mut(16);
        server.copy_from_slice(&self.server);
        number.copy_from_slice(&self.number.to_be_bytes());
        STANDARD.encode(bytes)
    }

    /// Puts both ids on an answer.
    pub fn stamp(&self, headers: &mut HeaderMap) {
        let both = Bytes::from(format!("{self}{}", self.extended()));
        let value = |text: Bytes| {
            HeaderValue::from_maybe_shared(text).expect("hexadecimal and base64 are header characters")
        };
        headers.insert(REQUEST_ID, value(both.slice(..16)));
        headers.insert(EXTENDED_REQUEST_ID, value(both.slice(16..)));
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn ids_do_not_repeat_and_differ_between_starts() {
        let (one, two) = (RequestIds::new(&Fixed(0xff)), RequestIds::new(&Fixed(2)));
        let ids: HashSet<String> =
            (0..5000).flat_map(|_| [one.next().to_string(), two.next().to_string()]).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 16));
    }

    #[test]
    fn both_headers_are_on_the_answer() {
        let ids = RequestIds::new(&Fixed(7));
        let id = ids.next();
        let mut headers = HeaderMap::new();
        id.stamp(&mut headers);
        assert_eq!(headers[REQUEST_ID], id.to_string());
        assert_eq!(headers[EXTENDED_REQUEST_ID], id.extended());
        assert_eq!(id.extended().len(), 32);
    }
}
