//! How an extent lies in its volume: header, frames, checks, padding.
//!
//! A check fits only these bytes, in this frame, of this extent; so a frame that was written to or
//! read from a wrong place is noticed like a flipped bit. `docs/format.md` describes every byte.

use std::ops::Range;

use drystone_core::checksum::crc64;
use drystone_core::data::door::{Extent, ExtentId};

/// Payload bytes of a full frame.
pub(super) const FRAME_BYTES: u64 = 64 * 1024;
/// Bytes of a frame's check.
pub(super) const CHECK_BYTES: u64 = 8;
/// Bytes of an extent's header.
pub(super) const HEADER_BYTES: u64 = 64;
/// Extents begin at multiples of this, so that freeing one never touches a block of another.
const ALIGN_BYTES: u64 = 4096;

const MARKER: &[u8; 4] = b"DSXT";
const VERSION: u16 = 1;

/// How many frames `len` payload bytes take.
pub(super) fn frames(len: u64) -> u64 {
    len.div_ceil(FRAME_BYTES)
}

/// Bytes that an extent of `len` payload bytes takes in its volume.
pub(super) fn footprint(len: u64) -> u64 {
    (HEADER_BYTES + len + frames(len) * CHECK_BYTES).next_multiple_of(ALIGN_BYTES)
}

/// Range of an extent in its volume.
pub(super) fn range(id: ExtentId, len: u64) -> Range<u64> {
    id.offset..id.offset + footprint(len)
}

/// Offset of frame `n` from the extent's first byte.
pub(super) fn frame_offset(n: u64) -> u64 {
    HEADER_BYTES + n * (FRAME_BYTES + CHECK_BYTES)
}

/// Payload bytes of frame `n` of an extent of `len` bytes.
pub(super) fn frame_len(len: u64, n: u64) -> u64 {
    FRAME_BYTES.min(len - n * FRAME_BYTES)
}

/// What is mixed into the check of frame `n`: output `n` of SplitMix64 started at the token.
fn seal(token: u64, n: u64) -> u64 {
    let z = token.wrapping_add((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// The check of frame `n`, whose payload has the CRC64NVME `crc`.
pub(super) fn check(crc: u64, token: u64, n: u64) -> [u8; CHECK_BYTES as usize] {
    (crc ^ seal(token, n)).to_be_bytes()
}

/// Whether `payload` and the check behind it are frame `n` of the extent with `token`.
pub(super) fn verify(payload: &[u8], found: &[u8], token: u64, n: u64) -> bool {
    check(crc64(payload), token, n) == found
}

/// The header of `extent`.
pub(super) fn header(extent: Extent) -> [u8; HEADER_BYTES as usize] {
    let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
    bytes.extend(MARKER);
    bytes.extend(VERSION.to_be_bytes());
    bytes.extend((HEADER_BYTES as u16).to_be_bytes());
    bytes.extend((FRAME_BYTES as u32).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(extent.len.to_be_bytes());
    bytes.extend(extent.token.to_be_bytes());
    bytes.extend(extent.id.volume.to_be_bytes());
    bytes.extend(extent.id.offset.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend(crc64(&bytes).to_be_bytes());
    bytes.try_into().expect("the fields add up to the header's size")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Extent = Extent {
        id: ExtentId { volume: 0x0102_0304, offset: 0x0000_1000 },
        len: 0x1_2345,
        token: 0xa1a2_a3a4_a5a6_a7a8,
    };

    #[test]
    fn golden_header() {
        let want: &str = "44535854 0001 0040 00010000 00000000 0000000000012345 a1a2a3a4a5a6a7a8 \
                    0000000001020304 0000000000001000 0000000000000000 ba7338b6879de025";
        let digits = want.replace(' ', "");
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
        let want: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
        assert_eq!(header(EXTENT)[..], want);
    }

    #[test]
    fn seals_are_the_outputs_of_splitmix64() {
        // The first outputs of the reference implementation for the seed 1234567.
        let want = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([0, 1, 2].map(|n| seal(1_234_567, n)), want);
    }

    #[test]
    fn footprints_hold_header_payload_and_checks() {
        for (len, want) in
            [(1, 4096), (4024, 4096), (4025, 8192), (65_536, 69_632), (65_537, 69_632), (131_072, 135_168)]
        {
            assert_eq!(footprint(len), want, "{len}");
        }
        // The largest part that S3 allows.
        assert_eq!(footprint(5 << 30) - (5 << 30), (81_920 * 8 + 64_u64).next_multiple_of(4096));
    }

    #[test]
    fn a_check_fits_one_frame_of_one_extent() {
        let payload = b"some bytes";
        let found = check(crc64(payload), 7, 3);
        assert!(verify(payload, &found, 7, 3));
        assert!(!verify(b"some bytez", &found, 7, 3));
        assert!(!verify(payload, &found, 7, 4));
        assert!(!verify(payload, &found, 8, 3));
        assert!(!verify(&[], &[0; 8], 7, 0), "a hole is no frame");
        assert!(!verify(&vec![0; 65_536], &[0; 8], 7, 0), "a hole is no frame");
    }
}
