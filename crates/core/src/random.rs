//! Random numbers from addresses instead of a state: Philox4x32-10, keyed by the purpose of each number.
//!
//! ```text
//! Key::new(seed).with("dropout").with("layers.3").with(epoch).with(sample).uniform(element)
//! block(i) = philox(counter = [i, stream], key)          i, stream, key: 64 bits each
//! with(p)  : (key, stream) ← philox(counter = [p, stream], key ⊕ domain)
//! ```
//!
//! Every number depends only on its key and element, not on the calling thread, the order of calls, or the position of a
//! row in its batch. `domain` differs for numbers, for texts and for draws, so that no child key repeats a draw of its
//! parent. A text is absorbed in pieces of 8 bytes, little-endian, and then its length. Use one key for only one kind of
//! draw, because `uniform`, `below` and `normal` of the same key read the same words.
//!
//! Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011 (Philox);
//! Box, Muller, "A Note on the Generation of Random Normal Deviates", 1958. Where we differ: nowhere in the
//! generator (its published vectors are tested); the derivation of keys is ours.

#![allow(clippy::needless_range_loop)] // lanes of several arrays, side by side

use crate::kernels::cpu::isa::kernel;
use crate::pool;

const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: u32 = 10;

const NUMBER: u64 = 0x6E75_6D62_6572_2121;
const TEXT: u64 = 0x7465_7874_2121_2121;

/// Number of blocks that are computed together, so that the compiler can use vectors.
const LANES: usize = 16;

/// `[word of a block][lane]`.
type Blocks<T> = [[T; LANES]; 4];

