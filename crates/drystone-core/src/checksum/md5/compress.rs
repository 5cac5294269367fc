//! MD5's compression of blocks, of one message or of several at once.
//!
//! Every step of MD5 waits for the one before, so one message uses a small part of a processor. Two messages whose
//! steps take turns in plain registers are hashed in the time of one, and three in little more; for four there are too
//! few registers. Eight go through vectors, whose instructions take longer: that pays from four messages on.

#![expect(
    clippy::indexing_slicing,
    reason = "every index is below the length of its array, and the compiler sees it"
)]
#![expect(
    clippy::needless_range_loop,
    reason = "one index walks through the blocks of every message, which lie in slices of their own"
)]
#![expect(clippy::inline_always, reason = "words stay in registers only where everything is in one function")]

use std::array;
use std::hint::black_box;
use std::ops::{Add, BitAnd, BitOr, BitXor, Not};

use fearless_simd::{Level, Simd, SimdBase, SimdCombine, SimdFrom, dispatch, u32x4, u32x8};

/// Bytes that are compressed at once.
pub(super) const BLOCK_BYTES: usize = 64;

/// The state of a message before its first byte (RFC 1321, section 3.3).
pub(super) const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// What each step adds: the first 32 bits of the sine's fraction (RFC 1321, section 3.4).
const SINES: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// The same word of `N` messages.
#[derive(Clone, Copy)]
struct Words<const N: usize>([u32; N]);

impl<const N: usize> Words<N> {
    #[inline(always)]
    fn each(self, other: Self, both: impl Fn(u32, u32) -> u32) -> Self {
        let mut words = self;
        words.0.iter_mut().zip(other.0).for_each(|(word, other)| *word = both(*word, other));
        words
    }
}

/// What the steps of MD5 need of words.
trait Lanes:
    Copy
    + Add<Output = Self>
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + Not<Output = Self>
{
    /// Each plus `constant`.
    fn plus(self, constant: u32) -> Self;

    fn rotate_left(self, by: u32) -> Self;
}

impl<const N: usize> Lanes for Words<N> {
    #[inline(always)]
    fn plus(self, constant: u32) -> Self {
        self + Words([constant; N])
    }

    #[inline(always)]
    fn rotate_left(self, by: u32) -> Self {
        self.each(self, |word, _| word.rotate_left(by))
    }
}

impl<S: Simd> Lanes for u32x8<S> {
    #[inline(always)]
    fn plus(self, constant: u32) -> Self {
        self + constant
    }

    #[inline(always)]
    fn rotate_left(self, by: u32) -> Self {
        (self << by) | (self >> (32 - by))
    }
}

impl<const N: usize> Add for Words<N> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.each(other, u32::wrapping_add)
    }
}

impl<const N: usize> BitAnd for Words<N> {
    type Output = Self;

    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        self.each(other, u32::bitand)
    }
}

impl<const N: usize> BitOr for Words<N> {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        self.each(other, u32::bitor)
    }
}

impl<const N: usize> BitXor for Words<N> {
    type Output = Self;

    #[inline(always)]
    fn bitxor(self, other: Self) -> Self {
        self.each(other, u32::bitxor)
    }
}

impl<const N: usize> Not for Words<N> {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        self.each(self, |word, _| !word)
    }
}

/// Takes blocks of `N` messages into their states: of each as many as the shortest has.
pub(super) fn compress<const N: usize>(states: &mut [[u32; 4]; N], messages: [&[[u8; BLOCK_BYTES]]; N]) {
    // Constants that the compiler knows are added last, where the next step waits for the sum.
    let sines = black_box(&SINES);
    let blocks = messages.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
    let mut state: [Words<N>; 4] = array::from_fn(|word| Words(array::from_fn(|n| states[n][word])));
    for at in 0..blocks {
        state = step_through(state, &transposed(array::from_fn(|n| &messages[n][at])), sines);
    }
    *states = array::from_fn(|n| array::from_fn(|word| state[word].0[n]));
}

/// Word by word what the blocks hold.
#[inline(always)]
fn transposed<const N: usize>(blocks: [&[u8; BLOCK_BYTES]; N]) -> [Words<N>; 16] {
    let words = blocks.map(|block| block.as_chunks::<4>().0);
    array::from_fn(|word| Words(array::from_fn(|n| u32::from_le_bytes(words[n][word]))))
}

