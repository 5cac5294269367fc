//! Bodies that no server can cheat on: incompressible, and different every 64 KiB.
//!
//! A server that deduplicates blocks or compresses them would be flattered 1.5 to 2 times by bodies
//! that repeat. A *stamp* of 16 bytes at each 64 KiB names the object and the offset, so that no two
//! blocks are equal; and whoever reads the object can check, at the price of 16 bytes in 65,536, that
//! it got the right bytes at the right place.

use sha2::{Digest, Sha256};

/// Bytes from one stamp to the next.
pub const STAMP_EVERY: usize = 64 * 1024;

/// Length of a stamp, in bytes.
const STAMP_BYTES: usize = 16;

/// The stamp of the object `id` at `offset`.
fn stamp(id: u64, offset: u64) -> [u8; STAMP_BYTES] {
    let mut bytes = [0; STAMP_BYTES];
    let (name, place) = bytes.split_at_mut(8);
    name.copy_from_slice(&id.to_le_bytes());
    place.copy_from_slice(&(!id ^ offset).to_le_bytes());
    bytes
}

/// A client's buffer of body bytes.
#[derive(Debug)]
pub struct Payload(Vec<u8>);

impl Payload {
    /// A buffer of `len` incompressible bytes.
    pub fn new(len: usize) -> Self {
        // xorshift64*: cheap, and random enough that no compressor finds anything.
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
        }
        bytes.truncate(len);
        Self(bytes)
    }

    /// Length of the buffer, in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the buffer holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of the object `id` from `offset` on: as many as the buffer holds, at most `len`.
    pub fn stamped(&mut self, len: u64, id: u64, offset: u64) -> &[u8] {
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(self.0.len());
        let bytes = self.0.get_mut(..len).unwrap_or_default();
        let mut at = offset;
        for block in bytes.chunks_mut(STAMP_EVERY) {
            if let Some(place) = block.first_chunk_mut::<STAMP_BYTES>() {
                *place = stamp(id, at);
            }
            at += STAMP_EVERY as u64;
        }
        bytes
    }

    /// The SHA-256 of `len` bytes of the object `id` from `offset` on, in hexadecimal.
    pub fn sha256(&mut self, len: u64, id: u64, offset: u64) -> String {
        let mut hash = Sha256::new();
        let mut done = 0;
        while done < len && !self.0.is_empty() {
            let piece = self.stamped(len - done, id, offset + done);
            done += piece.len() as u64;
            hash.update(piece);
        }
        crate::sign::hex(&hash.finalize())
    }
}

/// Checks the stamps of an object while its bytes pass by in pieces of any length.
#[derive(Clone, Copy, Debug)]
pub struct StampCheck {
    id: u64,
    offset: u64,
    whole: bool,
}

impl StampCheck {
    /// Expects the bytes of the object `id` from `offset` on.
    pub fn new(id: u64, offset: u64) -> Self {
        Self { id, offset, whole: true }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let every = STAMP_EVERY as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            let into = self.offset % every;
            if into < STAMP_BYTES as u64 {
                let want = stamp(self.id, self.offset - into);
                let want = want.get(into as usize..).unwrap_or_default();
                let len = want.len().min(rest.len());
                self.whole &= want.get(..len) == rest.get(..len);
                rest = rest.get(len..).unwrap_or_default();
                self.offset += len as u64;
            } else {
                let len = rest.len().min((every - into) as usize);
                rest = rest.get(len..).unwrap_or_default();
                self.offset += len as u64;
            }
        }
    }

    /// Whether every stamp so far was right.
    pub fn is_whole(&self) -> bool {
        self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 300,000 bytes of the object 7, made in pieces of a buffer.
    fn object() -> Vec<u8> {
        let mut payload = Payload::new(2 * STAMP_EVERY);
        let mut bytes = Vec::new();
        while bytes.len() < 300_000 {
            let left = (300_000 - bytes.len()) as u64;
            let piece = payload.stamped(left, 7, bytes.len() as u64).to_vec();
            bytes.extend_from_slice(&piece);
        }
        bytes
    }

    fn check(id: u64, bytes: &[u8], piece: usize) -> bool {
        let mut check = StampCheck::new(id, 0);
        bytes.chunks(piece).for_each(|piece| check.update(piece));
        check.is_whole()
    }

    #[test]
    fn stamps_are_found_in_pieces_of_any_length() {
        let object = object();
        for piece in [1, 15, 16, 17, 65_535, 65_536, 65_537, 300_000] {
            assert!(check(7, &object, piece), "pieces of {piece}");
        }
    }

    #[test]
    fn a_range_is_checked_from_where_it_begins() {
        let object = object();
        for offset in [0, 1, 8, 16, 65_535, 65_540, 70_000] {
            let mut check = StampCheck::new(7, offset as u64);
            check.update(&object[offset..]);
            assert!(check.is_whole(), "from {offset}");
            let mut check = StampCheck::new(7, offset as u64 + 1);
            check.update(&object[offset..]);
            assert!(!check.is_whole(), "from {offset}, shifted by one");
        }
    }

    #[test]
    fn other_or_moved_bytes_are_noticed() {
        let object = object();
        assert!(!check(8, &object, 4096), "another object's bytes");
        assert!(!check(7, &object[STAMP_EVERY..], 4096), "bytes from another place");
        let mut swapped = object.clone();
        swapped.copy_within(STAMP_EVERY..2 * STAMP_EVERY, 2 * STAMP_EVERY);
        assert!(!check(7, &swapped, 4096), "a block twice");
    }

    #[test]
    fn the_hash_is_of_the_bytes_that_are_sent() {
        let want = crate::sign::hex(&Sha256::digest(object()));
        assert_eq!(Payload::new(2 * STAMP_EVERY).sha256(300_000, 7, 0), want);
    }
}
