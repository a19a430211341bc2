//! The passes of a dense layer around its matrix products: the activation as the epilogue of the forward product, and the
//! slope together with the bias gradient in the backward pass.

use super::activation;
use super::gemm::{Matrix, Target, product_then};
use crate::kernels::names::Activation;
use crate::pool;

/// `y ← curve(x · wᵀ + bias)`, `w` of `[outputs, inputs]`. If `slope` is given, the curve's slope is written there.
pub fn forward(x: Matrix, w: Matrix, bias: &[f32], activation: Activation, y: &mut [f32], slope: Option<&mut [f32]>) {
    let cols = w.rows;
    let part = |col: usize, len: usize| if bias.is_empty() { bias } else { &bias[col..col + len] };
    let Some(slope) = slope else {
        return product_then(x, w.transposed(), y, |_, col, row| {
            activation::forward(activation, row, part(col, row.len()))
        });
    };
    assert_eq!(slope.len(), x.rows * cols, "slope of another size");
    let slope = Target::new(slope);
    product_then(x, w.transposed(), y, |r, col, row| {
        // SAFETY: the same position as `row`, which only this task accesses; the size was checked above.
        let slope = unsafe { std::slice::from_raw_parts_mut(slope.at(r * cols + col), row.len()) };
        activation::forward_with_slope(activation, row, part(col, row.len()), slope)
    });
}

const BLOCK_ROWS: usize = 512;
const BLOCK_COLS: usize = 64;

/// Sums over rows in fixed blocks: `each(rows, columns, sums)` adds a block's rows to its part of the sums.
fn sums_over_rows(
    rows: usize,
    cols: usize,
    sums: &mut [f32],
    each: impl Fn(std::ops::Range<usize>, std::ops::Range<usize>, &mut [f32]) + Sync + Send,
) {
    let (down, across) = (rows.div_ceil(BLOCK_ROWS).max(1), cols.div_ceil(BLOCK_COLS));
    let wanted = !sums.is_empty();
    assert!(!wanted || sums.len() == cols, "one sum a column");
    let mut partial = crate::blocks::filled(if wanted { down * cols } else { 0 }, 0.0f32);
    let target = Target::new(&mut partial);
    pool::tasks(down * across, |index| {
        let (block, col) = (index / across, index % across * BLOCK_COLS);
        let columns = col..(col + BLOCK_COLS).min(cols);
        let len = if wanted { columns.len() } else { 0 };
        // SAFETY: each task has its own block and columns of `partial`; if no sums are wanted, nothing is accessed.
        let sums =
            unsafe { std::slice::from_raw_parts_mut(target.at(if wanted { block * cols + col } else { 0 }), len) };
        each(block * BLOCK_ROWS..((block + 1) * BLOCK_ROWS).min(rows), columns, sums);
    });
    sums.fill(0.0);
    partial.chunks(cols.max(1)).for_each(|part| activation::add_to(sums, part));
}

/// `down ← up · slope` over `[rows, cols]`, and the sums of its columns if `sums` is not empty.
pub fn backward(activation: Activation, cols: usize, up: &[f32], saved: &[f32], down: &mut [f32], sums: &mut [f32]) {
    let rows = up.len() / cols.max(1);
    assert!(saved.len() == up.len() && down.len() == up.len(), "gradients of another size");
    let target = Target::new(down);
    sums_over_rows(rows, cols, sums, |block, columns, sums| {
        for r in block {
            let at = r * cols + columns.start..r * cols + columns.end;
            // SAFETY: each task has its own rows and columns of `down`.
            let down = unsafe { std::slice::from_raw_parts_mut(target.at(at.start), at.len()) };
            activation::backward(activation, &up[at.clone()], &saved[at], down, sums);
        }
    });
}

/// Sums of the columns of `[rows, sums.len()]`.
pub fn column_sums(values: &[f32], sums: &mut [f32]) {
    let cols = sums.len();
    sums_over_rows(values.len() / cols.max(1), cols, sums, |block, columns, sums| {
        for r in block {
            activation::add_to(sums, &values[r * cols + columns.start..r * cols + columns.end]);
        }
    });
}
