//! The k largest of a row, the lower index first where numbers are equal.
//!
//! Candidates above the k-th largest so far are collected until there are twice as many as are wanted, then the k
//! largest are kept. A row in no order passes the bound about k ln(n / k) times, so nearly all of it is only compared.

use super::isa::kernel;
use super::vector::Vector;

kernel! {
    /// Where the next few numbers begin that are not all at most `bound`, or the row's length; and the sum of the numbers
    /// before, which is not finite if one of them is not. `next` is fetched.
    fn next_above<L>(x: &[f32], from: usize, bound: f32, next: &[f32]) -> (usize, f32) {
        let n = L::V::N;
        let mut at = from;
        let mut sums = [L::V::splat(0.0); 2];
        while at + 4 * n <= x.len() {
            let part = |i: usize| L::V::load(&x[at + i * n..at + (i + 1) * n]);
            let (a, b, c, d) = (part(0), part(1), part(2), part(3));
            if a.max(b).max(c.max(d)).max_lane() > bound {
                // Not all four, where the first have none.
                let ahead = if a.max(b).max_lane() > bound { 0 } else { 2 * n };
                if ahead > 0 {
                    sums[0] = sums[0].add(a.add(b));
                }
                return (at + ahead, sums[0].add(sums[1]).sum());
            }
            if at < next.len() {
                (0..4).filter(|i| at + i * n < next.len()).for_each(|i| L::V::prefetch(&next[at + i * n..]));
            }
            sums[0] = sums[0].add(a.add(b));
            sums[1] = sums[1].add(c.add(d));
            at += 4 * n;
        }
        (at, sums[0].add(sums[1]).sum())
    }
}

/// Numbers that are looked at one by one where some of them are above the bound.
const FEW: usize = 32;

/// Larger numbers have larger keys, and of equal ones the lower index has.
fn key(x: f32, index: usize) -> u64 {
    // −0 and 0 are equal.
    let bits = (x + 0.0).to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(!(index as u32))
}

fn keep(keys: &mut Vec<u64>, k: usize) {
    if keys.len() > k {
        keys.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
        keys.truncate(k);
    }
}

/// Indices of the k largest, the largest first, and the sum of all numbers (in no good precision), which is not finite if
/// one of them is not; k from 1 to the row's length. With `always` that index is among them in any case, in place of the
/// last. `next` is fetched.
pub(crate) fn largest(x: &[f32], next: &[f32], k: usize, always: Option<usize>) -> (Vec<usize>, f32) {
    let first = (2 * k).min(x.len());
    let mut keys: Vec<u64> = Vec::with_capacity(2 * k + FEW);
    keys.extend(x[..first].iter().enumerate().map(|(index, x)| key(*x, index)));
    keep(&mut keys, k);
    let mut sum: f32 = x[..first].iter().sum();
    let index = |key: u64| !(key as u32) as usize;
    let bound = |keys: &[u64]| keys.last().map_or(f32::NEG_INFINITY, |last| x[index(*last)]);
    let (mut at, mut least) = (first, bound(&keys));
    while at < x.len() {
        let (found, before) = next_above(x, at, least, next);
        let end = (found + FEW).min(x.len());
        for (index, number) in x[found..end].iter().enumerate() {
            sum += number;
            if *number > least {
                keys.push(key(*number, found + index));
            }
        }
        (sum, at) = (sum + before, end);
        if keys.len() >= 2 * k {
            keep(&mut keys, k);
            least = bound(&keys);
        }
    }
    keep(&mut keys, k);
    keys.sort_unstable_by(|a, b| b.cmp(a));
    let mut indices: Vec<usize> = keys.into_iter().map(index).collect();
    if let Some(always) = always
        && !indices.contains(&always)
    {
        indices[k - 1] = always;
    }
    (indices, sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::isa::on_each;

    #[test]
    fn they_are_those_of_a_stable_sort() {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        };
        for (len, kinds) in [(1, 9), (7, 3), (100, 5), (1000, 1 << 20), (5000, 50)] {
            let mut x: Vec<f32> = (0..len).map(|_| (next() % kinds) as f32 - 2.0).collect();
            x[len / 2] = f32::NEG_INFINITY;
            if len > 10 {
                (x[3], x[8]) = (0.0, -0.0);
            }
            let mut order: Vec<usize> = (0..len).collect();
            order.sort_by(|a, b| x[*b].partial_cmp(&x[*a]).unwrap());
            on_each(|isa| {
                for k in [1, 2, 3, 64, 999, len].into_iter().filter(|k| *k <= len) {
                    assert_eq!(largest(&x, &[], k, None).0, order[..k], "{len} {k} {isa:?}");
                }
            });
        }
    }

    #[test]
    fn a_number_that_is_not_finite_is_seen_wherever_it_stands() {
        for at in [0, 5, 300, 700, 999] {
            for bad in [f32::NAN, f32::INFINITY] {
                let mut x: Vec<f32> = (0..1000).map(|i| (i % 17) as f32).collect();
                x[at] = bad;
                on_each(|isa| assert!(!largest(&x, &[], 3, None).1.is_finite(), "{at} {isa:?}"));
            }
        }
    }

    #[test]
    fn an_index_that_must_be_there_takes_the_last_place() {
        let x = [1.0, 5.0, 3.0, 4.0];
        assert_eq!(largest(&x, &[], 2, Some(0)).0, [1, 0]);
        assert_eq!(largest(&x, &[], 2, Some(1)).0, [1, 3]);
        assert_eq!(largest(&x, &[], 1, Some(2)).0, [2]);
    }
}
