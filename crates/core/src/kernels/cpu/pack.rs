//! Packing the right side of a matrix product into panels: one row per step of the inner width, its columns contiguous.

use super::isa::Isa;

/// Packs `depth × cols` of a matrix at `from` (steps between rows and columns given) into `to`, `width` columns per
/// row, with zeros after `cols`.
///
/// # Safety
/// The machine has `isa`; `from` spans `depth × cols`; `to` holds `depth · width`, and `cols ≤ width`.
pub unsafe fn pack(
    isa: Isa,
    (depth, cols, width): (usize, usize, usize),
    (from, row_step, col_step): (*const f32, usize, usize),
    to: *mut f32,
) {
    if cols < width {
        // SAFETY: guaranteed by the caller.
        unsafe { std::slice::from_raw_parts_mut(to, depth * width) }.fill(0.0);
    }
    if col_step == 1 {
        for p in 0..depth {
            // SAFETY: a row of the source and of the panel.
            unsafe { std::ptr::copy_nonoverlapping(from.add(p * row_step), to.add(p * width), cols) };
        }
        return;
    }
    // SAFETY: guaranteed by the caller.
    unsafe { turn(isa, (depth, cols), (from, row_step, col_step), to, width) }
}

/// Copies `depth × cols` of a matrix with the given steps into rows of `width` numbers; the rest of each row is left
/// unchanged.
///
/// # Safety
/// The machine has `isa`; `from` and `to` span `depth × cols`.
pub unsafe fn turn(
    isa: Isa,
    (depth, cols): (usize, usize),
    (from, row_step, col_step): (*const f32, usize, usize),
    to: *mut f32,
    width: usize,
) {
    // SAFETY: guaranteed by the caller.
    let done = if row_step == 1 { unsafe { transpose(isa, (depth, cols), from, col_step, to, width) } } else { 0 };
    for c in done..cols {
        for p in 0..depth {
            // SAFETY: inside both sides.
            unsafe { *to.add(p * width + c) = *from.add(p * row_step + c * col_step) };
        }
    }
}

/// Copies columns that are stored as rows of `depth` numbers, `step` apart; returns the number of columns copied, from the
/// first.
///
/// # Safety
/// As `turn`.
#[cfg(target_arch = "x86_64")]
unsafe fn transpose(
    isa: Isa,
    (depth, cols): (usize, usize),
    from: *const f32,
    step: usize,
    to: *mut f32,
    width: usize,
) -> usize {
    let mut col = 0;
    if isa == Isa::Avx512 {
        while col + 16 <= cols {
            // SAFETY: these sixteen columns exist.
            unsafe { transpose512(depth, from.add(col * step), step, to.add(col), width) };
            col += 16;
        }
    }
    if isa >= Isa::Avx2 {
        while col + 8 <= cols {
            // SAFETY: these eight columns exist.
            unsafe { transpose256(depth, from.add(col * step), step, to.add(col), width) };
            col += 8;
        }
    }
    col
}

/// On other processors there is no vector code, and no column is copied.
///
/// # Safety
/// None is needed.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn transpose(_: Isa, _: (usize, usize), _: *const f32, _: usize, _: *mut f32, _: usize) -> usize {
    0
}

/// Sixteen rows of `depth` numbers, `step` apart, become sixteen columns.
///
/// # Safety
/// As `pack`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn transpose512(depth: usize, from: *const f32, step: usize, to: *mut f32, width: usize) {
    use std::arch::x86_64::*;
    let pairs = |a, b| {
        let (a, b) = (_mm512_castps_pd(a), _mm512_castps_pd(b));
        (_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)))
    };
    let mut p = 0;
    while p + 16 <= depth {
        let (mut r, mut t) = ([_mm512_setzero_ps(); 16], [_mm512_setzero_ps(); 16]);
        for (i, r) in r.iter_mut().enumerate() {
            // SAFETY: sixteen numbers of row i.
            *r = unsafe { _mm512_loadu_ps(from.add(i * step + p)) };
        }
        // Transposes 4 × 4 within each quarter, then the quarters.
        for i in (0..16).step_by(2) {
            t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
            t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
        }
        for i in (0..16).step_by(4) {
            (r[i], r[i + 1]) = pairs(t[i], t[i + 2]);
            (r[i + 2], r[i + 3]) = pairs(t[i + 1], t[i + 3]);
        }
        for i in 0..4 {
            t[i] = _mm512_shuffle_f32x4::<0x88>(r[i], r[i + 4]);
            t[i + 4] = _mm512_shuffle_f32x4::<0xdd>(r[i], r[i + 4]);
            t[i + 8] = _mm512_shuffle_f32x4::<0x88>(r[i + 8], r[i + 12]);
            t[i + 12] = _mm512_shuffle_f32x4::<0xdd>(r[i + 8], r[i + 12]);
        }
        for i in 0..4 {
            r[i] = _mm512_shuffle_f32x4::<0x88>(t[i], t[i + 8]);
            r[i + 8] = _mm512_shuffle_f32x4::<0xdd>(t[i], t[i + 8]);
            r[i + 4] = _mm512_shuffle_f32x4::<0x88>(t[i + 4], t[i + 12]);
            r[i + 12] = _mm512_shuffle_f32x4::<0xdd>(t[i + 4], t[i + 12]);
        }
        for (i, r) in r.iter().enumerate() {
            // SAFETY: sixteen columns of panel row p + i.
            unsafe { _mm512_storeu_ps(to.add((p + i) * width), *r) };
        }
        p += 16;
    }
    for p in p..depth {
        for c in 0..16 {
            // SAFETY: inside both sides.
            unsafe { *to.add(p * width + c) = *from.add(c * step + p) };
        }
    }
}

/// Eight rows of `depth` numbers, `step` apart, become eight columns.
///
/// # Safety
/// As `pack`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn transpose256(depth: usize, from: *const f32, step: usize, to: *mut f32, width: usize) {
    use std::arch::x86_64::*;
    let mut p = 0;
    while p + 8 <= depth {
        let (mut r, mut t) = ([_mm256_setzero_ps(); 8], [_mm256_setzero_ps(); 8]);
        for (i, r) in r.iter_mut().enumerate() {
            // SAFETY: eight numbers of row i.
            *r = unsafe { _mm256_loadu_ps(from.add(i * step + p)) };
        }
        for i in (0..8).step_by(2) {
            t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
            t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
        }
        for i in (0..8).step_by(4) {
            r[i] = _mm256_shuffle_ps::<0x44>(t[i], t[i + 2]);
            r[i + 1] = _mm256_shuffle_ps::<0xee>(t[i], t[i + 2]);
            r[i + 2] = _mm256_shuffle_ps::<0x44>(t[i + 1], t[i + 3]);
            r[i + 3] = _mm256_shuffle_ps::<0xee>(t[i + 1], t[i + 3]);
        }
        for i in 0..4 {
            let (low, high) =
                (_mm256_permute2f128_ps::<0x20>(r[i], r[i + 4]), _mm256_permute2f128_ps::<0x31>(r[i], r[i + 4]));
            // SAFETY: eight columns of panel rows p + i and p + i + 4.
            unsafe {
                _mm256_storeu_ps(to.add((p + i) * width), low);
                _mm256_storeu_ps(to.add((p + i + 4) * width), high);
            }
        }
        p += 8;
    }
    for p in p..depth {
        for c in 0..8 {
            // SAFETY: inside both sides.
            unsafe { *to.add(p * width + c) = *from.add(c * step + p) };
        }
    }
}
