//! Recovery after a crash: what no record names is given back.
//!
//! Only volumes that were open when the process ended without a clean stop can hold bytes that nobody
//! owns: extents that were being written, or whose transaction never came. Each such volume's
//! allocated ranges are compared with the extents that have an owner or wait on the reclaim list, and
//! the rest is punched. Repeating it is harmless.

use std::ops::Range;

use crate::data::door::{Data, ExtentId};
use crate::error::Error;
use crate::meta::door::{MetaError, Order, View};
use crate::meta::records::{ExtentRecord, FreedRecord, Record};
use crate::meta::tables::{self, Within};
use crate::planted::{Mistake, planted};
use crate::store::Store;

impl Store {
    /// Brings the store back after whatever ended the last process; quick after a clean stop.
    ///
    /// # Errors
    /// [`Error::Data`] or [`Error::Meta`]: the store must not serve then.
    pub async fn recover(&self) -> Result<(), Error> {
        for volume in self.data.suspects() {
            let owned = {
                let view = self.meta.snapshot();
                owned_ranges(&*view, &*self.data, volume)?
            };
            let unowned = subtract(&self.data.allocated(volume)?, &owned);
            if !unowned.is_empty() && !planted(Mistake::RecoveryForgetsSuspects) {
                let bytes: u64 = unowned.iter().map(|range| range.end - range.start).sum();
                tracing::info!(volume, bytes, "giving back bytes that an interrupted request left");
                self.data.punch(volume, &unowned)?;
            }
        }
        self.data.recovered();
        if !planted(Mistake::CondemnedForgottenAtStart) {
            self.free_all_condemned().await?;
        }
        self.give_back().await?;
        Ok(())
    }
}

/// The ranges of `volume` that have an owner or wait on the reclaim list, ascending.
pub(crate) fn owned_ranges(
    view: &dyn View,
    data: &dyn Data,
    volume: u64,
) -> Result<Vec<Range<u64>>, MetaError> {
    let first = ExtentId { volume, offset: 0 };
    let of_volume = |key: Vec<u8>| Within::prefix(key.get(..9).unwrap_or_default().to_vec());
    let mut owned = Vec::new();
    for row in view.scan(of_volume(tables::extent(first)).range(), Order::Ascending) {
        let (key, value) = row?;
        owned.push(data.footprint(tables::read_extent_key(&key)?, ExtentRecord::decode(&key, value)?.len));
    }
    for row in view.scan(of_volume(tables::reclaim(first)).range(), Order::Ascending) {
        let (key, value) = row?;
        owned.push(data.footprint(tables::read_extent_key(&key)?, FreedRecord::decode(&key, value)?.len));
    }
    owned.sort_by_key(|range| range.start);
    Ok(owned)
}

/// What of `allocated` is not in `owned`; both ascending.
pub(crate) fn subtract(allocated: &[Range<u64>], owned: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut left = Vec::new();
    let mut owned = owned.iter().peekable();
    for range in allocated {
        let mut start = range.start;
        while start < range.end {
            while owned.next_if(|o| o.end <= start).is_some() {}
            match owned.peek() {
                Some(o) if o.start <= start => start = o.end,
                next => {
                    let end = next.map_or(range.end, |o| o.start.min(range.end));
                    left.push(start..end);
                    start = end;
                }
            }
        }
    }
    left
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_owns_is_found_exactly() {
        let check = |allocated: &[Range<u64>], owned: &[Range<u64>], want: &[Range<u64>]| {
            assert_eq!(subtract(allocated, owned), want, "{allocated:?} minus {owned:?}");
        };
        check(&[], &[0..4], &[]);
        check(&[0..8], &[], &[0..8]);
        check(&[0..8], &[0..8], &[]);
        check(&[0..8], &[2..4], &[0..2, 4..8]);
        check(&[0..8], &[0..2, 2..4, 6..8], &[4..6]);
        check(&[0..4, 8..12], &[2..10], &[0..2, 10..12]);
        check(&[4..8, 8..12], &[0..4, 12..16], &[4..8, 8..12]);
    }
}
