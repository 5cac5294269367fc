//! How a file is cut into parts: as the parts that are stored already were cut, or anew.
//!
//! ListParts tells numbers and sizes, not offsets. All parts but the last have one size in every client that
//! people use, so the size is what the stored parts agree on; where they agree on none, nothing is guessed.

use std::ops::Range;

use crate::uploads::parts::Part;

/// Most parts of an upload. Source: Amazon S3 User Guide, "Multipart upload limits".
pub const PARTS_MAX: u64 = 10_000;

/// The size of parts when nothing is stored yet, and the file is not too large for it.
const PART_BYTES: u64 = 8 << 20;

/// Sizes of parts are chosen in steps of this.
const STEP_BYTES: u64 = 1 << 20;

/// A file, cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    file_bytes: u64,
    part_bytes: u64,
}

impl Layout {
    /// The layouts that fit every stored part, none when nothing does. There can be two when only a part at the
    /// end is stored; which of them it is, its bytes tell.
    pub fn candidates(file_bytes: u64, stored: &[Part]) -> Vec<Self> {
        let largest = stored.iter().map(|part| part.size).max();
        let Some((last, largest)) = stored.iter().max_by_key(|part| part.number).zip(largest) else {
            return vec![Self::anew(file_bytes)];
        };
        // When only the last part of all is stored, its size is what is left after the others'.
        let rest = file_bytes.checked_sub(last.size).zip(u64::from(last.number).checked_sub(1));
        let rest = rest.and_then(|(bytes, parts)| bytes.checked_div(parts)).filter(|bytes| *bytes != largest);
        let sizes = [Some(largest), rest].into_iter().flatten().filter(|bytes| *bytes > 0);
        let layouts = sizes.map(|part_bytes| Self { file_bytes, part_bytes });
        layouts
            .filter(|layout| layout.parts() <= PARTS_MAX && stored.iter().all(|part| layout.fits(part)))
            .collect()
    }

    fn anew(file_bytes: u64) -> Self {
        let least = file_bytes.div_ceil(PARTS_MAX).div_ceil(STEP_BYTES) * STEP_BYTES;
        Self { file_bytes, part_bytes: least.max(PART_BYTES) }
    }

    /// Number of parts.
    pub fn parts(self) -> u64 {
        self.file_bytes.div_ceil(self.part_bytes)
    }

    /// The bytes of a part, from number 1; `None` beyond the end.
    pub fn range(self, number: u64) -> Option<Range<u64>> {
        let begin = number.checked_sub(1)?.checked_mul(self.part_bytes)?;
        (begin < self.file_bytes).then(|| begin..(begin.saturating_add(self.part_bytes)).min(self.file_bytes))
    }

    fn fits(self, part: &Part) -> bool {
        self.range(part.number.into()).is_some_and(|range| range.end - range.start == part.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(sizes: &[(u32, u64)]) -> Vec<Part> {
        sizes.iter().map(|(number, size)| Part { number: *number, size: *size, ..Part::default() }).collect()
    }

    fn part_bytes(file_bytes: u64, sizes: &[(u32, u64)]) -> Vec<u64> {
        Layout::candidates(file_bytes, &parts(sizes)).iter().map(|layout| layout.part_bytes).collect()
    }

    #[test]
    fn the_stored_parts_say_how_the_file_was_cut() {
        assert_eq!(part_bytes(25, &[(1, 10)]), [10]);
        assert_eq!(part_bytes(25, &[(2, 10), (3, 5)]), [10]);
        assert_eq!(part_bytes(25, &[(3, 5)]), [5, 10], "one in the middle, or the last one");
        assert_eq!(part_bytes(25, &[(1, 25)]), [25], "the only one");
        let layout = Layout::candidates(25, &parts(&[(1, 10)]))[0];
        assert_eq!(
            (layout.parts(), layout.range(3), layout.range(4), layout.range(0)),
            (3, Some(20..25), None, None)
        );
    }

    #[test]
    fn parts_that_agree_on_no_size_are_not_guessed_at() {
        assert_eq!(part_bytes(25, &[(1, 10), (2, 9)]), [0; 0]);
        assert_eq!(part_bytes(25, &[(1, 10), (4, 5)]), [0; 0], "beyond the end");
        assert_eq!(part_bytes(5, &[(1, 10)]), [0; 0], "more than the file");
        assert_eq!(part_bytes(25, &[(1, 0)]), [0; 0]);
        assert_eq!(part_bytes(1 << 40, &[(1, 1 << 20)]), [0; 0], "more parts than there may be");
    }

    #[test]
    fn a_file_that_is_cut_anew_has_few_enough_parts() {
        assert_eq!(part_bytes(1, &[]), [PART_BYTES]);
        let large = Layout::candidates(48 << 40, &[])[0];
        assert!(large.parts() <= PARTS_MAX && large.part_bytes.is_multiple_of(STEP_BYTES));
    }
}