/// The four rounds of a block (RFC 1321, section 3.4).
#[inline(always)]
fn step_through<L: Lanes>(start: [L; 4], block: &[L; 16], sines: &[u32; 64]) -> [L; 4] {
    let [mut a, mut b, mut c, mut d] = start;
    // What is known early is added early, because the next step waits for the sum.
    macro_rules! step {
        ($a:ident $b:ident $c:ident $d:ident, $step:expr, $word:expr, $by:expr, $known:expr, $mixed:expr) => {
            let known: fn(L, L, L) -> L = $known;
            let mixed: fn(L, L, L) -> L = $mixed;
            let early = known($a + block[$word % 16].plus(sines[$step]), $c, $d);
            $a = (early + mixed($b, $c, $d)).rotate_left($by) + $b;
        };
    }
    // Written out, not looped over: the compiler keeps everything in registers only so.
    macro_rules! four_steps {
        ($at:expr, $word:expr, $by:expr, $known:expr, $mixed:expr) => {
            step!(a b c d, $at, $word($at), $by[0], $known, $mixed);
            step!(d a b c, $at + 1, $word($at + 1), $by[1], $known, $mixed);
            step!(c d a b, $at + 2, $word($at + 2), $by[2], $known, $mixed);
            step!(b c d a, $at + 3, $word($at + 3), $by[3], $known, $mixed);
        };
    }
    macro_rules! round {
        ($first:literal, $word:expr, $by:expr, $known:expr, $mixed:expr) => {
            four_steps!($first, $word, $by, $known, $mixed);
            four_steps!($first + 4, $word, $by, $known, $mixed);
            four_steps!($first + 8, $word, $by, $known, $mixed);
            four_steps!($first + 12, $word, $by, $known, $mixed);
        };
    }
    let sum = |sum, _, _| sum;
    round!(0, |step: usize| step, [7, 12, 17, 22], sum, |b, c, d| d ^ (b & (c ^ d)));
    round!(16, |step: usize| 5 * step + 1, [5, 9, 14, 20], |sum, c, d: L| sum + (c & !d), |b, _, d| b & d);
    round!(32, |step: usize| 3 * step + 5, [4, 11, 16, 23], sum, |b, c, d| b ^ (c ^ d));
    round!(48, |step: usize| 7 * step, [6, 10, 15, 21], sum, |b, c, d: L| c ^ (b | !d));
    let [a0, b0, c0, d0] = start;
    [a + a0, b + b0, c + c0, d + d0]
}

/// Takes blocks of eight messages into their states: of each as many as the shortest has.
pub(super) fn compress_eight(states: &mut [[u32; 4]; 8], messages: [&[[u8; BLOCK_BYTES]]; 8]) {
    dispatch!(Level::new(), simd => compress_in_vectors(simd, states, messages));
}

#[inline(always)]
fn compress_in_vectors<S: Simd>(simd: S, states: &mut [[u32; 4]; 8], messages: [&[[u8; BLOCK_BYTES]]; 8]) {
    let sines = black_box(&SINES);
    let blocks = messages.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
    let mut state: [u32x8<S>; 4] =
        array::from_fn(|word| u32x8::simd_from(simd, array::from_fn(|n| states[n][word])));
    for at in 0..blocks {
        let low = transposed_four(simd, &messages, 0, at);
        let high = transposed_four(simd, &messages, 4, at);
        let block = array::from_fn(
            #[inline(always)]
            |word| low[word].combine(high[word]),
        );
        state = step_through(state, &block, sines);
    }
    *states = array::from_fn(|n| array::from_fn(|word| state[word][n]));
}

/// Word by word what the blocks at `at` of four messages hold, by exchanges between vectors: words written one by one
/// and read as a vector would wait for each other.
#[inline(always)]
fn transposed_four<S: Simd>(
    simd: S,
    messages: &[&[[u8; BLOCK_BYTES]]; 8],
    first: usize,
    at: usize,
) -> [u32x4<S>; 16] {
    let mut vectors = [u32x4::splat(simd, 0); 16];
    for (four, vectors) in vectors.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let [a, b, c, d] = array::from_fn(
            #[inline(always)]
            |n| {
                let words = messages[first + n][at].as_chunks::<4>().0;
                u32x4::simd_from(simd, array::from_fn(|word| u32::from_le_bytes(words[4 * four + word])))
            },
        );
        let (even, odd) = (a.zip_low(c), b.zip_low(d));
        let (even_behind, odd_behind) = (a.zip_high(c), b.zip_high(d));
        *vectors = [
            even.zip_low(odd),
            even.zip_high(odd),
            even_behind.zip_low(odd_behind),
            even_behind.zip_high(odd_behind),
        ];
    }
    vectors
}
