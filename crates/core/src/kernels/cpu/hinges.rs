//! For each row, the hinges against all rows with another label: value and gradient, from two matrix products.
//!
//! ```text
//! ℓ_r = 1/n_r Σ_j max(0, D(t_r, s_r) − D(t_r, s_j) + m),   D(x, y) = ‖x − y + shift‖       j: the n_r rows with another label
//! ∂s_j = Σ_r c_rj (t_r − s_j + shift) = Σ_r c_rj t'_r − s'_j Σ_r c_rj,   c_rj = w_r / (n_r D(t_r, s_j)) where the hinge is open
//! ```
//!
//! t the anchors, s the other rows, t' = t − μ + shift and s' = s − μ with μ the mean of s: squares and products around
//! the mean lose no significant digits, except for pairs that are close relative to their lengths. These few pairs are
//! computed from their differences, as is the gradient at the anchor's own row. Anchors are processed in blocks,
//! without a full distance matrix.

use super::apart::{pull, square};
use super::gemm::{self, Matrix};
use super::isa::kernel;
use super::nearest::{Search, names};
use super::pairs::{NEAR, about, middle};
use super::rows::{BLOCK, put, reduce};
use super::vector::Vector;
use crate::pool;
use crate::tensor::uninit;

/// Anchors whose distances are stored at once.
const ANCHORS: usize = 256;
/// Rows of one task.
const ROWS: usize = 16;

/// Results of one anchor, without its gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Told {
    pub value: f64,
    /// Share of the hinges that are open.
    pub open: f64,
    /// Whether no row has another label.
    pub alone: bool,
}

/// The intermediate results of one anchor.
#[derive(Clone, Default)]
struct Anchor {
    told: Told,
    /// Gradient factor of its own row.
    own: f32,
    /// Rows that are close to the anchor, with their gradient factors.
    near: Vec<(u32, f32)>,
}

/// The gradient at the other rows, with anchor r's loss weighted by `weights[r]`, and the results of each anchor.
pub(crate) fn all(search: &Search, weights: &[f64], margin: f64) -> (Vec<f32>, Vec<Told>) {
    let &Search { anchors, others, labels, width, shift } = search;
    let (rows, by) = (labels.len(), shift as f32);
    assert!(anchors.len() == rows * width && others.len() == anchors.len(), "one label a row");
    let row = |all, at: usize| -> &[f32] { &(all as &[f32])[at * width..(at + 1) * width] };
    let middle = middle(others, width);
    let (of_anchors, anchor_squares) = about(anchors, &middle, by);
    let (of_others, squares) = about(others, &middle, 0.0);
    let names = names(labels);
    let mut each = vec![Anchor::default(); rows];
    let mut gradient = uninit(others.len());
    let mut columns = vec![0.0; rows];
    let mut scales = uninit(rows * ANCHORS.min(rows));
    for first in (0..rows).step_by(ANCHORS) {
        let count = ANCHORS.min(rows - first);
        let scales = &mut scales[..count * rows];
        let block = Matrix::new(&of_anchors[first * width..(first + count) * width], count, width);
        gemm::product(block, Matrix::new(&of_others, rows, width).transposed(), scales, false);
        let work = each[first..first + count].chunks_mut(ROWS).zip(scales.chunks_mut(ROWS * rows)).collect();
        pool::each(work, |piece, (each, scales): (&mut [Anchor], &mut [f32])| {
            for (at, (anchor, scales)) in each.iter_mut().zip(scales.chunks_mut(rows)).enumerate() {
                let r = first + piece * ROWS + at;
                let others_of = labels.iter().filter(|label| **label != labels[r]).count();
                if others_of == 0 {
                    scales.fill(0.0);
                    anchor.told.alone = true;
                    continue;
                }
                let (t, share) = (row(anchors, r), 1.0 / others_of as f64);
                let near = square(t, row(others, r), by).sqrt();
                let (bound, scale) = (near + margin, weights[r] * share);
                let (mut sum, mut open) = hinges(
                    scales,
                    &squares,
                    &names,
                    (names[r], anchor_squares[r]),
                    (bound as f32, scale as f32),
                    &mut anchor.near,
                );
                anchor.near.retain_mut(|(j, to)| {
                    let far = square(t, row(others, *j as usize), by).sqrt();
                    let hinge = bound - far;
                    // NaN stays NaN.
                    if hinge <= 0.0 {
                        return false;
                    }
                    (sum, open) = (sum + hinge, open + 1.0);
                    *to = (scale / far) as f32;
                    true
                });
                anchor.told = Told { value: sum * share, open: open * share, alone: false };
                anchor.own = (-scale * open / near) as f32;
            }
        });
        for scales in scales.chunks(rows) {
            add(&mut columns, scales);
        }
        gemm::product(Matrix::new(scales, count, rows).transposed(), block, &mut gradient, first > 0);
    }
    pool::pieces(&mut gradient, ROWS * width, |piece, gradient| {
        for (at, gradient) in gradient.chunks_mut(width).enumerate() {
            let j = piece * ROWS + at;
            less(gradient, row(&of_others, j), columns[j] as f32);
            pull(row(anchors, j), &[each[j].own], row(others, j), by, gradient);
        }
    });
    for (r, anchor) in each.iter().enumerate() {
        for (j, scale) in &anchor.near {
            let at = *j as usize * width;
            pull(row(anchors, r), &[*scale], row(others, *j as usize), by, &mut gradient[at..at + width]);
        }
    }
    (gradient, each.into_iter().map(|anchor| anchor.told).collect())
}

