//! Rotary positions: each pair of numbers of a head is rotated by an angle proportional to the position of its token, so
//! that products of queries and keys depend on the distance of their tokens.
//!
//! ```text
//! y_i = x_i cos φ − x_{i + w/2} sin φ,   y_{i + w/2} = x_{i + w/2} cos φ + x_i sin φ,   φ = p · theta^(−2i / w),   i < w/2
//! ∂L/∂x is ∂L/∂y rotated by −φ
//! ```
//!
//! Shapes: x and y `[tokens, heads · w]` with w even; p is the place of a token in its sequence, from 0. A pair is a
//! number of the first half of a head and the one in the same place of the second half, as in the weights of Hugging Face.
//!
//! Source: Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021, arXiv:2104.09864, section 3.2;
//! the half-split pairs of GPT-NeoX. Where we differ: angles are computed in double precision, those of transformers in
//! single precision.

use std::sync::Arc;

use serde_json::json;

use super::{Operation, Sample};
use crate::blocks;
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::rotary as kernel;
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{Tensor, contiguous, from_vec, read};

/// The angles of all positions up to the longest sequence; queries and keys, and layers with the same theta, share them.
#[derive(Clone, Debug)]
pub(crate) struct Angles {
    width: usize,
    theta: f64,
    /// The position of each token in its sequence.
    positions: Arc<Vec<u32>>,
    table: Arc<Vec<f32>>,
}

impl Angles {
    /// `offsets` are those of the sequences, `width` is that of a head, an even number; `theta` is finite and above 0,
    /// 10,000 in most models.
    pub(crate) fn new(offsets: &[u32], width: usize, theta: f64) -> Result<Angles> {
        if width == 0 || !width.is_multiple_of(2) {
            return Err(Error::config("rotary.width", format!("expected an even width of a head, got {width}")));
        }
        if !(theta.is_finite() && theta > 0.0) {
            return Err(Error::config("rotary.theta", format!("expected a finite number above 0, got {theta}")));
        }
        if offsets.first() != Some(&0) || !offsets.is_sorted() {
            return Err(Error::data("rotary.offsets", "expected offsets that rise from 0"));
        }
        let mut positions = blocks::empty(offsets[offsets.len() - 1] as usize);
        offsets.windows(2).for_each(|pair| positions.extend(0..pair[1] - pair[0]));
        let longest = offsets.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        let table = Arc::new(kernel::table(longest as usize, width, theta));
        Ok(Angles { width, theta, positions: Arc::new(positions), table })
    }

    /// Cosines and sines of each token, `[tokens, 1, width / 2]`.
    fn plain(&self, like: &Tensor) -> candle_core::Result<[Tensor; 2]> {
        let (half, tokens) = (self.width / 2, self.positions.len());
        let of = |wave: fn(f64) -> f64| {
            let mut all = blocks::empty(tokens * half);
            for position in self.positions.iter() {
                all.extend((0..half).map(|pair| wave(kernel::angle(*position as usize, pair, self.width, self.theta))));
            }
            Tensor::from_vec(all, (tokens, 1, half), like.device())?.to_dtype(like.dtype())
        };
        Ok([of(f64::cos)?, of(f64::sin)?])
    }
}

/// The packed tokens of several sequences, rotated by the angles of their positions.
pub(crate) fn rotary(tape: &mut Tape, x: &Value, angles: &Angles) -> Result<Value> {
    let (tokens, width) = (angles.positions.len(), angles.width);
    if !matches!(*x.dims(), [rows, cols] if rows == tokens && cols > 0 && cols % width == 0) {
        return Err(Error::shape("rotary", format!("expected [{tokens}, heads · {width}], got {:?}", x.dims())));
    }
    tape.apply("rotary", &[x], Rotary { x: x.clone(), angles: angles.clone() })
}

struct Rotary {
    x: Value,
    angles: Angles,
}

