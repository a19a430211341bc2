//! Squared distances between all pairs of rows, from one matrix product.
//!
//! ```text
//! ‖x_r − x_j‖² = ‖x'_r‖² + ‖x'_j‖² − 2 x'_r·x'_j,   x' = x − μ
//! ```
//!
//! μ is the mean of the rows. With it, only pairs that are close relative to their lengths lose significant digits; these
//! are computed from their differences.

use super::apart::{square, sums};
use super::gemm::{self, Matrix};
use super::isa::kernel;
use super::rows::{get, put};
use super::vector::Vector;
use crate::pool;
use crate::tensor::uninit;

/// Rows of one task.
const ROWS: usize = 16;
/// A square below this share of ‖x'_r‖² + ‖x'_j‖² is computed from differences.
pub(super) const NEAR: f32 = 0.125;

/// Returns `[rows, rows]`, with 0 on the diagonal.
pub(crate) fn squares(x: &[f32], width: usize) -> Vec<f32> {
    let rows = x.len() / width;
    let (moved, lengths) = about(x, &middle(x, width), 0.0);
    let mut squares = uninit(rows * rows);
    gemm::gram(Matrix::new(&moved, rows, width), &mut squares);
    let row = |at: usize| &x[at * width..(at + 1) * width];
    pool::pieces(&mut squares, ROWS * rows, |piece, squares| {
        let mut near = Vec::new();
        for (at, squares) in squares.chunks_mut(rows).enumerate() {
            let r = piece * ROWS + at;
            apart(squares, &lengths, lengths[r], &mut near);
            for j in near.drain(..) {
                squares[j] = if j == r { 0.0 } else { square(row(r), row(j), 0.0) as f32 };
            }
        }
    });
    squares
}

/// The mean of the rows; 0 in columns whose mean is not finite.
pub(super) fn middle(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    rows.chunks(width).for_each(|row| sums.iter_mut().zip(row).for_each(|(sum, x): (&mut f32, &f32)| *sum += *x));
    let count = (rows.len() / width).max(1) as f32;
    let mean = |sum: f32| if sum.is_finite() { sum / count } else { 0.0 };
    sums.into_iter().map(mean).collect()
}

/// The rows minus the middle plus the shift, and their squared lengths.
pub(super) fn about(rows: &[f32], middle: &[f32], shift: f32) -> (Vec<f32>, Vec<f32>) {
    let width = middle.len();
    let (mut moved, mut squares) = (uninit(rows.len()), vec![0.0; rows.len() / width]);
    let work = moved.chunks_mut(ROWS * width).zip(rows.chunks(ROWS * width)).zip(squares.chunks_mut(ROWS)).collect();
    pool::each(work, |_, ((moved, rows), squares): ((&mut [f32], &[f32]), &mut [f32])| {
        for ((moved, row), square) in moved.chunks_mut(width).zip(rows.chunks(width)).zip(squares) {
            for ((to, x), middle) in moved.iter_mut().zip(row).zip(middle) {
                *to = (x - middle) + shift;
            }
            *square = sums(moved).1 as f32;
        }
    });
    (moved, squares)
}

kernel! {
    /// Turns one row's products into squared distances; `own` and `lengths` are the rows' squares; adds close rows to
    /// `near`.
    fn apart<L>(products: &mut [f32], lengths: &[f32], own: f32, near: &mut Vec<usize>) {
        let (n, len) = (L::V::N, products.len());
        let (own, twice, share) = (L::V::splat(own), L::V::splat(-2.0), L::V::splat(NEAR));
        for from in (0..len).step_by(n) {
            let width = n.min(len - from);
            let both = own.add(get(lengths, from, width));
            let square = twice.mul_add(get(products, from, width), both);
            let mut left = share.mul(both).at_least(square) & ((1 << width) - 1);
            put(square, products, from, width);
            while left != 0 {
                near.push(from + left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::isa::on_each;
    use crate::pool::Pool;

    #[test]
    fn squares_equal_those_of_differences_on_every_set_and_for_any_number_of_threads() {
        on_each(|isa| {
            for (rows, width, offset) in [(1, 3, 0.0), (2, 1, 0.0), (33, 17, 0.0), (150, 8, 0.0), (33, 17, 1000.0)] {
                // Every second row is nearly equal to the row before it.
                let number = |at: usize| (at * 7919 % 1009) as f32 / 504.5 - 1.0;
                let of = |at: usize| number(at / (2 * width) * width + at % width) + at as f32 * 1e-5 + offset;
                let x: Vec<f32> = (0..rows * width).map(of).collect();
                let got = squares(&x, width);
                for (at, got) in got.iter().enumerate() {
                    let row = |at: usize| x[at * width..(at + 1) * width].iter().map(|x| f64::from(*x));
                    let exact: f64 = row(at / rows).zip(row(at % rows)).map(|(a, b)| (a - b) * (a - b)).sum();
                    let near = (f64::from(*got) - exact).abs() <= 1e-5 * exact;
                    assert!(near, "{rows} × {width} + {offset} {}: {at} {got} {exact}", isa.name());
                }
                assert!(Pool::new(Some(3)).unwrap().enter(|| squares(&x, width)) == got, "{rows} {}", isa.name());
            }
        });
    }
}
