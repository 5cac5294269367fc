//! MD5, which S3's entity tags are made of, of several bodies at once.
//!
//! One body's MD5 is slower than everything else that a PUT does, and cannot be made faster: each step waits for the
//! one before. Bodies that arrive at the same time are hashed side by side instead ([`Md5::update_together`]), at
//! two to four times the bytes a second (`docs/design/0010`). No library does that for bodies that come in pieces.
//!
//! Source: RFC 1321. MD5 promises nothing against someone who looks for collisions; S3 names bodies with it all the same.

mod compress;

use std::{array, fmt, slice};

use bytes::Bytes;

use self::compress::{BLOCK_BYTES, START, compress, compress_eight};

/// The MD5 of a message that comes in pieces.
#[derive(Clone)]
pub struct Md5 {
    state: [u32; 4],
    /// The block that is not full yet: its first `filled` bytes.
    block: [u8; BLOCK_BYTES],
    filled: usize,
    /// Bytes taken in.
    len: u64,
}

impl Md5 {
    /// Bytes of a digest.
    pub const BYTES: usize = 16;

    /// Messages that are hashed side by side.
    pub const TOGETHER: usize = 8;

    /// The MD5 of `message`.
    pub fn of(message: &[u8]) -> [u8; Self::BYTES] {
        let mut md5 = Self::default();
        md5.update(message);
        md5.finish()
    }

    /// Takes in `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        let (blocks, rest) = self.fill(bytes).as_chunks();
        self.len += blocks.as_flattened().len() as u64;
        compress(array::from_mut(&mut self.state), [blocks]);
        self.fill(rest);
    }

    /// Takes in the pieces of several messages, [`Md5::TOGETHER`] of them side by side.
    pub fn update_together<'p>(messages: impl IntoIterator<Item = (&'p mut Self, &'p [Bytes])>) {
        let lanes = messages.into_iter().map(|(md5, pieces)| Lane { md5, pieces: pieces.iter(), rest: &[] });
        let mut waiting = lanes.filter_map(Lane::at_blocks);
        let mut lanes: Vec<Lane<'_>> = waiting.by_ref().take(Self::TOGETHER).collect();
        while !lanes.is_empty() {
            advance(&mut lanes);
            lanes = lanes.into_iter().filter_map(Lane::at_blocks).collect();
            lanes.extend(waiting.by_ref().take(Self::TOGETHER - lanes.len()));
        }
    }

    /// The digest of everything taken in.
    pub fn finish(mut self) -> [u8; Self::BYTES] {
        let bits = self.len.wrapping_mul(8);
        // One byte before them, eight behind them, and the last block is full.
        let zeros = (2 * BLOCK_BYTES - 9 - self.filled) % BLOCK_BYTES;
        self.update(&[0x80]);
        self.update([0; BLOCK_BYTES].split_at(zeros).0);
        self.update(&bits.to_le_bytes());
        let mut digest = [0; Self::BYTES];
        let (words, _) = digest.as_chunks_mut();
        words.iter_mut().zip(self.state).for_each(|(bytes, word)| *bytes = word.to_le_bytes());
        digest
    }

    /// Fills the block that is begun, or begins one with less than a block; the bytes after it.
    fn fill<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if self.filled == 0 && bytes.len() >= BLOCK_BYTES {
            return bytes;
        }
        let room = self.block.get_mut(self.filled..).unwrap_or_default();
        let count = room.len().min(bytes.len());
        let (now, later) = bytes.split_at(count);
        room.iter_mut().zip(now).for_each(|(room, byte)| *room = *byte);
        self.len += count as u64;
        self.filled += count;
        if self.filled == BLOCK_BYTES {
            compress(array::from_mut(&mut self.state), [&[self.block]]);
            self.filled = 0;
        }
        later
    }
}

impl Default for Md5 {
    fn default() -> Self {
        Self { state: START, block: [0; BLOCK_BYTES], filled: 0, len: 0 }
    }
}

impl fmt::Debug for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Md5 of {} bytes", self.len)
    }
}