/// One block: 128 random bits from a counter and a key.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let left = MULTIPLIERS[0] * u64::from(counter[0]);
        let right = MULTIPLIERS[1] * u64::from(counter[2]);
        counter = [
            (right >> 32) as u32 ^ counter[1] ^ key[0],
            right as u32,
            (left >> 32) as u32 ^ counter[3] ^ key[1],
            left as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// `LANES` consecutive blocks, starting at block `first`.
#[inline(always)]
fn philox_lanes(first: u64, stream: u64, mut key: [u32; 2]) -> Blocks<u32> {
    let mut counter = [[0u32; LANES]; 4];
    for lane in 0..LANES {
        let index = first.wrapping_add(lane as u64);
        counter[0][lane] = index as u32;
        counter[1][lane] = (index >> 32) as u32;
        counter[2][lane] = stream as u32;
        counter[3][lane] = (stream >> 32) as u32;
    }
    for _ in 0..ROUNDS {
        for lane in 0..LANES {
            let left = MULTIPLIERS[0] * u64::from(counter[0][lane]);
            let right = MULTIPLIERS[1] * u64::from(counter[2][lane]);
            counter[0][lane] = (right >> 32) as u32 ^ counter[1][lane] ^ key[0];
            counter[1][lane] = right as u32;
            counter[2][lane] = (left >> 32) as u32 ^ counter[3][lane] ^ key[1];
            counter[3][lane] = left as u32;
        }
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

#[inline(always)]
fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

fn whole(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// A number in [0, 1) from 24 bits, which f32 represents exactly.
#[inline(always)]
fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

/// Two independent standard normal numbers from two words: √(−2 ln u) · (cos 2πv, sin 2πv), with u in (0, 1].
///
/// It does not use libm, so that it gives the same bits on every machine and can be vectorised. The error is below 1e-6,
/// except for the smallest values.
#[inline(always)]
fn box_muller(u: u32, v: u32) -> [f32; 2] {
    let radius = (-2.0 * ln((u as f32 + 1.0) * (1.0 / (1u64 << 32) as f32))).max(0.0).sqrt();
    // The nearest quarter turn is subtracted as an integer, so that the rest is exact and within ±π/4.
    let quarter = v.wrapping_add(1 << 29) >> 30;
    let rest = v.wrapping_sub(quarter << 30) as i32 as f32 * (std::f32::consts::TAU / (1u64 << 32) as f32);
    let z = rest * rest;
    let sin = ((-1.951_529_6e-4 * z + 8.332_161e-3) * z - 1.666_665_5e-1) * z * rest + rest;
    let cos = ((2.443_315_7e-5 * z - 1.388_731_6e-3) * z + 4.166_664_6e-2) * z * z - 0.5 * z + 1.0;
    let (along, across) = if quarter & 1 == 0 { (cos, sin) } else { (sin, cos) };
    let sign = |negative: bool| if negative { -radius } else { radius };
    [along * sign(quarter == 1 || quarter == 2), across * sign(quarter >= 2)]
}

/// The logarithm of a positive normal number, from its exponent and a polynomial on [√½, √2) (Cephes, `logf`).
#[inline(always)]
fn ln(x: f32) -> f32 {
    let bits = x.to_bits().wrapping_sub(0x3F35_04F3); // √½
    let exponent = (bits as i32 >> 23) as f32;
    let m = f32::from_bits((bits & 0x007F_FFFF).wrapping_add(0x3F35_04F3)) - 1.0;
    let z = m * m;
    let mut p = 7.037_684e-2;
    for c in [-1.151_461e-1, 1.167_699_9e-1, -1.242_014_1e-1, 1.424_932_3e-1, -1.666_805_8e-1, 2.000_071_5e-1] {
        p = p * m + c;
    }
    p = (p * m - 2.499_999_4e-1) * m + 3.333_333e-1;
    (m * z * p - exponent * 2.121_944_4e-4 - 0.5 * z) + m + exponent * 0.693_359_4
}

/// Count of numbers per task.
const PIECE: usize = 1 << 16;

/// Fills `values` with the results of `map` for the blocks of a key, starting at block `first`.
#[inline(always)]
fn fill(key: Key, first: usize, values: &mut [f32], map: impl Fn(Blocks<u32>) -> Blocks<f32>) {
    let mut first = first as u64;
    for piece in values.chunks_mut(4 * LANES) {
        let made = map(philox_lanes(first, key.stream, halves(key.key)));
        if let Ok(whole) = <&mut [f32; 4 * LANES]>::try_from(&mut *piece) {
            for lane in 0..LANES {
                for word in 0..4 {
                    whole[4 * lane + word] = made[word][lane];
                }
            }
        } else {
            piece.iter_mut().enumerate().for_each(|(at, value)| *value = made[at % 4][at / 4]);
        }
        first += LANES as u64;
    }
}

kernel! {
    fn fill_uniform<L>(key: Key, first: usize, values: &mut [f32], low: f32, width: f32) {
        fill(key, first, values, |words| {
            let mut made = [[0.0; LANES]; 4];
            for word in 0..4 {
                for lane in 0..LANES {
                    made[word][lane] = low + width * unit(words[word][lane]);
                }
            }
            made
        })
    }
}

kernel! {
    fn fill_normal<L>(key: Key, first: usize, values: &mut [f32], mean: f32, deviation: f32) {
        fill(key, first, values, |words| {
            let mut made = [[0.0; LANES]; 4];
            for word in [0, 2] {
                for lane in 0..LANES {
                    let [a, b] = box_muller(words[word][lane], words[word + 1][lane]);
                    made[word][lane] = mean + deviation * a;
                    made[word + 1][lane] = mean + deviation * b;
                }
            }
            made
        })
    }
}

/// A part of an address: a name or a number.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    Text(&'a str),
    Number(u64),
}

impl<'a> From<&'a str> for Part<'a> {
    fn from(text: &'a str) -> Self {
        Part::Text(text)
    }
}

impl<'a> From<&'a String> for Part<'a> {
    fn from(text: &'a String) -> Self {
        Part::Text(text)
    }
}

impl From<u64> for Part<'_> {
    fn from(number: u64) -> Self {
        Part::Number(number)
    }
}

impl From<u32> for Part<'_> {
    fn from(number: u32) -> Self {
        Part::Number(number.into())
    }
}

impl From<usize> for Part<'_> {
    fn from(number: usize) -> Self {
        Part::Number(number as u64)
    }
}

/// The address of an infinite sequence of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    key: u64,
    stream: u64,
}

impl Key {
    pub fn new(seed: u64) -> Key {
        Key { key: seed, stream: 0 }
    }

