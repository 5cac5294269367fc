//! Latencies of answered requests, and their percentiles.

use serde::Serialize;

/// Latencies in milliseconds; 0 when no request was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half of the requests were answered within this time.
    pub p50_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1,000.
    pub p999_ms: f64,
    /// All.
    pub max_ms: f64,
}

impl Percentiles {
    /// The percentiles of latencies in microseconds, by the nearest-rank method: each is a latency
    /// that was really seen.
    pub fn of(mut latencies_us: Vec<u32>) -> Self {
        latencies_us.sort_unstable();
        let count = latencies_us.len();
        let at = |per_mille: usize| {
            let rank = (count * per_mille).div_ceil(1000).max(1);
            latencies_us.get(rank - 1).map_or(0.0, |us| f64::from(*us) / 1000.0)
        };
        Self { p50_ms: at(500), p99_ms: at(990), p999_ms: at(999), max_ms: at(1000) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_latencies_that_were_seen() {
        let percentiles = Percentiles::of((1..=2000).rev().map(|ms| ms * 1000).collect());
        let want = Percentiles { p50_ms: 1000.0, p99_ms: 1980.0, p999_ms: 1998.0, max_ms: 2000.0 };
        assert_eq!(percentiles, want);
    }

    #[test]
    fn one_request_is_every_percentile_and_none_is_zero() {
        let one = Percentiles::of(vec![7_000]);
        assert_eq!(one, Percentiles { p50_ms: 7.0, p99_ms: 7.0, p999_ms: 7.0, max_ms: 7.0 });
        assert_eq!(Percentiles::of(Vec::new()), Percentiles::default());
    }
}
