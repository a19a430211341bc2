//! The core of a matrix product: a tile of a few rows by two vectors, kept in registers over the inner width.
//!
//! The right side is packed first, into panels with two vectors of columns, one row per step of the inner width, and zeros
//! after the last column. The left side is read in place, one number at a time, and broadcast to a vector. In every tile,
//! each number of the output is one chain of multiply-adds in the order of the inner width.

use super::isa::Isa;

/// Inner width of one pass, chosen so that a packed panel stays in the first-level cache.
pub const DEPTH: usize = 256;

/// The addresses at which a tile reads and writes.
#[derive(Clone, Copy)]
pub struct Place {
    pub a: *const f32,
    pub a_row: usize,
    pub a_col: usize,
    pub out: *mut f32,
    pub out_row: usize,
}

/// Columns of a packed panel with this instruction set.
pub fn panel(isa: Isa) -> usize {
    match isa {
        Isa::Avx512 => 32,
        Isa::Avx2 | Isa::Scalar => 16,
    }
}

/// Columns of a panel with `cols` used columns, padded to whole vectors.
pub fn padded(isa: Isa, cols: usize) -> usize {
    match isa {
        Isa::Avx512 => cols.next_multiple_of(16),
        Isa::Avx2 => cols.next_multiple_of(8),
        Isa::Scalar => 16,
    }
}

/// Computes `rows × cols` of the output from a packed panel of `depth × padded(cols)`.
///
/// # Safety
/// The machine has `isa`; `at` spans `rows × depth` to read and `rows × cols` to write; `b` is a packed panel.
pub unsafe fn strip(isa: Isa, rows: usize, cols: usize, depth: usize, at: Place, b: *const f32, accumulate: bool) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if cols > 16 => x86::strip512::<2>(rows, cols, depth, at, b, accumulate),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => x86::strip512::<1>(rows, cols, depth, at, b, accumulate),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 if cols > 8 => x86::strip256::<2>(rows, cols, depth, at, b, accumulate),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => x86::strip256::<1>(rows, cols, depth, at, b, accumulate),
            _ => plain(rows, cols, depth, at, b, accumulate),
        }
    }
}

