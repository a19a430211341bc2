//! Optimizer passes over numbers, in place: each reads and writes every number once.

use super::isa::kernel;

/// Sets small decaying values to 0. They change no parameter, and rounding would keep them as denormals, which are up to a
/// hundred times slower on some processors.
#[inline(always)]
pub(crate) fn settled(x: f32, below: f32) -> f32 {
    if x.abs() < below { 0.0 } else { x }
}

/// The limit of `settled` for a running mean.
pub(crate) const SMALL: f32 = 1e-30;
const SMALL_SQUARE: f32 = 1e-36;

/// One step of stochastic gradient descent.
#[derive(Clone, Copy)]
pub struct SgdStep {
    pub rate: f32,
    pub momentum: f32,
    pub nesterov: bool,
    /// Added to the gradient as `decay · parameter`.
    pub decay: f32,
}

kernel! {
    /// An empty `velocity` means no momentum.
    pub fn sgd<L>(parameter: &mut [f32], gradient: &[f32], velocity: &mut [f32], step: SgdStep) {
        let SgdStep { rate, momentum, nesterov, decay } = step;
        if velocity.is_empty() {
            for (p, g) in parameter.iter_mut().zip(gradient) {
                *p = L::mul_add(-rate, L::mul_add(decay, *p, *g), *p);
            }
        } else if nesterov {
            for ((p, g), v) in parameter.iter_mut().zip(gradient).zip(velocity) {
                let d = L::mul_add(decay, *p, *g);
                *v = settled(L::mul_add(momentum, *v, d), SMALL);
                *p = L::mul_add(-rate, L::mul_add(momentum, *v, d), *p);
            }
        } else {
            for ((p, g), v) in parameter.iter_mut().zip(gradient).zip(velocity) {
                *v = settled(L::mul_add(momentum, *v, L::mul_add(decay, *p, *g)), SMALL);
                *p = L::mul_add(-rate, *v, *p);
            }
        }
    }
}

/// One step of Adam; the bias corrections are computed in f64 beforehand.
#[derive(Clone, Copy)]
pub struct AdamStep {
    pub beta1: f32,
    pub beta2: f32,
    /// `1 − beta`, rounded from f64, because `1 − 0.999` has only 13 correct bits in f32.
    pub rest1: f32,
    pub rest2: f32,
    /// Rate divided by the first moment's bias correction.
    pub rate: f32,
    /// 1 / square root of the second moment's bias correction.
    pub root: f32,
    pub epsilon: f32,
    /// Factor applied to the parameter first: decoupled decay.
    pub keep: f32,
    /// Added to the gradient as `decay · parameter`: coupled decay.
    pub decay: f32,
}

kernel! {
    pub fn adam<L>(parameter: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32], step: AdamStep) {
        let AdamStep { beta1, beta2, rest1, rest2, rate, root, epsilon, keep, decay } = step;
        for (((p, g), m), v) in parameter.iter_mut().zip(gradient).zip(first).zip(second) {
            let g = L::mul_add(decay, *p, *g);
            *m = settled(L::mul_add(beta1, *m, rest1 * g), SMALL);
            *v = settled(L::mul_add(beta2, *v, rest2 * g * g), SMALL_SQUARE);
            *p = L::mul_add(keep, *p, -(rate * *m / L::mul_add(v.sqrt(), root, epsilon)));
        }
    }
}

kernel! {
    /// `average ← decay · average + (1 − decay) · now`.
    pub fn blend<L>(average: &mut [f32], now: &[f32], decay: f32) {
        for (average, now) in average.iter_mut().zip(now) {
            *average = L::mul_add(decay, *average - *now, *now);
        }
    }
}

kernel! {
    pub fn scale<L>(values: &mut [f32], factor: f32) {
        values.iter_mut().for_each(|x| *x *= factor);
    }
}

kernel! {
    /// In f64, in sixteen lanes whose order is the same on every instruction set.
    pub fn sum_of_squares<L>(values: &[f32]) -> f64 {
        let mut lanes = [0.0f64; 16];
        let chunks = values.chunks_exact(16);
        for (lane, x) in lanes.iter_mut().zip(chunks.remainder()) {
            *lane = f64::from(*x) * f64::from(*x);
        }
        for chunk in chunks {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane += f64::from(*x) * f64::from(*x);
            }
        }
        lanes.iter().sum()
    }
}
