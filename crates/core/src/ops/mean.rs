//! The mean along one axis, which goes away: of the tokens of a row, `[rows, length, width] → [rows, width]`.
//!
//! ```text
//! y = Σ_i x_i / n,   ∂L/∂x_i = g / n
//! ```
//!
//! Source: PyTorch's `mean(axis)`. Where we differ: nowhere.

use crate::error::{Candle, Error, Result};
use crate::tape::{Tape, Value};

pub(crate) fn mean(tape: &mut Tape, x: &Value, axis: usize) -> Result<Value> {
    let Some(size) = x.dims().get(axis).copied().filter(|size| *size > 0) else {
        return Err(Error::shape("mean", format!("expected an axis with entries, got {axis} of {:?}", x.dims())));
    };
    let share = 1.0 / size as f64;
    let y = x.tensor().sum(axis).and_then(|sum| sum.affine(share, 0.0)).ok_or_internal()?;
    let input = x.clone();
    tape.record("mean", &[x], y, move |up, gradients| {
        let each = up
            .affine(share, 0.0)
            .and_then(|each| each.unsqueeze(axis))
            .and_then(|each| each.broadcast_as(input.dims()))
            .and_then(|each| each.contiguous())
            .ok_or_internal()?;
        gradients.add_shared(&input, each)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_kernel, assert_slopes, normal};

    #[test]
    fn slopes_are_those_of_differences() {
        for axis in 0..3 {
            let x = [normal(1, &[2, 3, 4])];
            assert_slopes("mean", &x, |tape, v| mean(tape, &v[0], axis));
            assert_kernel("mean", 4, &x, |tape, v| mean(tape, &v[0], axis));
        }
    }
}
