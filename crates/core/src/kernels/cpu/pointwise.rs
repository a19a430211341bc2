//! Losses that compare two rows element by element: they return Σ over the row and add the gradient in the same pass.

use std::f32::consts::LOG2_E;

use super::isa::kernel;
use super::rows::{BLOCK, get, put, reduce};
use super::vector::{Vector, log1p_unit};

/// σ(x), σ(-|x|) and ln(1 + e^-|x|).
#[inline(always)]
fn coin<V: Vector>(x: V) -> (V, V, V) {
    let one = V::splat(1.0);
    let e = x.min(V::splat(0.0).sub(x)).mul(V::splat(LOG2_E)).exp2();
    let r = one.div(one.add(e));
    let rare = e.mul(r);
    (x.choose(r, rare), rare, log1p_unit(e))
}

kernel! {
    /// Σ (x − y)²; adds `scale` · (x − y). Where y is -∞ the difference counts as 0.
    pub(crate) fn squared_error<L>(x: &[f32], y: &[f32], scale: f32, gradient: &mut [f32]) -> f64 {
        let (scale, low, zero) = (L::V::splat(scale), L::V::splat(f32::MIN), L::V::splat(0.0));
        let [sum] = reduce!(L::V, 1, [x = 0.0, y = 0.0], x.len(), |acc, from, width, r, s| {
            // NaN minus a number is NaN, which is not above 0, so the second branch keeps it.
            let masked = low.sub(s);
            let d = masked.choose(zero, r.sub(s));
            acc[0] = d.mul_add(d, acc[0]);
            put(d.mul_add(scale, get::<L::V>(gradient, from, width)), gradient, from, width);
        });
        sum
    }
}

kernel! {
    /// Σ max(x, 0) − x y + ln(1 + e^-|x|), the binary cross-entropy; adds `scale` · (σ(x) − y).
    pub(crate) fn binary_cross_entropy<L>(x: &[f32], y: &[f32], scale: f32, gradient: &mut [f32]) -> f64 {
        let (scale, zero, one) = (L::V::splat(scale), L::V::splat(0.0), L::V::splat(1.0));
        // Beyond the row's end: probability 0 with label 0, which adds nothing.
        let [sum] = reduce!(L::V, 1, [x = -1e30, y = 0.0], x.len(), |acc, from, width, r, s| {
            let (q, _, log) = coin(r);
            // max(x, 0) − x y, without a difference of large numbers.
            let linear = r.choose(r.mul(one.sub(s)), zero.sub(r).mul(s));
            acc[0] = acc[0].add(linear.add(log));
            put(q.sub(s).mul_add(scale, get::<L::V>(gradient, from, width)), gradient, from, width);
        });
        sum
    }
}

kernel! {
    /// Σ w y ln(1 + e^-x) + (1 − y) ln(1 + e^x), with weights w of the positive labels; adds `scale` · its slope.
    pub(crate) fn weighted_binary_cross_entropy<L>(x: &[f32], y: &[f32], w: &[f32], scale: f32, gradient: &mut [f32]) -> f64 {
        let (scale, zero, one) = (L::V::splat(scale), L::V::splat(0.0), L::V::splat(1.0));
        // Beyond the row's end: probability 0 with label 0, which adds nothing.
        let [sum] = reduce!(L::V, 1, [x = -1e30, y = 0.0, w = 0.0], x.len(), |acc, from, width, r, s, t| {
            let (q, rare, log) = coin(r);
            let (right, wrong) = (s.mul(t), one.sub(s));
            let (miss, alarm) = (log.add(zero.max(zero.sub(r))), log.add(zero.max(r)));
            acc[0] = acc[0].add(right.mul(miss).add(wrong.mul(alarm)));
            // 1 − q without a difference of numbers near 1.
            let slope = wrong.mul(q).sub(right.mul(r.choose(rare, one.sub(rare))));
            put(slope.mul_add(scale, get::<L::V>(gradient, from, width)), gradient, from, width);
        });
        sum
    }
}

kernel! {
    /// Σ KL(σ(y · t) ‖ σ(x · t)), the binary divergence; adds `scale` · (σ(x · t) − σ(y · t)). y may be -∞.
    pub(crate) fn binary_divergence<L>(x: &[f32], y: &[f32], t: f32, scale: f32, gradient: &mut [f32]) -> f64 {
        let (scale, t) = (L::V::splat(scale), L::V::splat(t));
        let (zero, low) = (L::V::splat(0.0), L::V::splat(-1e30));
        let [sum] = reduce!(L::V, 1, [x = -1e30, y = -1e30], x.len(), |acc, from, width, r, s| {
            let (r, s) = (r.mul(t), low.max(s.mul(t)));
            let ((q, _, log_q), (p, rare, log_p)) = (coin(r), coin(s));
            // Computed for the less likely of the teacher's two outcomes, which avoids differences of large numbers.
            let turned = s.choose(zero.sub(r), r);
            let distance = s.min(zero.sub(s)).sub(turned);
            let value = log_q.sub(log_p).add(zero.max(turned));
            acc[0] = acc[0].add(rare.mul_add(distance, value));
            put(q.sub(p).mul_add(scale, get::<L::V>(gradient, from, width)), gradient, from, width);
        });
        sum
    }
}