impl Compute for Rotary {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let Rotary { x, angles: Angles { width, positions, table, .. } } = self;
        let rotated = move |x: &Tensor, sign: f32| {
            let cols = x.dims()[1];
            from_vec(kernel::rotate(&read::<f32>(x)?, cols, &table, width, &positions, sign), x.dims())
        };
        let y = rotated(x.tensor(), 1.0)?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| gradients.add(&x, rotated(&contiguous(&up)?, -1.0)?)))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let Rotary { x, angles } = self;
        let waves = angles.plain(x.tensor()).ok_or_internal()?;
        let rotated = move |x: &Tensor, sign: f64| {
            let [cosines, sines] = &waves;
            let (tokens, cols) = x.dims2()?;
            let half = angles.width / 2;
            let heads = x.reshape((tokens, cols / angles.width, angles.width))?;
            let (a, b) = (heads.narrow(2, 0, half)?, heads.narrow(2, half, half)?);
            let sines = sines.affine(sign, 0.0)?;
            let left = a.broadcast_mul(cosines)?.sub(&b.broadcast_mul(&sines)?)?;
            let right = b.broadcast_mul(cosines)?.add(&a.broadcast_mul(&sines)?)?;
            Tensor::cat(&[left, right], 2)?.reshape((tokens, cols))
        };
        let y = rotated(x.tensor(), 1.0).ok_or_internal()?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let up = contiguous(&up)?;
            gradients.add(&x, rotated(&up, -1.0).ok_or_internal()?)
        }))
    }
}

pub(crate) const OPERATION: Operation = Operation {
    name: "rotary",
    case: |tape, inputs, options| {
        let x = inputs.get("x")?;
        let offsets: Vec<u32> = super::option(options, "offsets")?.unwrap_or_default();
        let width = super::option(options, "width")?.unwrap_or(x.dims()[1]);
        let theta = super::option(options, "theta")?.unwrap_or(10_000.0);
        rotary(tape, x, &Angles::new(&offsets, width, theta)?)
    },
    samples: || {
        let sample = |offsets: &[u32], heads: usize, width: usize| {
            let rows = offsets[offsets.len() - 1] as usize;
            let options = json!({ "offsets": offsets, "width": width });
            Sample::of(&[("x", &[rows, heads * width])]).options(options)
        };
        vec![sample(&[0, 1], 1, 2), sample(&[0, 3, 3, 12], 3, 14), sample(&[0, 131, 200], 2, 64)]
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::to_f64;

    #[test]
    fn products_depend_on_the_distance_alone() {
        let x = from_vec((0..9 * 8).map(|at| ((at % 8) * 7 % 5) as f32 - 1.5).collect(), (9, 8)).unwrap();
        let angles = Angles::new(&[0, 4, 9], 8, 100.0).unwrap();
        let y = rotary(&mut Tape::default(), &Value::constant(x), &angles).unwrap();
        let y = to_f64(y.tensor()).unwrap();
        let product = |a: usize, b: usize| (0..8).map(|c| y[a * 8 + c] * y[b * 8 + c]).sum::<f64>();
        assert!((product(0, 2) - product(1, 3)).abs() < 1e-5, "{} {}", product(0, 2), product(1, 3));
        assert!((product(0, 2) - product(6, 8)).abs() < 1e-5, "{} {}", product(0, 2), product(6, 8));
        assert!((product(0, 2) - product(0, 3)).abs() > 1e-2, "{} {}", product(0, 2), product(0, 3));
        // Each sequence counts from 0.
        assert_eq!(y[..8], y[4 * 8..5 * 8]);
    }

    #[test]
    fn reports_inputs_that_do_not_fit() {
        let message = |offsets: &[u32], width, theta| Angles::new(offsets, width, theta).unwrap_err().to_string();
        assert_eq!(message(&[0, 2], 3, 1e4), "rotary.width: expected an even width of a head, got 3");
        assert_eq!(message(&[0, 2], 4, 0.0), "rotary.theta: expected a finite number above 0, got 0");
        assert_eq!(message(&[0, 2, 1], 4, 1e4), "rotary.offsets: expected offsets that rise from 0");
        let angles = Angles::new(&[0, 2], 4, 1e4).unwrap();
        let error = rotary(&mut Tape::default(), &crate::ops::zeros(&[2, 6]), &angles).unwrap_err();
        assert_eq!(error.to_string(), "rotary: expected [2, heads · 4], got [2, 6]");
    }
}
