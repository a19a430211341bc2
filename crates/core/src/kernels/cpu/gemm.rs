//! Matrix products of f32: `out = a · b` or `out += a · b`, in tasks whose shape depends only on the sizes.
//!
//! A task is a block of at most 256 rows by 64 columns of the output, computed by one thread over the whole inner
//! width, so that no sum is split between threads and the bits do not depend on their number. A matrix with few
//! rows is split by columns, one with many rows by both. An epilogue processes each finished row of a task while it is in cache.

use std::cell::RefCell;

use super::isa;
use super::pack::{pack, turn};
use super::tile::{self, Place};
use crate::pool;

/// A matrix inside a slice: element (r, c) is `data[r · row_stride + c · col_stride]`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    pub rows: usize,
    pub cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row after row, without gaps.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Matrix::strided(data, rows, cols, cols, 1)
    }

    pub fn strided(data: &'a [f32], rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Self {
        let last = if rows * cols == 0 { 0 } else { (rows - 1) * row_stride + (cols - 1) * col_stride + 1 };
        assert!(last <= data.len(), "a matrix of {rows} × {cols} in {} numbers", data.len());
        Matrix { data, rows, cols, row_stride, col_stride }
    }

    pub fn transposed(self) -> Self {
        Matrix { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }

    fn block(&self, row: usize, col: usize) -> *const f32 {
        self.data[row * self.row_stride + col * self.col_stride..].as_ptr()
    }
}

/// One product of several that run together: `out` is row-major, `[a.rows, b.cols]`.
pub struct Job<'a> {
    pub a: Matrix<'a>,
    pub b: Matrix<'a>,
    pub out: &'a mut [f32],
    /// Adds to the existing values instead of replacing them.
    pub accumulate: bool,
}

/// An output into which tasks write disjoint parts.
#[derive(Clone, Copy)]
pub(super) struct Target(*mut f32);
// SAFETY: tasks write disjoint blocks of the output.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    pub(super) fn new(data: &mut [f32]) -> Self {
        Target(data.as_mut_ptr())
    }

    pub(super) fn at(&self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }
}

/// The blocks of an output of `rows × cols`: about equal rows, 64 columns.
#[derive(Clone, Copy)]
struct Blocks {
    rows: usize,
    cols: usize,
    block_rows: usize,
    block_cols: usize,
}

const MAX_ROWS: usize = 256;
const MIN_ROWS: usize = 32;
const COLS: usize = 64;
/// Minimum number of tasks that keeps several threads busy until the end.
const ENOUGH: usize = 8;

impl Blocks {
    fn new(rows: usize, cols: usize) -> Self {
        let across = cols.div_ceil(COLS).max(1);
        let mut down = rows.div_ceil(MAX_ROWS).max(1);
        while across * down < ENOUGH && rows.div_ceil(down) > MIN_ROWS {
            down += 1;
        }
        // Whole tiles of 8 rows, so that only the last block has a remainder.
        Blocks { rows, cols, block_rows: rows.div_ceil(down).next_multiple_of(8), block_cols: COLS }
    }

    fn count(&self) -> usize {
        self.rows.div_ceil(self.block_rows.max(1)) * self.cols.div_ceil(self.block_cols)
    }

    /// First row, first column, rows, columns.
    fn get(&self, index: usize) -> (usize, usize, usize, usize) {
        let across = self.cols.div_ceil(self.block_cols);
        let (row, col) = (index / across * self.block_rows, index % across * self.block_cols);
        (row, col, self.block_rows.min(self.rows - row), self.block_cols.min(self.cols - col))
    }
}

fn check(a: &Matrix, b: &Matrix, out: usize, out_stride: usize) {
    assert_eq!(a.cols, b.rows, "inner widths of a product");
    let needed = if a.rows * b.cols == 0 { 0 } else { (a.rows - 1) * out_stride + b.cols };
    assert!(needed <= out, "a product of {} × {} into {out} numbers", a.rows, b.cols);
}

/// Computes the product on this thread; `out` has rows of `out_stride` numbers.
pub fn serial(a: Matrix, b: Matrix, out: &mut [f32], out_stride: usize, accumulate: bool) {
    check(&a, &b, out.len(), out_stride);
    // SAFETY: `check` has verified that the output is large enough.
    unsafe { serial_at(a, b, out.as_mut_ptr(), out_stride, accumulate) }
}

/// The same where other threads use the numbers between the rows.
///
/// # Safety
/// At `out` are `a.rows` rows of `b.cols` numbers, `out_stride` apart, which no other code accesses.
pub(super) unsafe fn serial_at(a: Matrix, b: Matrix, out: *mut f32, out_stride: usize, accumulate: bool) {
    assert_eq!(a.cols, b.rows, "inner widths of a product");
    if a.rows * b.cols > 0 {
        // SAFETY: guaranteed by the caller.
        unsafe { block(&a, &b, (0, 0, a.rows, b.cols), out, out_stride, accumulate) }
    }
}

