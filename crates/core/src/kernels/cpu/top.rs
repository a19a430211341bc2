//! The k largest numbers of a row; of equal numbers, the lower index comes first.
//!
//! The row is divided into columns: number i belongs to column i mod m, m about 4 k. At least k numbers are at or above the
//! k-th largest of the column maxima, and in an unsorted row only a few more; only these are examined again. Bounds are found by
//! bisection over the bit patterns of the numbers, without sorting.

use super::isa::kernel;
use super::rows::{BLOCK, put, reduce};
use super::vector::Vector;

/// Minimum number of columns.
const COLUMNS: usize = 256;
/// Numbers that are tested together, because usually none of them is large enough.
const TOGETHER: usize = 4;

/// The largest numbers of a row. Its memory is reused for the next row.
#[derive(Debug, Default)]
pub struct Top {
    /// In ascending order: k, or fewer if there is NaN among the numbers.
    pub indices: Vec<u32>,
    /// The numbers at these indices.
    pub values: Vec<f32>,
    /// Threshold: every kept value is ≥ it and every dropped value ≤ it; `ties` counts the dropped values equal to it.
    pub bound: f32,
    pub ties: usize,
    /// The index kept in place of a larger number, if its own number is below the bound.
    pub beside: Option<usize>,
    /// The largest dropped number; -∞ if there is none.
    pub next: f32,
    /// The sum of all numbers in low precision; not finite if one of them is not finite.
    pub sum: f32,
    columns: Vec<f32>,
    found: Vec<f32>,
    places: Vec<u32>,
}

kernel! {
    /// The maxima of the columns, and the sum of all numbers. Prefetches `next`.
    fn column_maxima<L>(x: &[f32], next: &[f32], columns: &mut [f32]) -> f32 {
        let n = L::V::N;
        let mut sums = [L::V::splat(0.0); 4];
        columns.fill(f32::NEG_INFINITY);
        for (fold, part) in x.chunks(columns.len()).enumerate() {
            let ahead = next.get(fold * columns.len()..).unwrap_or(&[]);
            ahead.chunks(16).take(columns.len() / 16).for_each(L::V::prefetch);
            let mut fours = part.chunks_exact(4 * n);
            let mut maxima = columns.chunks_exact_mut(4 * n);
            for (four, max) in fours.by_ref().zip(maxima.by_ref()) {
                for (lane, sum) in sums.iter_mut().enumerate() {
                    let (x, max) = (L::V::load(&four[lane * n..]), &mut max[lane * n..]);
                    *sum = sum.add(x);
                    x.max(L::V::load(max)).store(max);
                }
            }
            let done = part.len() / (4 * n) * (4 * n);
            for (x, max) in part[done..].chunks(n).zip(columns[done..].chunks_mut(n)) {
                let max = &mut max[..x.len()];
                sums[0] = sums[0].add(L::V::load_part(x, 0.0));
                L::V::load_part(x, f32::NEG_INFINITY).max(L::V::load_part(max, 0.0)).store_part(max);
            }
        }
        sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum()
    }
}

/// Integers in the same order as the numbers.
#[inline(always)]
fn order(x: f32) -> i64 {
    let bits = x.to_bits().cast_signed();
    i64::from(bits ^ ((bits >> 31) & i32::MAX))
}

#[inline(always)]
fn number(order: i64) -> f32 {
    let bits = order as i32;
    f32::from_bits((bits ^ ((bits >> 31) & i32::MAX)).cast_unsigned())
}

kernel! {
    /// A bound that at least `k` numbers reach, and at most `spare` more except those equal to the k-th largest.
    fn reached<L>(x: &[f32], k: usize, spare: usize) -> f32 {
        let n = L::V::N;
        let (mut low, mut high) = (L::V::splat(f32::INFINITY), L::V::splat(f32::NEG_INFINITY));
        for part in x.chunks(n) {
            low = L::V::load_part(part, f32::INFINITY).min(low);
            high = L::V::load_part(part, f32::NEG_INFINITY).max(high);
        }
        let lowest = -L::V::splat(0.0).sub(low).max_lane();
        if x.len() <= k + spare {
            return lowest;
        }
        let (mut low, mut high) = (order(lowest), order(high.max_lane()) + 1);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let bound = L::V::splat(number(middle));
            let mut count = 0;
            let mut parts = x.chunks_exact(n);
            for part in parts.by_ref() {
                count += L::V::load(part).at_least(bound).count_ones() as usize;
            }
            if !parts.remainder().is_empty() {
                count += L::V::load_part(parts.remainder(), f32::NEG_INFINITY).at_least(bound).count_ones() as usize;
            }
            if count < k {
                high = middle;
            } else {
                low = middle;
                if count <= k + spare {
                    break;
                }
            }
        }
        number(low)
    }
}

