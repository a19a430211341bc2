//! The element-wise passes around the matrix products of a weight generator: the sum over the teacher's layers,
//! tanh with scale and shift, and their backward passes.

use super::isa::kernel;
use super::math;
use super::sums;
use crate::pool;

/// Numbers per task: 64 KiB, so that a task's sum over the layers stays in cache.
const PIECE: usize = 16 << 10;

kernel! {
    fn first<L>(out: &mut [f32], x: &[f32], factor: f32) {
        out.iter_mut().zip(x).for_each(|(out, x)| *out = x * factor);
    }
}

kernel! {
    fn more<L>(out: &mut [f32], x: &[f32], factor: f32) {
        out.iter_mut().zip(x).for_each(|(out, x)| *out = L::mul_add(*x, factor, *out));
    }
}

/// `out ← Σ_k factors[k] · parts[k]`, in the order of k.
pub(crate) fn combine(parts: &[&[f32]], factors: &[f32], out: &mut [f32]) {
    assert!(parts.len() == factors.len() && parts.iter().all(|part| part.len() == out.len()), "parts of other sizes");
    pool::pieces(out, PIECE, |i, out| {
        let at = i * PIECE..i * PIECE + out.len();
        for (k, (part, factor)) in parts.iter().zip(factors).enumerate() {
            let apply = if k == 0 { first } else { more };
            apply(out, &part[at.clone()], *factor);
        }
    });
}

kernel! {
    fn curve<L>(v: &mut [f32], scale: &[f32], shift: &[f32], out: &mut [f32]) {
        for (((v, scale), shift), out) in v.iter_mut().zip(scale).zip(shift).zip(out) {
            *v = math::tanh::<L>(*v);
            *out = L::mul_add(*scale, *v, *shift);
        }
    }
}

/// `v ← tanh(v)`, `out ← scale · v + shift`.
pub(crate) fn forward(v: &mut [f32], scale: &[f32], shift: &[f32], out: &mut [f32]) {
    assert!(v.len() == out.len() && scale.len() == out.len() && shift.len() == out.len(), "numbers of another size");
    pool::pairs(v, out, PIECE, |i, v, out| {
        let at = i * PIECE..i * PIECE + v.len();
        curve(v, &scale[at.clone()], &shift[at], out)
    });
}

kernel! {
    fn slope<L>(up: &[f32], scale: &[f32], tanh: &[f32], dscale: &mut [f32], down: &mut [f32]) {
        for ((((up, scale), tanh), dscale), down) in up.iter().zip(scale).zip(tanh).zip(dscale).zip(down) {
            *dscale = up * tanh;
            *down = up * scale * L::mul_add(-*tanh, *tanh, 1.0);
        }
    }
}

/// `dscale ← up · tanh`, `down ← up · scale · (1 − tanh²)`.
pub(crate) fn backward(up: &[f32], scale: &[f32], tanh: &[f32], dscale: &mut [f32], down: &mut [f32]) {
    assert!(up.len() == down.len() && scale.len() == down.len() && tanh.len() == down.len(), "numbers of another size");
    pool::pairs(dscale, down, PIECE, |i, dscale, down| {
        let at = i * PIECE..i * PIECE + down.len();
        slope(&up[at.clone()], &scale[at.clone()], &tanh[at], dscale, down)
    });
}

kernel! {
    fn piece_dot<L>(a: &[f32], b: &[f32]) -> f32 {
        sums::sum_and_dot::<L>(a, b, 0.0).1
    }
}

/// `Σ a_i · b_i`: pieces of one size, summed in order.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "numbers of another size");
    let mut parts = vec![0f32; a.len().div_ceil(PIECE)];
    pool::pieces(&mut parts, 1, |i, part| {
        let at = i * PIECE..((i + 1) * PIECE).min(a.len());
        part[0] = piece_dot(&a[at.clone()], &b[at]);
    });
    parts.iter().map(|part| f64::from(*part)).sum()
}

/// `[outer, rows, cols]` to `[outer, cols, rows]`.
pub(crate) fn transpose_inner(x: &[f32], rows: usize, cols: usize, out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "numbers of another size");
    pool::pieces(out, rows * cols, |i, out| {
        let x = &x[i * rows * cols..][..out.len()];
        for (c, out) in out.chunks_mut(rows.max(1)).enumerate() {
            out.iter_mut().enumerate().for_each(|(r, out)| *out = x[r * cols + c]);
        }
    });
}
