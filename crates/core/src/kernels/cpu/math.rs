//! Branch-free exp, erf and tanh of one f32, written so that LLVM turns a loop over them into vector code.
//!
//! ```text
//! exp(x)  = 2^n · exp(r),  n = round(x / ln 2),  |r| ≤ ln 2 / 2, polynomial of degree 6 (Cephes)
//! erf(x)  = sign(x) · (1 − t·P(t)·exp(−x²)),  t = 1 / (1 + 0.3275911·|x|)
//! tanh(x) = sign(x) · (1 − 2 / (exp(2|x|) + 1)),  near 0 a polynomial that keeps relative accuracy
//! ```
//!
//! Source: Abramowitz, Stegun, "Handbook of Mathematical Functions", 1964, 7.1.26 (erf, absolute error 1.5e-7 before rounding);
//! Moshier, Cephes library (exp, tanh). Where we differ: arguments of exp are clamped to ±87, NaN stays NaN.

use super::isa::Lanes;

/// `1.5 · 2^23`: the sum with a small float has the rounded integer in its low bits.
const ROUND: f32 = 12_582_912.0;

#[inline(always)]
pub fn exp<L: Lanes>(x: f32) -> f32 {
    // Plain comparisons, not `clamp`: for NaN both are false, so it stays NaN.
    let x = if x < -87.3 { -87.3 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = L::mul_add(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = L::mul_add(n, -0.693_359_4, x);
    let r = L::mul_add(n, 2.121_944_4e-4, r);
    let p = L::mul_add(1.987_569_1e-4, r, 1.398_199_9e-3);
    let p = L::mul_add(p, r, 8.333_452e-3);
    let p = L::mul_add(p, r, 4.166_579_6e-2);
    let p = L::mul_add(p, r, 1.666_666_5e-1);
    let p = L::mul_add(p, r, 0.5);
    let y = L::mul_add(p * r, r, r + 1.0);
    y * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}

/// Also returns `exp(−x²)`, which the slope of GELU needs.
#[inline(always)]
pub fn erf_and_bell<L: Lanes>(x: f32) -> (f32, f32) {
    let bell = exp::<L>(-x * x);
    let t = 1.0 / L::mul_add(0.327_591_1, x.abs(), 1.0);
    let p = L::mul_add(1.061_405_4, t, -1.453_152_1);
    let p = L::mul_add(p, t, 1.421_413_7);
    let p = L::mul_add(p, t, -0.284_496_72);
    let p = L::mul_add(p, t, 0.254_829_6);
    ((1.0 - p * t * bell).copysign(x), bell)
}

#[inline(always)]
pub fn tanh<L: Lanes>(x: f32) -> f32 {
    let a = x.abs();
    let big = 1.0 - 2.0 / (exp::<L>(a + a) + 1.0);
    let z = x * x;
    let p = L::mul_add(-5.704_988_7e-3, z, 2.063_909e-2);
    let p = L::mul_add(p, z, -5.373_971_5e-2);
    let p = L::mul_add(p, z, 1.333_144_2e-1);
    let p = L::mul_add(p, z, -3.333_328e-1);
    let small = L::mul_add(p * z, x, x);
    if a < 0.625 { small } else { big.copysign(x) }
}

#[inline(always)]
pub fn sigmoid<L: Lanes>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<L>(-x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::isa::{Fused, Plain};

    fn worst(f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64, scale: impl Fn(f64) -> f64) -> f64 {
        (-40_000..40_000).map(|i| i as f32 / 2000.0).fold(0.0, |worst, x| {
            let expected = exact(f64::from(x));
            worst.max((f64::from(f(x)) - expected).abs() / scale(expected))
        })
    }

    #[test]
    fn exp_is_right_to_two_units_in_the_last_place() {
        assert!(worst(exp::<Fused>, f64::exp, |y| y) < 2.4e-7);
        assert!(worst(exp::<Plain>, f64::exp, |y| y) < 2.4e-7);
    }

    #[test]
    fn tanh_keeps_relative_accuracy_near_zero() {
        assert!(worst(tanh::<Fused>, f64::tanh, |y| y.abs() + 1e-30) < 4e-7);
        assert!(worst(tanh::<Plain>, f64::tanh, |y| y.abs() + 1e-30) < 4e-7);
    }

    #[test]
    fn erf_is_right_to_half_a_millionth() {
        for (x, y) in
            [(0.0, 0.0), (0.5, 0.520_499_877_813_046_5), (-1.0, -0.842_700_792_949_714_9), (3.5, 0.999_999_257)]
        {
            assert!((f64::from(erf_and_bell::<Fused>(x).0) - y).abs() < 5e-7, "{x}");
        }
    }

    #[test]
    fn extremes_stay_finite_and_nan_stays_nan() {
        for x in [-1e30f32, -90.0, 90.0, 1e30, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(
                exp::<Fused>(x).is_finite() && tanh::<Fused>(x).is_finite() && erf_and_bell::<Fused>(x).0.is_finite()
            );
        }
        assert!(exp::<Fused>(f32::NAN).is_nan() && tanh::<Fused>(f32::NAN).is_nan());
        assert!(erf_and_bell::<Fused>(f32::NAN).0.is_nan() && sigmoid::<Fused>(f32::NAN).is_nan());
    }
}