kernel! {
    /// Writes the numbers that reach a bound and their positions, in ascending order of position; returns their count. The
    /// outputs have space for all numbers and one more register.
    fn pick<L>(x: &[f32], bound: f32, values: &mut [f32], places: &mut [u32]) -> usize {
        let (n, bound) = (L::V::N, L::V::splat(bound));
        let (mut count, mut at) = (0, 0);
        while at + TOGETHER * n <= x.len() {
            let parts: [L::V; TOGETHER] = std::array::from_fn(|part| L::V::load(&x[at + part * n..]));
            let lanes = parts.map(|part| part.at_least(bound));
            if lanes.iter().fold(0, |any, lanes| any | lanes) != 0 {
                for (part, lanes) in parts.into_iter().zip(lanes) {
                    part.pick(lanes, at as u32, &mut values[count..], &mut places[count..]);
                    count += lanes.count_ones() as usize;
                    at += n;
                }
            } else {
                at += TOGETHER * n;
            }
        }
        while at < x.len() {
            let width = n.min(x.len() - at);
            let part = L::V::load_part(&x[at..at + width], 0.0);
            // Lanes beyond the end contain 0, which may reach the bound.
            let lanes = part.at_least(bound) & ((1 << width) - 1);
            part.pick(lanes, at as u32, &mut values[count..], &mut places[count..]);
            count += lanes.count_ones() as usize;
            at += width;
        }
        count
    }
}

/// Space for `len` numbers with unspecified content.
fn room<T: Copy + Default>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, T::default());
    }
    &mut buffer[..len]
}

impl Top {
    /// Finds the k largest of `x`, k from 1 to its length. The index `always`, if given, is always kept, if necessary in
    /// place of the smallest kept number. Prefetches `next`.
    pub fn find(&mut self, x: &[f32], next: &[f32], k: usize, always: Option<usize>) {
        // One more than k, to find the largest dropped number.
        let wanted = (k + 1).min(x.len());
        let columns = room(&mut self.columns, (4 * k).next_multiple_of(64).max(COLUMNS).min(x.len().max(1)));
        self.sum = column_maxima(x, next, columns);
        let least = reached(columns, wanted, k / 8);
        let (found, places) = (room(&mut self.found, x.len() + 16), room(&mut self.places, x.len() + 16));
        let count = pick(x, least, found, places);
        let (found, places) = (&found[..count], &places[..count]);
        self.bound = if count == 0 { f32::NEG_INFINITY } else { reached(found, k, 0) };
        self.indices.clear();
        self.values.clear();
        (self.ties, self.beside, self.next) = (0, None, f32::NEG_INFINITY);
        let above = found.iter().filter(|x| **x > self.bound).count();
        let mut equal = k.saturating_sub(above);
        for (x, place) in found.iter().zip(places) {
            if *x > self.bound || (*x == self.bound && equal > 0) {
                equal -= usize::from(*x == self.bound);
                self.indices.push(*place);
                self.values.push(*x);
            } else {
                self.ties += usize::from(*x == self.bound);
                self.next = self.next.max(*x);
            }
        }
        if let Some(always) = always {
            self.keep(always, x);
        }
    }

