//! The k largest of a row, the lower index first where numbers are equal.
//!
//! The row is cut into short blocks. The k-th largest of the blocks' maxima is at most the k-th largest number, so only
//! blocks that reach it are looked into: about k of them, where a row is in no order.

use super::isa::kernel;
use super::vector::Vector;

/// Numbers of one block.
const BLOCK: usize = 64;

kernel! {
    /// The maximum of each block into `maxima`, and the sum of all numbers, not finite if one of them is not. `next` is
    /// fetched.
    fn block_maxima<L>(x: &[f32], next: &[f32], maxima: &mut [f32]) -> f32 {
        let n = L::V::N;
        let (low, mut sum) = (L::V::splat(f32::NEG_INFINITY), L::V::splat(0.0));
        for (index, (block, out)) in x.chunks(BLOCK).zip(maxima).enumerate() {
            let mut max = [low; 2];
            let mut pairs = block.chunks_exact(2 * n);
            for pair in pairs.by_ref() {
                let (a, b) = (L::V::load(pair), L::V::load(&pair[n..]));
                max = [a.max(max[0]), b.max(max[1])];
                sum = sum.add(a.add(b));
            }
            for rest in pairs.remainder().chunks(n) {
                max[0] = L::V::load_part(rest, f32::NEG_INFINITY).max(max[0]);
                sum = sum.add(L::V::load_part(rest, 0.0));
            }
            *out = max[0].max(max[1]).max_lane();
            let ahead = next.get(index * BLOCK..).unwrap_or(&[]);
            ahead.chunks(16).take(BLOCK / 16).for_each(L::V::prefetch);
        }
        sum.sum()
    }
}

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
    let mut maxima = vec![0.0; x.len().div_ceil(BLOCK)];
    let sum = block_maxima(x, next, &mut maxima);
    let bound = match maxima.len() > k {
        true => {
            let mut keys: Vec<u64> = maxima.iter().map(|max| key(*max, 0)).collect();
            let (_, kth, _) = keys.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
            *kth
        }
        false => 0,
    };
    let mut keys = Vec::with_capacity(if bound == 0 { x.len() } else { 2 * k });
    // A key with the index 0 is the largest of equal numbers; the bound takes in all of them.
    let bound = bound >> 32 << 32;
    for ((number, block), max) in x.chunks(BLOCK).enumerate().zip(&maxima) {
        if key(*max, 0) >= bound {
            let all = block.iter().enumerate().map(|(at, x)| key(*x, number * BLOCK + at));
            keys.extend(all.filter(|key| *key >= bound));
        }
    }
    keep(&mut keys, k);
    keys.sort_unstable_by(|a, b| b.cmp(a));
    let mut indices: Vec<usize> = keys.into_iter().map(|key| !(key as u32) as usize).collect();
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