    /// The key of the address that is extended by `part`.
    #[must_use]
    pub fn with<'a>(self, part: impl Into<Part<'a>>) -> Key {
        match part.into() {
            Part::Number(number) => self.absorb(NUMBER, number),
            Part::Text(text) => {
                let pieces = text.as_bytes().chunks(8).map(|piece| {
                    let mut bytes = [0; 8];
                    bytes[..piece.len()].copy_from_slice(piece);
                    u64::from_le_bytes(bytes)
                });
                pieces.fold(self, |key, piece| key.absorb(TEXT, piece)).absorb(TEXT, text.len() as u64)
            }
        }
    }

    fn absorb(self, domain: u64, part: u64) -> Key {
        let ([p0, p1], [s0, s1]) = (halves(part), halves(self.stream));
        let [k0, k1, t0, t1] = philox([p0, p1, s0, s1], halves(self.key ^ domain));
        Key { key: whole(k0, k1), stream: whole(t0, t1) }
    }

    fn block(self, index: u64) -> [u32; 4] {
        let ([i0, i1], [s0, s1]) = (halves(index), halves(self.stream));
        philox([i0, i1, s0, s1], halves(self.key))
    }

    /// A uniform number in [0, 1), in steps of 2⁻²⁴.
    pub fn uniform(self, element: u64) -> f32 {
        unit(self.block(element >> 2)[(element & 3) as usize])
    }

    /// A uniform number in [0, 1), in steps of 2⁻⁵³.
    pub fn uniform_f64(self, element: u64) -> f64 {
        (self.bits(element) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// 64 uniform bits.
    pub fn bits(self, element: u64) -> u64 {
        let block = self.block(element >> 1);
        let at = 2 * (element & 1) as usize;
        whole(block[at], block[at + 1])
    }

    /// A normal number with mean 0 and variance 1.
    pub fn normal(self, element: u64) -> f32 {
        let block = self.block(element >> 2);
        let at = (element & 2) as usize;
        box_muller(block[at], block[at + 1])[(element & 1) as usize]
    }

    /// A uniform integer in 0..n (0 for n = 0): the high half of `bits · n`. The bias of each value is below n / 2⁶⁴.
    pub fn below(self, element: u64, n: u64) -> u64 {
        ((u128::from(self.bits(element)) * u128::from(n)) >> 64) as u64
    }

    /// 0..n in random order (Fisher–Yates, from the end).
    pub fn permutation(self, n: usize) -> Vec<u32> {
        let mut order = crate::blocks::collected(0..n as u32);
        self.shuffle(&mut order);
        order
    }

    /// Puts the items in random order (Fisher–Yates, from the end).
    pub fn shuffle<T>(self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64, last as u64 + 1) as usize);
        }
    }

    /// `values[i] = low + (high − low) · uniform(i)`.
    pub fn fill_uniform(self, values: &mut [f32], low: f32, high: f32) {
        pool::pieces(values, PIECE, |index, piece| fill_uniform(self, index * PIECE / 4, piece, low, high - low));
    }

    /// `values[i] = mean + deviation · normal(i)`.
    pub fn fill_normal(self, values: &mut [f32], mean: f32, deviation: f32) {
        pool::pieces(values, PIECE, |index, piece| fill_normal(self, index * PIECE / 4, piece, mean, deviation));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::isa::on_each;

    /// kat_vectors of Random123 1.14, lines philox4x32 10.
    #[test]
    fn philox_gives_the_published_vectors() {
        let cases = [
            ([0; 4], [0; 2], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]),
            (
                [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
                [0xa4093822, 0x299f31d0],
                [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox(counter, key), expected);
        }
    }

    #[test]
    fn lanes_equal_single_blocks() {
        let key = Key { key: 0x0123_4567_89ab_cdef, stream: 0xfedc_ba98_7654_3210 };
        let first = u64::from(u32::MAX) - 2; // includes the carry into the second word
        let lanes = philox_lanes(first, key.stream, halves(key.key));
        for lane in 0..LANES {
            assert_eq!(key.block(first + lane as u64), [0, 1, 2, 3].map(|word| lanes[word][lane]));
        }
    }

    #[test]
    fn filling_equals_single_draws_on_every_instruction_set() {
        let key = Key::new(7).with("init").with("layers.0.weight");
        on_each(|_| {
            for len in [1, 5, 64, 1_001, 2 * PIECE + 77] {
                let mut values = vec![0.0; len];
                key.fill_uniform(&mut values, 0.0, 1.0);
                assert!((0..len).all(|i| values[i] == key.uniform(i as u64)));
                key.fill_normal(&mut values, 0.0, 1.0);
                assert!((0..len).all(|i| values[i] == key.normal(i as u64)));
            }
        });
    }

    #[test]
    fn box_muller_is_near_the_exact_values() {
        let key = Key::new(9);
        let ends = [(0, 0), (0, u32::MAX), (u32::MAX, 1 << 29), (1, 3 << 29), (u32::MAX - 300, 7 << 28), (9, 1 << 30)];
        let drawn = (0..20_000).map(|i| (key.bits(i) as u32, (key.bits(i) >> 32) as u32));
        for (u, v) in ends.into_iter().chain(drawn) {
            let scale = 1.0 / (1u64 << 32) as f64;
            let radius = (-2.0 * ((f64::from(u) + 1.0) * scale).ln()).sqrt();
            let (sin, cos) = (std::f64::consts::TAU * f64::from(v) * scale).sin_cos();
            for (got, exact) in box_muller(u, v).into_iter().zip([radius * cos, radius * sin]) {
                // Near u = 1 the word is rounded to f32, so that the error of the radius is up to √(2 · 2⁻²⁴).
                let tolerance = if radius < 0.05 { 4e-4 } else { 1e-6 + 2e-7 / radius };
                assert!((f64::from(got) - exact).abs() < tolerance, "{u} {v}: {got} {exact}");
            }
        }
    }

    #[test]
    fn each_part_of_an_address_changes_the_numbers() {
        let base = Key::new(1).with("noise");
        let others = [
            Key::new(2).with("noise"),
            Key::new(1).with("noisf"),
            Key::new(1).with("noise\0"),
            Key::new(1).with("noise").with(0u64),
            Key::new(1).with(0u64).with("noise"),
            Key::new(1).with("").with("noise"),
            Key::new(1).with("noi").with("se"),
        ];
        for (index, other) in others.iter().enumerate() {
            assert_ne!(base.block(0), other.block(0), "{index}");
            assert!(others[..index].iter().all(|earlier| earlier.block(0) != other.block(0)), "{index}");
        }
        assert_ne!(base.with(5u64).key, base.bits(10)); // a child is no draw of its parent
    }

    /// The expected numbers come from a second implementation of the derivation, in Python.
    #[test]
    fn an_address_keeps_its_numbers_from_version_to_version() {
        let key = Key::new(42).with("dropout").with("layers.3").with(2u64).with(17u64);
        assert_eq!((key.key, key.stream), (2_034_840_474_579_505_952, 17_615_204_693_958_655_393));
    }

    #[test]
    fn uniform_numbers_have_the_uniform_mean_and_variance() {
        let mut values = vec![0.0; 100_000];
        Key::new(3).fill_uniform(&mut values, -1.0, 3.0);
        let (mean, spread) = moments(&values);
        assert!((mean - 1.0).abs() < 0.015 && (spread - 16.0 / 12.0).abs() < 0.02, "{mean} {spread}");
        assert!(values.iter().all(|value| (-1.0..3.0).contains(value)));
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let mut values = vec![0.0; 100_000];
        Key::new(4).fill_normal(&mut values, 0.0, 1.0);
        let (mean, variance) = moments(&values);
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        let beyond_two = values.iter().filter(|value| value.abs() > 2.0).count() as f64 / 100_000.0;
        assert!((beyond_two - 0.0455).abs() < 0.003, "{beyond_two}");
        let neighbours: f64 = values.windows(2).map(|pair| f64::from(pair[0] * pair[1])).sum::<f64>() / 100_000.0;
        assert!(neighbours.abs() < 0.015, "{neighbours}");
    }

    #[test]
    fn integers_below_n_are_uniform_and_below_n() {
        let key = Key::new(5);
        let mut counts = [0; 7];
        (0..70_000).for_each(|element| counts[key.below(element, 7) as usize] += 1);
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
        assert_eq!((key.below(0, 0), key.below(9, 1)), (0, 0));
    }

    #[test]
    fn permutation_holds_each_number_once() {
        for n in [0, 1, 2, 3, 100, 1001] {
            let mut order = Key::new(6).with(n).permutation(n);
            assert!(n < 100 || order.iter().enumerate().any(|(at, value)| at as u32 != *value));
            order.sort_unstable();
            assert_eq!(order, (0..n as u32).collect::<Vec<_>>());
        }
    }

    #[test]
    fn each_order_of_three_is_equally_frequent() {
        let mut counts = std::collections::BTreeMap::new();
        (0..6_000usize).for_each(|n| *counts.entry(Key::new(8).with(n).permutation(3)).or_insert(0) += 1);
        assert!(counts.len() == 6 && counts.values().all(|count| (880..1_120).contains(count)), "{counts:?}");
    }

    fn moments(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / n;
        (mean, values.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / n)
    }
}