    /// Keeps an index in place of the smallest kept number; of equal ones, in place of the last.
    fn keep(&mut self, index: usize, x: &[f32]) {
        let Err(at) = self.indices.binary_search(&(index as u32)) else { return };
        let smaller = |last: usize, at: usize| if self.values[at] <= self.values[last] { at } else { last };
        let Some(last) = (0..self.values.len()).reduce(smaller) else { return };
        self.indices.remove(last);
        let left_out = self.values.remove(last);
        let at = at - usize::from(last < at);
        self.indices.insert(at, index as u32);
        self.values.insert(at, x[index]);
        if left_out > self.bound {
            self.ties = 0;
        }
        (self.bound, self.next) = (left_out, left_out);
        if x[index] < left_out {
            self.ties += 1;
            self.beside = Some(index);
        }
    }
}

kernel! {
    /// Σ 2^((x_i − max) · scale) of the numbers below `bound`.
    pub(crate) fn sum_below<L>(x: &[f32], bound: f32, max: f32, scale: f32) -> f64 {
        let (bound, max, scale, zero) = (L::V::splat(bound), L::V::splat(max), L::V::splat(scale), L::V::splat(0.0));
        let [sum] = reduce!(L::V, 1, [x = f32::INFINITY], x.len(), |acc, _from, _width, r| {
            let e = r.sub(max).mul(scale).exp2();
            acc[0] = acc[0].add(bound.sub(r).choose(e, zero));
        });
        sum
    }
}

