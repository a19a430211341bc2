//! Activations: functions applied to each number, separately or fused into a dense layer.
//!
//! ```text
//! relu      max(x, 0); slope 0 at 0
//! gelu      x · ½ (1 + erf(x / √2))
//! geluTanh  x · ½ (1 + tanh(√(2/π) (x + 0.044715 x³)))
//! silu      x · σ(x),  σ(x) = 1 / (1 + exp(−x))
//! tanh, sigmoid
//! ```
//!
//! For tensors of any shape, applied to each number. Source: Hendrycks, Gimpel, "Gaussian Error Linear Units", 2016,
//! arXiv:1606.08415 (gelu, its tanh form, silu). Where we differ: nowhere.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI};

use super::{Inputs, Operation, Sample};
use crate::error::{Candle, Result};
use crate::kernels::cpu;
use crate::kernels::names::Saves;
use crate::pool;
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{Tensor, from_vec, read, uninit};

pub use crate::kernels::names::Activation;

/// The reference: the activation and its slope at `x`, in candle calls, in the precision of `x`.
pub(crate) fn reference(activation: Activation, x: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
    let sigmoid = |x: &Tensor| (x.neg()?.exp()? + 1.0)?.recip();
    Ok(match activation {
        Activation::None => (x.clone(), x.ones_like()?),
        Activation::Relu => (x.relu()?, x.gt(0.0)?.to_dtype(x.dtype())?),
        Activation::Gelu => {
            let below = (((x * FRAC_1_SQRT_2)?.erf()? + 1.0)? * 0.5)?;
            let bell = ((x.sqr()? * -0.5)?.exp()? * (0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2))?;
            ((x * &below)?, (below + (x * bell)?)?)
        }
        Activation::GeluTanh => {
            let scale = (2.0 / PI).sqrt();
            let t = ((x + (x.sqr()? * x)? * 0.044715)? * scale)?.tanh()?;
            let half = ((&t + 1.0)? * 0.5)?;
            let inner = ((x.sqr()? * (3.0 * 0.044715))? + 1.0)? * scale;
            let bend = ((t.sqr()?.neg()? + 1.0)? * 0.5)?;
            ((x * &half)?, (half + ((x * bend)? * inner?)?)?)
        }
        Activation::Silu => {
            let s = sigmoid(x)?;
            let rest = (s.neg()? + 1.0)?;
            ((x * &s)?, (&s * ((x * rest)? + 1.0)?)?)
        }
        Activation::Tanh => {
            let t = x.tanh()?;
            let slope = (t.sqr()?.neg()? + 1.0)?;
            (t, slope)
        }
        Activation::Sigmoid => {
            let s = sigmoid(x)?;
            let slope = (&s * (s.neg()? + 1.0)?)?;
            (s, slope)
        }
    })
}

/// Applies the activation to each number.
pub fn activation(tape: &mut Tape, x: &Value, activation: Activation) -> Result<Value> {
    match activation {
        Activation::None => Ok(x.clone()),
        curve => tape.apply("activation", &[x], Curve { x: x.clone(), curve }),
    }
}

struct Curve {
    x: Value,
    curve: Activation,
}

impl Compute for Curve {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let Curve { x, curve } = self;
        let keeps = x.node().is_some() && curve.saves() == Saves::Slope;
        let len = x.tensor().elem_count();
        let (mut y, mut slope) = (uninit(len), uninit(if keeps { len } else { 0 }));
        apply(curve, &read::<f32>(x.tensor())?, &mut y, &mut slope);
        let y = from_vec(y, x.dims())?;
        let saved = if keeps { from_vec(slope, x.dims())? } else { y.clone() };
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let up = up.contiguous().ok_or_internal()?;
            let mut down = uninit(len);
            {
                let (up, saved) = (read::<f32>(&up)?, read::<f32>(&saved)?);
                pool::pieces(&mut down, PIECE, |i, down| {
                    let at = i * PIECE..i * PIECE + down.len();
                    cpu::activation::backward(curve, &up[at.clone()], &saved[at], down, &mut []);
                });
            }
            gradients.add(&x, from_vec(down, x.dims())?)
        }))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let (y, slope) = reference(self.curve, self.x.tensor()).ok_or_internal()?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| gradients.add(&self.x, (up * slope).ok_or_internal()?)))
    }
}

/// Numbers per task: 64 KiB.
const PIECE: usize = 16 << 10;

fn apply(activation: Activation, x: &[f32], y: &mut [f32], slope: &mut [f32]) {
    if slope.is_empty() {
        return pool::pieces(y, PIECE, |i, y| {
            y.copy_from_slice(&x[i * PIECE..i * PIECE + y.len()]);
            cpu::activation::forward(activation, y, &[]);
        });
    }
    pool::pairs(y, slope, PIECE, |i, y, slope| {
        y.copy_from_slice(&x[i * PIECE..i * PIECE + y.len()]);
        cpu::activation::forward_with_slope(activation, y, &[], slope);
    });
}

macro_rules! operation {
    ($constant:ident, $name:literal, $activation:ident) => {
        pub(crate) const $constant: Operation = Operation {
            name: $name,
            case: |tape, inputs: &Inputs, _| activation(tape, inputs.get("x")?, Activation::$activation),
            samples: || {
                vec![Sample::of(&[("x", &[3, 131])]), Sample::of(&[("x", &[1, 1])]), Sample::of(&[("x", &[2, 3, 7])])]
            },
        };
    };
}

operation!(RELU, "relu", Relu);
operation!(GELU, "gelu", Gelu);
operation!(GELU_TANH, "geluTanh", GeluTanh);
operation!(SILU, "silu", Silu);
operation!(TANH, "tanh", Tanh);
operation!(SIGMOID, "sigmoid", Sigmoid);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::Engine;
    use crate::tensor::to_f64;

    #[test]
    fn relu_has_slope_zero_at_zero_on_both_paths() {
        for engine in [Engine::Kernels, Engine::Reference] {
            let mut tape = Tape::new(engine);
            let x = tape.leaf(from_vec(vec![-1.0f32, 0.0, -0.0, 2.0], 4).unwrap());
            let y = activation(&mut tape, &x, Activation::Relu).unwrap();
            let seed = from_vec(vec![1.0f32; 4], 4).unwrap();
            let gradient = tape.backward(vec![(y, seed)]).unwrap().take(&x).unwrap();
            assert_eq!(to_f64(&gradient).unwrap(), [0.0, 0.0, 0.0, 1.0]);
        }
    }

    #[test]
    fn nan_passes_through_every_activation() {
        for curve in [Activation::Relu, Activation::Gelu, Activation::GeluTanh, Activation::Silu, Activation::Tanh] {
            let x = Value::constant(from_vec(vec![f32::NAN; 20], 20).unwrap());
            let y = activation(&mut Tape::default(), &x, curve).unwrap();
            assert!(to_f64(y.tensor()).unwrap().iter().all(|y| y.is_nan()), "{curve:?}");
        }
    }
}
