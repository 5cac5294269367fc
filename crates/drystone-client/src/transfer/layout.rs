//! How a length is cut into parts, so that 10,000 of them are always enough.
//!
//! Source of the limits: Amazon S3 User Guide, "Multipart upload limits": parts of 5 MiB to 5 GiB, the last one of
//! any size, numbered from 1 to 10,000.

use crate::failure::Failure;
use crate::size::Size;

/// The bytes of a part, as long as 10,000 of them are enough: those of the AWS CLI. What is not longer than one is
/// sent in a single request.
pub const PIECE_BYTES: u64 = 8 << 20;

/// The most parts that an upload can have.
pub const PIECES_MAX: u64 = 10_000;

/// The largest part.
pub const PIECE_BYTES_MAX: u64 = 5 << 30;

/// Of a body whose length nobody knows, parts of one size; then they double. 1,000 parts of 8 MiB are 8 GiB, and
/// ten such runs are 8 TiB with a last size of 4 GiB.
const RUN_PIECES: u64 = 1_000;

/// A part of a body: where it is, and which number it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The part's number, from 1.
    pub number: u32,
    /// Its first byte.
    pub offset: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// How a body of a known length is cut: parts of one size, and a last one that may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    length: u64,
    piece_bytes: u64,
}

impl Layout {
    /// Cuts a body of `length` bytes.
    ///
    /// # Errors
    /// When 10,000 parts of 5 GiB are not enough.
    pub fn of(length: u64) -> Result<Self, Failure> {
        let mut piece_bytes = PIECE_BYTES;
        while length.div_ceil(piece_bytes) > PIECES_MAX {
            piece_bytes *= 2;
        }
        // Doubling ends at 8 GiB; the largest part may still do.
        if piece_bytes > PIECE_BYTES_MAX {
            piece_bytes = PIECE_BYTES_MAX;
        }
        if length.div_ceil(piece_bytes) > PIECES_MAX {
            let most = Size(PIECES_MAX * PIECE_BYTES_MAX);
            let words = "it is too long for an object, whose 10,000 parts of 5 GiB hold";
            return Err(Failure::Usage(format!("{} are to be moved: {words} {most}", Size(length))));
        }
        Ok(Self { length, piece_bytes })
    }

    /// Cuts a body as somebody else has begun to, into parts of `piece_bytes`. `None` when that needs more than
    /// 10,000.
    pub fn with_pieces_of(length: u64, piece_bytes: u64) -> Option<Self> {
        (piece_bytes > 0 && length.div_ceil(piece_bytes) <= PIECES_MAX)
            .then_some(Self { length, piece_bytes })
    }

    /// The bytes of every part but the last.
    pub fn piece_bytes(self) -> u64 {
        self.piece_bytes
    }

    /// Whether one request is enough.
    pub fn is_single(self) -> bool {
        self.length <= PIECE_BYTES
    }

    /// The parts in order. An empty body has one, which is empty.
    pub fn pieces(self) -> impl Iterator<Item = Piece> + Clone {
        let pieces = self.length.div_ceil(self.piece_bytes).max(1);
        (0..pieces).map(move |at| {
            let offset = at * self.piece_bytes;
            let number = u32::try_from(at + 1).expect("an upload has 10,000 parts at most");
            Piece { number, offset, bytes: self.piece_bytes.min(self.length - offset) }
        })
    }
}

/// The bytes of part `number` (from 1) of a body whose length nobody knows; `None` behind the last part.
pub fn open_ended_piece_bytes(number: u64) -> Option<u64> {
    (1..=PIECES_MAX).contains(&number).then(|| PIECE_BYTES << ((number - 1) / RUN_PIECES))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIB: u64 = 1 << 40;

    #[test]
    fn pieces_cover_a_body_without_gap_or_overlap() {
        for length in
            [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 40 << 20, TIB + 7, 5 * TIB, 48 * TIB]
        {
            let layout = Layout::of(length).unwrap();
            let mut expected = Piece { number: 1, offset: 0, bytes: 0 };
            let mut last = 0;
            for piece in layout.pieces() {
                assert_eq!((piece.number, piece.offset), (expected.number, expected.offset), "{length}");
                expected = Piece { number: piece.number + 1, offset: piece.offset + piece.bytes, ..piece };
                last = piece.number;
            }
            assert_eq!(expected.offset, length);
            assert!(
                u64::from(last) <= PIECES_MAX && layout.piece_bytes() <= PIECE_BYTES_MAX,
                "{length}: {last}"
            );
        }
        assert_eq!(Layout::of(PIECES_MAX * PIECE_BYTES).unwrap().piece_bytes(), PIECE_BYTES);
        assert_eq!(Layout::of(PIECES_MAX * PIECE_BYTES + 1).unwrap().piece_bytes(), 2 * PIECE_BYTES);
        assert!(
            Layout::of(PIECE_BYTES).unwrap().is_single() && !Layout::of(PIECE_BYTES + 1).unwrap().is_single()
        );
    }

    #[test]
    fn what_no_object_can_hold_is_refused_before_a_byte_is_sent() {
        assert!(Layout::of(PIECES_MAX * PIECE_BYTES_MAX).is_ok());
        let complaint = Layout::of(PIECES_MAX * PIECE_BYTES_MAX + 1).unwrap_err().to_string();
        assert!(complaint.contains("48.8 TiB"), "{complaint}");
        assert_eq!(Layout::with_pieces_of(100, 0), None);
        assert_eq!(Layout::with_pieces_of(10_001, 1), None);
        assert_eq!(Layout::with_pieces_of(10_001, 2).unwrap().pieces().count(), 5_001);
    }

    #[test]
    fn a_body_of_unknown_length_fits_into_10_000_parts_up_to_5_tib() {
        let sizes: Vec<u64> = (1..).map_while(open_ended_piece_bytes).collect();
        assert_eq!(sizes.len() as u64, PIECES_MAX);
        assert!(sizes.iter().sum::<u64>() > 5 * TIB && sizes.iter().all(|bytes| *bytes <= PIECE_BYTES_MAX));
        assert_eq!((sizes[0], sizes[999], sizes[1_000]), (PIECE_BYTES, PIECE_BYTES, 2 * PIECE_BYTES));
        assert_eq!(open_ended_piece_bytes(0), None);
    }
}