/// A message whose pieces are taken in beside others'.
struct Lane<'p> {
    md5: &'p mut Md5,
    pieces: slice::Iter<'p, Bytes>,
    /// What is left of the piece before.
    rest: &'p [u8],
}

impl Lane<'_> {
    /// Goes on to where a whole block lies in one piece; `None` when everything was taken in.
    fn at_blocks(mut self) -> Option<Self> {
        loop {
            self.rest = self.md5.fill(self.rest);
            if !self.rest.is_empty() {
                return Some(self);
            }
            self.rest = self.pieces.next()?;
        }
    }

    /// Goes on behind `taken` bytes that `state` took in.
    fn advance(&mut self, state: [u32; 4], taken: usize) {
        self.md5.state = state;
        self.md5.len += taken as u64;
        self.rest = self.rest.split_at(taken).1;
    }
}

/// Takes in as many blocks of each lane as all have; there are at most [`Md5::TOGETHER`].
fn advance(lanes: &mut [Lane<'_>]) {
    match lanes {
        [one] => side_by_side([one]),
        [one, two] => side_by_side([one, two]),
        [one, two, three] => side_by_side([one, two, three]),
        [] => (),
        _ => in_vectors(lanes),
    }
}

/// In vectors of eight: where there are fewer lanes, the first one is hashed for nothing.
fn in_vectors(lanes: &mut [Lane<'_>]) {
    let mut states = [START; 8];
    let mut blocks = [lanes.first().map_or(&[][..], |lane| lane.rest.as_chunks().0); 8];
    for ((state, blocks), lane) in states.iter_mut().zip(&mut blocks).zip(lanes.iter()) {
        (*state, *blocks) = (lane.md5.state, lane.rest.as_chunks().0);
    }
    compress_eight(&mut states, blocks);
    let taken = BLOCK_BYTES * blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
    lanes.iter_mut().zip(states).for_each(|(lane, state)| lane.advance(state, taken));
}

fn side_by_side<const N: usize>(lanes: [&mut Lane<'_>; N]) {
    let blocks = lanes.each_ref().map(|lane| lane.rest.as_chunks().0);
    let mut states = lanes.each_ref().map(|lane| lane.md5.state);
    compress(&mut states, blocks);
    let taken = BLOCK_BYTES * blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
    for (lane, state) in lanes.into_iter().zip(states) {
        lane.advance(state, taken);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    /// RFC 1321, section A.5.
    const SUITE: [(&str, &str); 7] = [
        ("", "d41d8cd98f00b204e9800998ecf8427e"),
        ("a", "0cc175b9c0f1b6a831c399e269772661"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
        (
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "d174ab98d277d9f5a5611c2c9f419d9f",
        ),
        (
            "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            "57edf4a22be3c955ac49da2e2107b67a",
        ),
    ];

    #[test]
    fn the_suite_of_the_rfc_holds() {
        for (message, digest) in SUITE {
            let number = u128::from_be_bytes(Md5::of(message.as_bytes()));
            assert_eq!(format!("{number:032x}"), digest, "{message:?}");
        }
    }

    proptest! {
        /// Against the library that the test kit's model uses.
        #[test]
        fn however_it_is_cut_and_whoever_is_beside_it(
            messages in vec(vec(vec(any::<u8>(), 0..300), 0..6), 0..11)
        ) {
            let messages: Vec<Vec<Bytes>> =
                messages.into_iter().map(|pieces| pieces.into_iter().map(Bytes::from).collect()).collect();
            let mut together = vec![Md5::default(); messages.len()];
            Md5::update_together(together.iter_mut().zip(messages.iter().map(Vec::as_slice)));
            for (beside, pieces) in together.into_iter().zip(&messages) {
                let whole: Vec<u8> = pieces.concat();
                let want: [u8; 16] = <md5::Md5 as md5::Digest>::digest(&whole).into();
                let mut alone = Md5::default();
                pieces.iter().for_each(|piece| alone.update(piece));
                prop_assert_eq!(alone.finish(), want);
                prop_assert_eq!(beside.finish(), want);
            }
        }
    }
}