kernel! {
    /// e_i = 2^((x_i − max) · scale) into `out`, 0 at the positions in `without` (ascending); returns Σ e. Prefetches `next`.
    pub(crate) fn exponentials_without<L>(
        x: &[f32], max: f32, scale: f32, without: &[u32], out: &mut [f32], next: &[f32],
    ) -> f64 {
        let (n, max, scale) = (L::V::N, L::V::splat(max), L::V::splat(scale));
        let mut left = without.iter().map(|place| *place as usize).peekable();
        let [sum] = reduce!(L::V, 1, [x = f32::NEG_INFINITY], x.len(), |acc, from, width, r| {
            let mut e = r.sub(max).mul(scale).exp2();
            if left.peek().is_some_and(|place| *place < from + n) {
                let mut lanes = 0;
                while let Some(place) = left.next_if(|place| *place < from + n) {
                    lanes |= 1u32 << ((place - from) & 31);
                }
                e = e.without(lanes);
            }
            if from < next.len() {
                L::V::prefetch(&next[from..]);
            }
            acc[0] = acc[0].add(e);
            put(e, out, from, width);
        });
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::isa::on_each;

    fn found(x: &[f32], k: usize, always: Option<usize>) -> Top {
        let mut top = Top::default();
        top.find(x, &[], k, always);
        top
    }

    fn of_kinds(len: usize, kinds: u32) -> Vec<f32> {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        };
        let mut x: Vec<f32> = (0..len).map(|_| (next() % kinds) as f32 - 2.0).collect();
        x[len / 2] = f32::NEG_INFINITY;
        if len > 10 {
            (x[3], x[8]) = (0.0, -0.0);
        }
        x
    }

    const SHAPES: [(usize, u32); 7] = [(1, 9), (7, 3), (100, 5), (1000, 1 << 20), (1003, 40), (5000, 50), (5000, 1)];

    /// Indices of a stable sort in descending order.
    fn sorted(x: &[f32]) -> Vec<u32> {
        let mut order: Vec<u32> = (0..x.len() as u32).collect();
        order.sort_by(|a, b| x[*b as usize].partial_cmp(&x[*a as usize]).unwrap());
        order
    }

    #[test]
    fn the_largest_numbers_equal_those_of_a_stable_sort() {
        for (len, kinds) in SHAPES {
            let x = of_kinds(len, kinds);
            let order = sorted(&x);
            on_each(|isa| {
                for k in [1, 2, 3, 64, 999, len].into_iter().filter(|k| *k <= len) {
                    let (top, case) = (found(&x, k, None), format!("{len} {kinds} {k} {isa:?}"));
                    let mut expected = order[..k].to_vec();
                    expected.sort_unstable();
                    assert_eq!(top.indices, expected, "{case}");
                    let values: Vec<f32> = expected.iter().map(|index| x[*index as usize]).collect();
                    assert_eq!(top.values, values, "{case}");
                    let next = order.get(k).map_or(f32::NEG_INFINITY, |index| x[*index as usize]);
                    assert_eq!(top.next, next, "{case}");
                }
            });
        }
    }

    #[test]
    fn sorted_rows_and_rows_whose_largest_share_a_column_are_right() {
        let rising: Vec<f32> = (0..3000).map(|i| i as f32).collect();
        let falling: Vec<f32> = rising.iter().rev().copied().collect();
        let columns: Vec<f32> = (0..3000).map(|i| if i % 256 == 5 { 1e4 + i as f32 } else { (i % 7) as f32 }).collect();
        for x in [rising, falling, columns] {
            let mut expected = sorted(&x)[..64].to_vec();
            expected.sort_unstable();
            on_each(|isa| assert_eq!(found(&x, 64, None).indices, expected, "{isa:?}"));
        }
    }

    #[test]
    fn a_number_that_is_not_finite_is_detected_at_any_position() {
        for at in [0, 5, 300, 700, 999] {
            for bad in [f32::NAN, f32::INFINITY] {
                let mut x: Vec<f32> = (0..1000).map(|i| (i % 17) as f32).collect();
                x[at] = bad;
                on_each(|isa| assert!(!found(&x, 3, None).sum.is_finite(), "{at} {isa:?}"));
            }
        }
        assert!(found(&[f32::NAN; 40], 3, Some(1)).indices.is_empty());
    }

    #[test]
    fn a_required_index_replaces_the_smallest_kept_number() {
        let x = [1.0, 5.0, 3.0, 4.0];
        assert_eq!(found(&x, 2, Some(0)).indices, [0, 1]);
        assert_eq!(found(&x, 2, Some(1)).indices, [1, 3]);
        assert_eq!(found(&x, 1, Some(2)).indices, [2]);
    }

    #[test]
    fn the_rest_is_the_sum_below_the_bound_and_the_ties() {
        for (len, kinds) in SHAPES {
            let x = of_kinds(len, kinds);
            on_each(|isa| {
                for k in [1, 3, 64, len].into_iter().filter(|k| *k <= len) {
                    for always in [None, Some(0), Some(len - 1), Some(len / 2)] {
                        let (top, case) = (found(&x, k, always), format!("{len} {kinds} {k} {always:?} {isa:?}"));
                        let kept = |index: &usize| top.indices.contains(&(*index as u32));
                        assert!(top.indices.len() == k && always.is_none_or(|always| kept(&always)), "{case}");
                        let rest: Vec<f32> = (0..len).filter(|index| !kept(index)).map(|index| x[index]).collect();
                        let of = |x: f32| f64::from((x - top.next) / kinds as f32).exp2();
                        let expected = rest.iter().map(|x| of(*x)).sum::<f64>();
                        let largest = rest.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                        assert_eq!(top.next, largest, "{case}");
                        if largest > f32::NEG_INFINITY {
                            let scale = 1.0 / kinds as f32;
                            let (before, after) = top.beside.map_or((&x[..], &[][..]), |at| (&x[..at], &x[at + 1..]));
                            let sum = |part: &[f32]| sum_below(part, top.bound, top.next, scale);
                            let sum = sum(before) + sum(after) + top.ties as f64 * of(top.bound);
                            assert!((sum - expected).abs() < 1e-5 * expected, "{case}: {sum} {expected}");
                        }
                    }
                }
            });
        }
    }

    #[test]
    fn excluded_positions_have_the_exponential_zero() {
        let x = of_kinds(1003, 40);
        let without = [0, 1, 31, 32, 500, 1000, 1002];
        on_each(|isa| {
            let mut out = vec![7.0; x.len()];
            let sum = exponentials_without(&x, 38.0, 0.25, &without, &mut out, &[]);
            let mut expected = 0.0;
            for (index, (x, e)) in x.iter().zip(&out).enumerate() {
                let exact = if without.contains(&(index as u32)) { 0.0 } else { (f64::from(x - 38.0) / 4.0).exp2() };
                assert!((f64::from(*e) - exact).abs() <= 1e-6 * exact, "{index} {isa:?}");
                expected += exact;
            }
            assert!((sum - expected).abs() < 1e-6 * expected, "{isa:?}");
        });
    }
}
