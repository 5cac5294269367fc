//! Which uploads a job aborts.
//!
//! What is asked for is frozen when it is previewed: idle times become points in time, buckets become their
//! numbers, and the store's sequence says which uploads there were. So a job never reaches an upload that began
//! after somebody looked at the plan, however long it waits or runs and whatever the clock does. Conditions that
//! moved along would abort what nobody has seen.

use crate::abort_jobs::job::JobError;
use crate::meta::records::HeldRecord;
use crate::names::{AccountId, BucketName, ObjectKey, Timestamp, UploadId};

/// Most buckets that a selection names.
pub const BUCKETS_NAMED_MAX: usize = 1_000;

/// What is asked for. All conditions must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// In these buckets; in all of the caller's when there are none.
    pub buckets: Vec<BucketName>,
    /// Only uploads of keys that begin with this.
    pub prefix: String,
    /// Only uploads that were initiated before this.
    pub initiated_before: Option<Timestamp>,
    /// Only uploads without a part for longer than this, in seconds.
    pub idle_longer_than_s: Option<u64>,
    /// Only uploads whose parts have this many bytes at least.
    pub min_bytes: u64,
    /// Only uploads that this account initiated.
    pub initiator: Option<AccountId>,
    /// Whether uploads of any age are meant.
    pub age: Age,
}

/// Whether a selection may do without a cut-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// It needs one: whoever forgets it would abort what is being uploaded now.
    CutOff,
    /// Everything that there is when it is previewed.
    All,
}

/// The conditions of a job, frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// Keys begin with this.
    pub prefix: Box<str>,
    /// The last number of the store's sequence at the preview: an upload with a later one did not exist.
    pub up_to: u64,
    /// Initiated before this.
    pub initiated_before: Option<Timestamp>,
    /// The last activity was before this.
    pub idle_since_before: Option<Timestamp>,
    /// The parts have this many bytes at least.
    pub min_bytes: u64,
    /// Who initiated it.
    pub initiator: Option<AccountId>,
}

impl Selection {
    /// Freezes the conditions; `last` is the last number of the store's sequence.
    ///
    /// # Errors
    /// [`JobError::Selection`] without a cut-off, and for a value that selects nothing or everything by mistake.
    pub(crate) fn freeze(&self, now: Timestamp, last: u64) -> Result<Conditions, JobError> {
        if self.age == Age::CutOff && self.initiated_before.is_none() && self.idle_longer_than_s.is_none() {
            return refuse(
                "The selection has no cut-off: say initiated_before or idle_longer_than_seconds, or \"all\": true \
                 for uploads of any age",
            );
        }
        if self.idle_longer_than_s == Some(0) {
            return refuse(
                "idle_longer_than_seconds is 0, which every upload is: say 1 or more, for example 86400 for a day",
            );
        }
        if self.buckets.len() > BUCKETS_NAMED_MAX {
            return refuse(
                "The selection names more than 1,000 buckets: name fewer, or none for all of yours",
            );
        }
        if self.prefix.len() > ObjectKey::BYTES_MAX {
            return refuse("The prefix is longer than a key can be, which is 1,024 bytes of UTF-8");
        }
        let idle_since = |seconds: u64| Timestamp(now.0.saturating_sub(seconds.saturating_mul(1000)));
        Ok(Conditions {
            prefix: self.prefix.as_str().into(),
            up_to: last,
            initiated_before: self.initiated_before,
            idle_since_before: self.idle_longer_than_s.map(idle_since),
            min_bytes: self.min_bytes,
            initiator: self.initiator.clone(),
        })
    }
}

impl Conditions {
    /// Whether this upload of that account may be meant: what can be told without looking at what it holds.
    pub(crate) fn may_hold(&self, id: &UploadId, initiator: &AccountId) -> bool {
        id.tie() <= self.up_to
            && self.initiated_before.is_none_or(|before| id.initiated() < before)
            && self.initiator.as_ref().is_none_or(|selected| selected == initiator)
    }

    /// Whether what an upload holds, and when it last did anything, is meant too.
    pub(crate) fn hold_for(&self, held: &HeldRecord) -> bool {
        held.bytes >= self.min_bytes
            && self.idle_since_before.is_none_or(|before| held.last_activity < before)
    }
}

fn refuse<T>(why: &str) -> Result<T, JobError> {
    Err(JobError::Selection(why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_420_800_000);

    fn selection() -> Selection {
        Selection {
            buckets: Vec::new(),
            prefix: String::new(),
            initiated_before: None,
            idle_longer_than_s: None,
            min_bytes: 0,
            initiator: None,
            age: Age::CutOff,
        }
    }

    #[test]
    fn what_began_after_the_preview_is_out_of_reach_whatever_the_clock_does() {
        let frozen = Selection { age: Age::All, ..selection() }.freeze(NOW, 7).unwrap();
        let mason = AccountId::new("mason");
        let upload = |initiated: u64, tie| UploadId::new(Timestamp(initiated), tie, 0);
        assert!(frozen.may_hold(&upload(NOW.0 + 5, 7), &mason), "its time may be ahead of the clock");
        assert!(!frozen.may_hold(&upload(NOW.0, 8), &mason));
        let future = Selection { initiated_before: Some(Timestamp(u64::MAX)), ..selection() };
        assert!(!future.freeze(NOW, 7).unwrap().may_hold(&upload(NOW.0, 8), &mason));
    }

    #[test]
    fn idle_times_become_points_in_time() {
        let idle = |seconds| {
            let asked = Selection { idle_longer_than_s: Some(seconds), ..selection() };
            asked.freeze(NOW, 7).map(|frozen| frozen.idle_since_before)
        };
        assert_eq!(idle(60).unwrap(), Some(Timestamp(NOW.0 - 60_000)));
        assert_eq!(idle(u64::MAX).unwrap(), Some(Timestamp(0)), "nothing is idle for that long");
        assert!(idle(0).is_err());
    }

    #[test]
    fn what_selects_by_mistake_is_refused() {
        let refused = |asked: Selection| asked.freeze(NOW, 7).unwrap_err().to_string();
        assert!(refused(selection()).contains("cut-off"));
        let many = vec![BucketName::parse("quarry").unwrap(); BUCKETS_NAMED_MAX + 1];
        assert!(refused(Selection { buckets: many, age: Age::All, ..selection() }).contains("1,000"));
        let long = Selection { prefix: "x".repeat(1_025), age: Age::All, ..selection() };
        assert!(refused(long).contains("1,024"));
    }
}