/// Computes the product on the threads of the pool; `out` is row-major without gaps.
pub fn product(a: Matrix, b: Matrix, out: &mut [f32], accumulate: bool) {
    products(vec![Job { a, b, out, accumulate }])
}

/// Several products in one parallel region, those with the longest tasks first.
pub fn products(mut jobs: Vec<Job>) {
    jobs.sort_by_key(|job| std::cmp::Reverse(job.a.cols * Blocks::new(job.a.rows, job.b.cols).block_rows));
    let mut all = Vec::with_capacity(jobs.len());
    let mut count = 0;
    for job in &mut jobs {
        check(&job.a, &job.b, job.out.len(), job.b.cols);
        let blocks = Blocks::new(job.a.rows, job.b.cols);
        all.push((count, blocks, job.a, job.b, Target::new(job.out), job.accumulate));
        count += blocks.count();
    }
    pool::tasks(count, |index| {
        let at = all.partition_point(|(first, ..)| *first <= index) - 1;
        let (first, blocks, a, b, out, accumulate) = &all[at];
        let place = blocks.get(index - first);
        // SAFETY: `check` has verified that the output is large enough; blocks are disjoint.
        unsafe { block(a, b, place, out.at(place.0 * b.cols + place.1), b.cols, *accumulate) }
    });
}

/// One product; `then(row, column, numbers)` gets each row of each finished block.
pub fn product_then(a: Matrix, b: Matrix, out: &mut [f32], then: impl Fn(usize, usize, &mut [f32]) + Sync + Send) {
    check(&a, &b, out.len(), b.cols);
    let blocks = Blocks::new(a.rows, b.cols);
    let target = Target::new(out);
    pool::tasks(blocks.count(), |index| {
        let place @ (row, col, rows, cols) = blocks.get(index);
        // SAFETY: `check` has verified that the output is large enough; blocks are disjoint.
        unsafe { block(&a, &b, place, target.at(row * b.cols + col), b.cols, false) }
        for r in row..row + rows {
            // SAFETY: only this task accesses the rows of this block.
            then(r, col, unsafe { std::slice::from_raw_parts_mut(target.at(r * b.cols + col), cols) });
        }
    });
}

/// Rows of a block of `gram`: a multiple of its columns.
const GRAM_ROWS: usize = 2 * COLS;

/// x · xᵀ, on the threads of the pool: computes the blocks up to the diagonal and copies them to the transposed positions.
pub fn gram(x: Matrix, out: &mut [f32]) {
    let (n, turned) = (x.rows, x.transposed());
    check(&x, &turned, out.len(), n);
    let columns = |row: usize| (0..n.min(row + GRAM_ROWS)).step_by(COLS).map(move |col| (row, col));
    let places: Vec<(usize, usize)> = (0..n).step_by(GRAM_ROWS).flat_map(columns).collect();
    let (target, isa) = (Target::new(out), isa::current());
    pool::tasks(places.len(), |index| {
        let (row, col) = places[index];
        let (rows, cols) = (GRAM_ROWS.min(n - row), COLS.min(n - col));
        // SAFETY: `check` has verified that the output is large enough; blocks and their transposed blocks are disjoint.
        unsafe {
            block(&x, &turned, (row, col, rows, cols), target.at(row * n + col), n, false);
            if col < row {
                turn(isa, (cols, rows), (target.at(row * n + col), 1, n), target.at(col * n + row), n);
            }
        }
    });
}

/// # Safety
/// `out` points to the block's first number; no other code accesses its rows of `stride` numbers.
unsafe fn block(
    a: &Matrix,
    b: &Matrix,
    (row, col, rows, cols): (usize, usize, usize, usize),
    out: *mut f32,
    stride: usize,
    accumulate: bool,
) {
    if a.cols == 0 {
        if !accumulate {
            for r in 0..rows {
                // SAFETY: inside the block.
                unsafe { std::slice::from_raw_parts_mut(out.add(r * stride), cols) }.fill(0.0);
            }
        }
        return;
    }
    let isa = isa::current();
    let panel = tile::panel(isa);
    PACKED.with_borrow_mut(|packed| {
        packed.resize(tile::DEPTH * panel + ALIGN, 0.0);
        let to = packed.as_mut_ptr();
        // SAFETY: the scratch memory has space for an aligned panel; `Matrix::strided` has checked both operands, the
        // caller the output.
        unsafe {
            let to = to.add(to.align_offset(ALIGN * size_of::<f32>()));
            for depth_from in (0..a.cols).step_by(tile::DEPTH) {
                let depth = tile::DEPTH.min(a.cols - depth_from);
                let accumulate = accumulate || depth_from > 0;
                for c in (0..cols).step_by(panel) {
                    let wide = panel.min(cols - c);
                    let from = (b.block(depth_from, col + c), b.row_stride, b.col_stride);
                    pack(isa, (depth, wide, tile::padded(isa, wide)), from, to);
                    let place = Place {
                        a: a.block(row, depth_from),
                        a_row: a.row_stride,
                        a_col: a.col_stride,
                        out: out.add(c),
                        out_row: stride,
                    };
                    tile::strip(isa, rows, wide, depth, place, to, accumulate);
                }
            }
        }
    })
}

