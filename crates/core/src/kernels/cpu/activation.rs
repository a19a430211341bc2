//! Activations over rows: bias and activation in one forward pass, slope and bias gradient in one backward pass.
//!
//! Curves whose slope is known from their output (relu, tanh, sigmoid) save nothing more; the others write
//! their slope together with the output, because both share the exponential.

use super::isa::{Lanes, kernel};
use super::math;
use crate::kernels::names::Activation;

const ROOT_HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;
const BELL: f32 = 0.398_942_3; // 1 / √(2π)
const TANH_SCALE: f32 = 0.797_884_6; // √(2/π)
const TANH_CUBE: f32 = 0.044_715;

#[inline(always)]
fn identity(x: f32) -> f32 {
    x
}

#[inline(always)]
fn relu(x: f32) -> f32 {
    // Not `max`, because NaN must stay NaN.
    if x < 0.0 { 0.0 } else { x }
}

#[inline(always)]
fn gelu<L: Lanes>(x: f32) -> (f32, f32) {
    let (erf, bell) = math::erf_and_bell::<L>(x * ROOT_HALF);
    let below = L::mul_add(0.5, erf, 0.5);
    (x * below, L::mul_add(x * BELL, bell, below))
}

#[inline(always)]
fn gelu_tanh<L: Lanes>(x: f32) -> (f32, f32) {
    let t = math::tanh::<L>(TANH_SCALE * L::mul_add(TANH_CUBE * x * x, x, x));
    let half = L::mul_add(0.5, t, 0.5);
    let inner = TANH_SCALE * L::mul_add(3.0 * TANH_CUBE * x, x, 1.0);
    (x * half, L::mul_add(0.5 * x * (1.0 - t * t), inner, half))
}

#[inline(always)]
fn silu<L: Lanes>(x: f32) -> (f32, f32) {
    let s = math::sigmoid::<L>(x);
    (x * s, s * L::mul_add(x, 1.0 - s, 1.0))
}

#[inline(always)]
fn gelu_only<L: Lanes>(x: f32) -> f32 {
    gelu::<L>(x).0
}

#[inline(always)]
fn gelu_tanh_only<L: Lanes>(x: f32) -> f32 {
    gelu_tanh::<L>(x).0
}

#[inline(always)]
fn silu_only<L: Lanes>(x: f32) -> f32 {
    silu::<L>(x).0
}

#[inline(always)]
fn map(row: &mut [f32], bias: &[f32], curve: impl Fn(f32) -> f32) {
    if bias.is_empty() {
        row.iter_mut().for_each(|x| *x = curve(*x));
    } else {
        row.iter_mut().zip(bias).for_each(|(x, b)| *x = curve(*x + b));
    }
}

#[inline(always)]
fn map_both(row: &mut [f32], bias: &[f32], slope: &mut [f32], curve: impl Fn(f32) -> (f32, f32)) {
    if bias.is_empty() {
        row.iter_mut().zip(slope).for_each(|(x, slope)| (*x, *slope) = curve(*x));
    } else {
        row.iter_mut().zip(slope).zip(bias).for_each(|((x, slope), b)| (*x, *slope) = curve(*x + b));
    }
}

kernel! {
    /// `row ← curve(row + bias)`; an empty `bias` is skipped.
    pub fn forward<L>(activation: Activation, row: &mut [f32], bias: &[f32]) {
        match activation {
            Activation::None => map(row, bias, identity),
            Activation::Relu => map(row, bias, relu),
            Activation::Gelu => map(row, bias, gelu_only::<L>),
            Activation::GeluTanh => map(row, bias, gelu_tanh_only::<L>),
            Activation::Silu => map(row, bias, silu_only::<L>),
            Activation::Tanh => map(row, bias, math::tanh::<L>),
            Activation::Sigmoid => map(row, bias, math::sigmoid::<L>),
        }
    }
}

kernel! {
    /// The same for a curve whose slope does not follow from its output: the slope is written to `slope`.
    pub fn forward_with_slope<L>(activation: Activation, row: &mut [f32], bias: &[f32], slope: &mut [f32]) {
        match activation {
            Activation::Gelu => map_both(row, bias, slope, gelu::<L>),
            Activation::GeluTanh => map_both(row, bias, slope, gelu_tanh::<L>),
            _ => map_both(row, bias, slope, silu::<L>),
        }
    }
}

#[inline(always)]
fn through_relu(up: f32, output: f32) -> f32 {
    if output > 0.0 { up } else { 0.0 }
}

#[inline(always)]
fn through_tanh(up: f32, output: f32) -> f32 {
    up * (1.0 - output * output)
}

#[inline(always)]
fn through_sigmoid(up: f32, output: f32) -> f32 {
    up * output * (1.0 - output)
}

#[inline(always)]
fn through_slope(up: f32, slope: f32) -> f32 {
    up * slope
}

/// `down ← through(up, saved)`, and its sum over the rows; an empty output is not computed.
#[inline(always)]
fn pull(up: &[f32], saved: &[f32], down: &mut [f32], sums: &mut [f32], through: impl Fn(f32, f32) -> f32) {
    if sums.is_empty() {
        down.iter_mut().zip(up).zip(saved).for_each(|((down, up), saved)| *down = through(*up, *saved));
    } else {
        for (((down, up), saved), sum) in down.iter_mut().zip(up).zip(saved).zip(sums) {
            *down = through(*up, *saved);
            *sum += *down;
        }
    }
}

kernel! {
    /// `down ← up · slope`, and `sums += down`. `saved` is the output for relu, tanh and sigmoid, otherwise the slope;
    /// an empty `sums` is skipped.
    pub fn backward<L>(activation: Activation, up: &[f32], saved: &[f32], down: &mut [f32], sums: &mut [f32]) {
        match activation {
            Activation::Relu => pull(up, saved, down, sums, through_relu),
            Activation::Tanh => pull(up, saved, down, sums, through_tanh),
            Activation::Sigmoid => pull(up, saved, down, sums, through_sigmoid),
            _ => pull(up, saved, down, sums, through_slope),
        }
    }
}

kernel! {
    /// `sums += row`.
    pub fn add_to<L>(sums: &mut [f32], row: &[f32]) {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
}

kernel! {
    /// `out ← a + b`.
    pub fn add<L>(a: &[f32], b: &[f32], out: &mut [f32]) {
        out.iter_mut().zip(a).zip(b).for_each(|((out, a), b)| *out = a + b);
    }
}