kernel! {
    /// Turns one anchor's products into the gradient factors of each row; returns the sum of the hinges and the number
    /// of open ones. Close rows are skipped and added to `near`.
    fn hinges<L>(
        products: &mut [f32],
        squares: &[f32],
        names: &[f32],
        own: (f32, f32),
        bound_and_scale: (f32, f32),
        near: &mut Vec<(u32, f32)>,
    ) -> (f64, f64) {
        let ((own, square), (bound, scale)) = (own, bound_and_scale);
        let (own, square, bound, scale) = (L::V::splat(own), L::V::splat(square), L::V::splat(bound), L::V::splat(scale));
        let (infinity, twice, share) = (L::V::splat(f32::INFINITY), L::V::splat(-2.0), L::V::splat(NEAR));
        let (zero, one) = (L::V::splat(0.0), L::V::splat(1.0));
        // Lanes beyond the end have an infinite distance.
        let [sum, open] = reduce!(L::V, 2, [products = 0.0, squares = f32::INFINITY, names = 0.0], products.len(), |acc, from, width, p, s, name| {
            let both = square.add(s);
            let apart = name.where_equal(own, infinity, twice.mul_add(p, both));
            let close = share.mul(both).at_least(apart) & ((1 << width) - 1);
            let far = apart.sqrt();
            let hinge = bound.sub(far);
            put(hinge.choose(scale.div(far), zero).without(close), products, from, width);
            acc[0] = acc[0].add(hinge.largest(zero).without(close));
            acc[1] = acc[1].add(hinge.choose(one, zero).without(close));
            let mut left = close;
            while left != 0 {
                near.push((from as u32 + left.trailing_zeros(), 0.0));
                left &= left - 1;
            }
        });
        (sum, open)
    }
}

kernel! {
    /// sums += x.
    fn add<L>(sums: &mut [f64], x: &[f32]) {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum += f64::from(*x);
        }
    }
}

kernel! {
    /// out −= scale · x.
    fn less<L>(out: &mut [f32], x: &[f32], scale: f32) {
        for (out, x) in out.iter_mut().zip(x) {
            *out = L::mul_add(-scale, *x, *out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::isa::on_each;
    use crate::pool::Pool;

    /// The same in f64, for each pair separately.
    fn plain(search: &Search, weights: &[f64], margin: f64) -> (Vec<f64>, Vec<Told>) {
        let Search { anchors, others, labels, width, shift } = search;
        let difference = |r: usize, j: usize| -> Vec<f64> {
            (0..*width).map(|i| f64::from(anchors[r * width + i]) - f64::from(others[j * width + i]) + shift).collect()
        };
        let length = |d: &[f64]| d.iter().map(|x| x * x).sum::<f64>().sqrt();
        let (mut gradient, mut told) = (vec![0.0; others.len()], Vec::new());
        for r in 0..labels.len() {
            let own = difference(r, r);
            let all: Vec<usize> = (0..labels.len()).filter(|j| labels[*j] != labels[r]).collect();
            let mut said = Told { alone: all.is_empty(), ..Told::default() };
            for j in &all {
                let far = difference(r, *j);
                let hinge = length(&own) - length(&far) + margin;
                if hinge > 0.0 {
                    let scale = weights[r] / all.len() as f64;
                    said.value += hinge / all.len() as f64;
                    said.open += 1.0 / all.len() as f64;
                    for i in 0..*width {
                        gradient[j * width + i] += scale * far[i] / length(&far);
                        gradient[r * width + i] -= scale * own[i] / length(&own);
                    }
                }
            }
            told.push(said);
        }
        (gradient, told)
    }

    #[test]
    fn hinges_equal_plain_loops_on_every_set_and_for_any_number_of_threads() {
        let number = |at: usize| (at * 7919 % 1009) as f32 / 504.5 - 1.0;
        on_each(|isa| {
            for (rows, width) in [(1, 9), (2, 8), (17, 33), (300, 20)] {
                // Rows far from 0; a student close to the teacher; or both.
                for (offset, off) in [(0.0, 1.0), (100.0, 1.0), (0.0, 1e-3), (100.0, 1e-3)] {
                    let anchors: Vec<f32> = (0..rows * width).map(|at| number(at % (7 * width)) + offset).collect();
                    let others: Vec<f32> = anchors.iter().enumerate().map(|(at, x)| x + off * number(at + 5)).collect();
                    let labels: Vec<u32> = (0..rows as u32).map(|row| row * row % 5).collect();
                    let weights: Vec<f64> = (0..rows).map(|row| 0.5 + (row % 3) as f64).collect();
                    let search = Search { anchors: &anchors, others: &others, labels: &labels, width, shift: 1e-6 };
                    let (expected, told) = plain(&search, &weights, 0.5);
                    let run = |threads| Pool::new(Some(threads)).unwrap().enter(|| all(&search, &weights, 0.5));
                    let what = format!("{rows} × {width} + {offset} {off} {}", isa.name());
                    let (got, said) = run(1);
                    let largest = expected.iter().fold(1e-6, |most: f64, x| most.max(x.abs()));
                    for (got, expected) in got.iter().zip(&expected) {
                        assert!((f64::from(*got) - expected).abs() < 1e-4 * largest, "{what}: {got} {expected}");
                    }
                    for (said, told) in said.iter().zip(&told) {
                        assert_eq!(said.alone, told.alone);
                        assert!(
                            (said.value - told.value).abs() < 1e-5 * (1.0 + told.value),
                            "{what}: {said:?} {told:?}"
                        );
                        assert!((said.open - told.open).abs() < 2.0 / rows as f64, "{what}: {said:?} {told:?}");
                    }
                    assert!(run(3) == (got, said), "{what}");
                }
            }
        });
    }
}