/// # Safety
/// As `strip`.
unsafe fn plain(rows: usize, cols: usize, depth: usize, at: Place, b: *const f32, accumulate: bool) {
    for i in 0..rows {
        let mut sums = [0.0f32; 16];
        for p in 0..depth {
            // SAFETY: inside the left side and the packed panel.
            let (a, b) = unsafe { (*at.a.add(i * at.a_row + p * at.a_col), &*b.add(p * 16).cast::<[f32; 16]>()) };
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum += a * b;
            }
        }
        // SAFETY: the row's `cols` numbers belong to the caller.
        let out = unsafe { std::slice::from_raw_parts_mut(at.out.add(i * at.out_row), cols) };
        if accumulate {
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
        } else {
            out.copy_from_slice(&sums[..cols]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Place;

    /// Rows of a full tile: 8 × 2 accumulators, enough to hide the latency of a multiply-add on two pipes.
    const ROWS: usize = 8;

    #[target_feature(enable = "avx512f")]
    pub unsafe fn strip512<const V: usize>(
        rows: usize,
        cols: usize,
        depth: usize,
        at: Place,
        b: *const f32,
        accumulate: bool,
    ) {
        let tail = cols - (V - 1) * 16;
        let mask = if tail == 16 { u16::MAX } else { (1 << tail) - 1 };
        let mut row = 0;
        // SAFETY: tiles stay inside the strip, for which the caller is responsible.
        unsafe {
            while row < rows {
                let at = Place { a: at.a.add(row * at.a_row), out: at.out.add(row * at.out_row), ..at };
                let left = rows - row;
                match left {
                    1 => tile512::<1, V>(depth, at, b, mask, accumulate),
                    2 => tile512::<2, V>(depth, at, b, mask, accumulate),
                    3 => tile512::<3, V>(depth, at, b, mask, accumulate),
                    4 => tile512::<4, V>(depth, at, b, mask, accumulate),
                    5 => tile512::<5, V>(depth, at, b, mask, accumulate),
                    6 => tile512::<6, V>(depth, at, b, mask, accumulate),
                    7 => tile512::<7, V>(depth, at, b, mask, accumulate),
                    _ => tile512::<ROWS, V>(depth, at, b, mask, accumulate),
                }
                row += left.min(ROWS);
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn tile512<const R: usize, const V: usize>(
        depth: usize,
        at: Place,
        mut b: *const f32,
        mask: u16,
        accumulate: bool,
    ) {
        let mut sums = [[_mm512_setzero_ps(); V]; R];
        let mut a = at.a;
        // SAFETY: `depth` steps inside both sides; loads and stores of the output are masked to its columns.
        unsafe {
            for _ in 0..depth {
                let mut right = [_mm512_setzero_ps(); V];
                for (v, right) in right.iter_mut().enumerate() {
                    *right = _mm512_loadu_ps(b.add(v * 16));
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let left = _mm512_set1_ps(*a.add(i * at.a_row));
                    for (sum, right) in sums.iter_mut().zip(right) {
                        *sum = _mm512_fmadd_ps(left, right, *sum);
                    }
                }
                a = a.add(at.a_col);
                b = b.add(V * 16);
            }
            for (i, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    let out = at.out.add(i * at.out_row + v * 16);
                    let mask = if v + 1 == V { mask } else { u16::MAX };
                    let old = if accumulate { _mm512_maskz_loadu_ps(mask, out) } else { _mm512_setzero_ps() };
                    _mm512_mask_storeu_ps(out, mask, _mm512_add_ps(*sum, old));
                }
            }
        }
    }

    const ROWS_256: usize = 6;

    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn strip256<const V: usize>(
        rows: usize,
        cols: usize,
        depth: usize,
        at: Place,
        b: *const f32,
        accumulate: bool,
    ) {
        let tail = cols - (V - 1) * 8;
        let mask = std::array::from_fn::<i32, 8, _>(|i| if i < tail { -1 } else { 0 });
        let mut row = 0;
        // SAFETY: tiles stay inside the strip, for which the caller is responsible.
        unsafe {
            let mask = _mm256_loadu_si256(mask.as_ptr().cast());
            while row < rows {
                let at = Place { a: at.a.add(row * at.a_row), out: at.out.add(row * at.out_row), ..at };
                let left = rows - row;
                match left {
                    1 => tile256::<1, V>(depth, at, b, mask, accumulate),
                    2 => tile256::<2, V>(depth, at, b, mask, accumulate),
                    3 => tile256::<3, V>(depth, at, b, mask, accumulate),
                    4 => tile256::<4, V>(depth, at, b, mask, accumulate),
                    5 => tile256::<5, V>(depth, at, b, mask, accumulate),
                    _ => tile256::<ROWS_256, V>(depth, at, b, mask, accumulate),
                }
                row += left.min(ROWS_256);
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    unsafe fn tile256<const R: usize, const V: usize>(
        depth: usize,
        at: Place,
        mut b: *const f32,
        mask: __m256i,
        accumulate: bool,
    ) {
        let mut sums = [[_mm256_setzero_ps(); V]; R];
        let mut a = at.a;
        let all = _mm256_set1_epi32(-1);
        // SAFETY: `depth` steps inside both sides; loads and stores of the output are masked to its columns.
        unsafe {
            for _ in 0..depth {
                let mut right = [_mm256_setzero_ps(); V];
                for (v, right) in right.iter_mut().enumerate() {
                    *right = _mm256_loadu_ps(b.add(v * 8));
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let left = _mm256_set1_ps(*a.add(i * at.a_row));
                    for (sum, right) in sums.iter_mut().zip(right) {
                        *sum = _mm256_fmadd_ps(left, right, *sum);
                    }
                }
                a = a.add(at.a_col);
                b = b.add(V * 8);
            }
            for (i, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    let out = at.out.add(i * at.out_row + v * 8);
                    let mask = if v + 1 == V { mask } else { all };
                    let old = if accumulate { _mm256_maskload_ps(out, mask) } else { _mm256_setzero_ps() };
                    _mm256_maskstore_ps(out, mask, _mm256_add_ps(*sum, old));
                }
            }
        }
    }
}
