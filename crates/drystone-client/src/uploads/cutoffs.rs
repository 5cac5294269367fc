//! Which uploads are meant: those that are older than, idle for longer than, or larger than something.
//!
//! Every cut-off narrows what the others leave; none can widen it. What a server does not tell never speaks
//! against an upload: without a time of initiation it is not old, without a known size it is not large.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::failure::Failure;
use crate::moment::{self, parse_duration, parse_time};
use crate::uploads::upload::Upload;

/// Cut-offs by time, as typed.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct CutoffArgs {
    /// Only uploads that were started longer ago than this: 7d, 36h, 2w
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub older_than: Option<SignedDuration>,
    /// Only uploads that were started before this time: 2026-11-01T00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub initiated_before: Option<Timestamp>,
    /// Only uploads that received no part for this long: 6h, 1d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub idle: Option<SignedDuration>,
}

impl CutoffArgs {
    /// Whether none was typed.
    pub fn is_empty(&self) -> bool {
        self.older_than.is_none() && self.initiated_before.is_none() && self.idle.is_none()
    }

    /// The cut-offs as seen from `now`, from which they stand still.
    ///
    /// # Errors
    /// When a cut-off lies in the future, and so would cut nothing off.
    pub fn at(&self, now: Timestamp) -> Result<Cutoffs, Failure> {
        if let Some(time) = self.initiated_before.filter(|time| *time > now) {
            let time = moment::shown(time);
            return Err(Failure::Usage(format!(
                "--initiated-before {time} lies in the future, so every upload would be meant; name a time that has \
                 passed, as in {}",
                moment::shown(now.saturating_sub(SignedDuration::from_hours(24 * 7)).unwrap_or(now))
            )));
        }
        let before = |duration: SignedDuration| now.saturating_sub(duration).unwrap_or(Timestamp::MIN);
        let older = self.older_than.map(before);
        let initiated_before = match (older, self.initiated_before) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Ok(Cutoffs { initiated_before, idle_since_before: self.idle.map(before), min_bytes: 0 })
    }
}

/// Cut-offs that stand still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cutoffs {
    /// Only uploads that were initiated before this time.
    #[serde(serialize_with = "moment::json::time_or_null")]
    pub initiated_before: Option<Timestamp>,
    /// Only uploads without a sign of life since this time.
    #[serde(serialize_with = "moment::json::time_or_null")]
    pub idle_since_before: Option<Timestamp>,
    /// Only uploads that hold at least so many bytes.
    pub min_bytes: u64,
}

impl Cutoffs {
    /// Whether an upload's time of initiation lets it through; asked before its parts are.
    pub fn admit_initiated(&self, upload: &Upload) -> bool {
        let begins = self.initiated_before.is_none_or(|cut| upload.initiated.is_some_and(|time| time < cut));
        // What was created after the idle cut-off cannot have been idle since before it.
        let idles = self.idle_since_before.is_none_or(|cut| upload.initiated.is_none_or(|time| time < cut));
        begins && idles
    }

    /// Whether an upload is meant, once it is known what it holds.
    pub fn admit(&self, upload: &Upload) -> bool {
        let idles = self.idle_since_before.is_none_or(|cut| {
            // Without its parts an upload's last sign of life is not known.
            upload.held.is_some() && upload.last_activity().is_some_and(|time| time < cut)
        });
        let large = self.min_bytes == 0 || upload.held.is_some_and(|held| held.bytes >= self.min_bytes);
        self.admit_initiated(upload) && idles && large
    }

    /// Whether it takes an upload's parts to judge it.
    pub fn need_parts(&self) -> bool {
        self.idle_since_before.is_some() || self.min_bytes > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uploads::upload::Held;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + 3_600 * hour).unwrap()
    }

    fn upload(initiated: Option<i64>, last_activity: Option<i64>, bytes: u64) -> Upload {
        Upload {
            bucket: "b".into(),
            key: "k".into(),
            id: "1".into(),
            initiated: initiated.map(at),
            initiator: None,
            held: last_activity.map(|hour| Held { parts: 1, bytes, last_activity: Some(at(hour)) }),
            fate: None,
        }
    }

    #[test]
    fn every_cutoff_narrows() {
        let args =
            CutoffArgs { older_than: Some(HOUR * 5), initiated_before: Some(at(2)), idle: Some(HOUR * 3) };
        let cutoffs = Cutoffs { min_bytes: 10, ..args.at(at(10)).unwrap() };
        assert_eq!((cutoffs.initiated_before, cutoffs.idle_since_before), (Some(at(2)), Some(at(7))));
        assert!(cutoffs.admit(&upload(Some(1), Some(6), 10)));
        for spared in
            [upload(Some(2), Some(6), 10), upload(Some(1), Some(7), 10), upload(Some(1), Some(6), 9)]
        {
            assert!(!cutoffs.admit(&spared), "{spared:?}");
        }
        assert!(Cutoffs::default().admit(&upload(None, None, 0)), "no cut-off, no exception");
    }

    #[test]
    fn what_is_not_known_never_speaks_against_an_upload() {
        let old = CutoffArgs { older_than: Some(HOUR), ..CutoffArgs::default() }.at(at(10)).unwrap();
        assert!(!old.admit(&upload(None, Some(0), 1)));
        let idle = CutoffArgs { idle: Some(HOUR), ..CutoffArgs::default() }.at(at(10)).unwrap();
        assert!(!idle.admit(&upload(Some(0), None, 1)), "its parts may be new");
        assert!(idle.admit(&upload(None, Some(0), 1)));
        let large = Cutoffs { min_bytes: 1, ..Cutoffs::default() };
        assert!(!large.admit(&upload(Some(0), None, 1)));
    }

    #[test]
    fn a_cutoff_in_the_future_is_refused() {
        let args = CutoffArgs { initiated_before: Some(at(11)), ..CutoffArgs::default() };
        let complaint = args.at(at(10)).unwrap_err().to_string();
        assert!(complaint.contains("future") && complaint.contains("as in 2026-"), "{complaint}");
    }
}