/// A cache line in numbers.
const ALIGN: usize = 16;

thread_local! {
    static PACKED: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::isa::on_each;
    use crate::pool::Pool;

    /// Whole numbers from −4 to 4: their products sum without rounding, so every path must agree exactly.
    fn whole(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 7919 + seed * 104_729) % 9) as f32 - 4.0).collect()
    }

    fn naive(a: Matrix, b: Matrix, out: &mut [f32], accumulate: bool) {
        let at = |m: &Matrix, r: usize, c: usize| m.data[r * m.row_stride + c * m.col_stride];
        for r in 0..a.rows {
            for c in 0..b.cols {
                let sum: f32 = (0..a.cols).map(|p| at(&a, r, p) * at(&b, p, c)).sum();
                out[r * b.cols + c] = if accumulate { out[r * b.cols + c] + sum } else { sum };
            }
        }
    }

    /// Rows, inner width, columns: one number, odd ones, more than a block of rows, a packed depth and a panel.
    const SHAPES: [(usize, usize, usize); 8] =
        [(1, 1, 1), (3, 131, 7), (8, 256, 32), (9, 257, 33), (300, 520, 70), (513, 10, 131), (1, 700, 17), (5, 0, 4)];

    #[test]
    fn products_are_exact_in_every_layout_and_on_every_instruction_set() {
        on_each(|isa| {
            for (m, k, n) in SHAPES {
                let (left, right) = (whole(m * k, 1), whole(k * n, 2));
                for (turn_a, turn_b, accumulate) in
                    [(false, false, false), (true, false, true), (false, true, true), (true, true, false)]
                {
                    let a = if turn_a { Matrix::new(&left, k, m).transposed() } else { Matrix::new(&left, m, k) };
                    let b = if turn_b { Matrix::new(&right, n, k).transposed() } else { Matrix::new(&right, k, n) };
                    let (mut got, mut expected) = (whole(m * n, 3), whole(m * n, 3));
                    naive(a, b, &mut expected, accumulate);
                    product(a, b, &mut got, accumulate);
                    assert!(got == expected, "{m} × {k} × {n} {turn_a} {turn_b} {accumulate} with {}", isa.name());
                }
            }
        });
    }

    #[test]
    fn gram_equals_the_full_product() {
        on_each(|isa| {
            for (rows, width) in [(1, 3), (37, 5), (129, 17), (300, 8)] {
                let x: Vec<f32> = whole(rows * width, 6).iter().map(|x| x / 3.0 + 0.1).collect();
                let x = Matrix::new(&x, rows, width);
                let mut expected = vec![0.0; rows * rows];
                product(x, x.transposed(), &mut expected, false);
                for threads in [1, 3] {
                    let mut got = vec![9.0; rows * rows];
                    Pool::new(Some(threads)).unwrap().enter(|| gram(x, &mut got));
                    assert!(got == expected, "{rows} × {width} {}", isa.name());
                }
            }
        });
    }

    #[test]
    fn strided_views_and_wide_outputs_touch_only_their_own_numbers() {
        on_each(|isa| {
            // The middle 5 × 6 of 5 × 10, times every second column of 6 × 40, into rows of 50.
            let (left, right) = (whole(50, 4), whole(240, 5));
            let a = Matrix::strided(&left[2..], 5, 6, 10, 1);
            let b = Matrix::strided(&right, 6, 20, 40, 2);
            let mut expected = vec![0.0; 100];
            naive(a, b, &mut expected, false);
            let mut got = vec![9.0; 250];
            serial(a, b, &mut got, 50, false);
            for r in 0..5 {
                assert!(got[r * 50..r * 50 + 20] == expected[r * 20..(r + 1) * 20], "{}", isa.name());
                assert!(got[r * 50 + 20..(r + 1) * 50].iter().all(|x| *x == 9.0), "{}", isa.name());
            }
        });
    }

    #[test]
    fn an_epilogue_gets_every_number_once_and_bits_do_not_depend_on_threads() {
        on_each(|_| {
            let fractions = |len, seed| whole(len, seed).iter().map(|x| x / 3.0 + 0.1).collect::<Vec<f32>>();
            for (m, k, n) in SHAPES {
                let (left, right) = (fractions(m * k, 1), fractions(k * n, 2));
                let (a, b) = (Matrix::new(&left, m, k), Matrix::new(&right, k, n));
                let ran = |threads| {
                    let mut out = vec![0.0; m * n];
                    let pool = Pool::new(Some(threads)).unwrap();
                    pool.enter(|| product_then(a, b, &mut out, |_, _, row| row.iter_mut().for_each(|x| *x += 1.0)));
                    out
                };
                let mut plain = vec![0.0; m * n];
                product(a, b, &mut plain, false);
                let one = ran(1);
                assert!(one == ran(2) && one == ran(3), "{m} × {k} × {n}");
                assert!(one.iter().zip(&plain).all(|(with, without)| *with == without + 1.0), "{m} × {k} × {n}");
            }
        });
    }
}
