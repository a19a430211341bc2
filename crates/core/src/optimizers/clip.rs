//! Gradient clipping by the norm of all gradients together.
//!
//! ```text
//! n = √ Σ g²  over every number of every gradient;   g ← g · limit / n  if n > limit
//! ```
//!
//! Source: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks", 2013, arXiv:1211.5063.
//! Where we differ: nowhere. Squares are summed in f64, in blocks of fixed size and order.

use std::collections::BTreeMap;

use crate::error::{Candle, Result};
use crate::kernels::cpu::optimizer;
use crate::pool;
use crate::tensor::{Tensor, host_f32, is_host_f32, to_f64, update};

/// Numbers per task.
const PIECE: usize = 64 << 10;

/// The norm of all gradients together; it is not finite if one of them is not.
pub fn global_norm(gradients: &BTreeMap<String, Tensor>) -> Result<f64> {
    let squares = gradients.values().map(sum_of_squares).sum::<Result<f64>>()?;
    Ok(squares.sqrt())
}

/// The sum of the squares of a tensor.
pub(super) fn sum_of_squares(gradient: &Tensor) -> Result<f64> {
    let Some(values) = host_f32(gradient)? else {
        return Ok(to_f64(gradient)?.iter().map(|x| x * x).sum());
    };
    let values: &[f32] = &values;
    let mut partial = vec![0.0f64; values.len().div_ceil(PIECE)];
    pool::pieces(&mut partial, 1, |i, partial| {
        let block = &values[i * PIECE..((i + 1) * PIECE).min(values.len())];
        partial.iter_mut().for_each(|partial| *partial = optimizer::sum_of_squares(block));
    });
    Ok(partial.iter().sum())
}

/// Multiplies every gradient by `factor`, in place if possible.
pub fn scale_gradients(gradients: &mut BTreeMap<String, Tensor>, factor: f64) -> Result<()> {
    for gradient in gradients.values_mut() {
        if is_host_f32(gradient) {
            update(gradient, |values| {
                pool::pieces(values, PIECE, |_, values| optimizer::scale(values, factor as f32));
            })?;
        } else {
            *gradient = (&*gradient * factor).ok_or_internal()?;
        }
    }
    Ok(())
}
