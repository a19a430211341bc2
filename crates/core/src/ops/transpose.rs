//! Swaps two axes and copies the numbers into the new order; the backward pass swaps the gradient back.
//!
//! Source: PyTorch's `transpose(…).contiguous()`. Where we differ: nowhere.

use serde_json::json;

use super::{Operation, Sample};
use crate::error::{Candle, Error, Result};
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{Tensor, contiguous};

pub(crate) fn transpose(tape: &mut Tape, x: &Value, first: usize, second: usize) -> Result<Value> {
    let rank = x.dims().len();
    if first >= rank || second >= rank {
        return Err(Error::shape("transpose", format!("expected axes below {rank}, got {first} and {second}")));
    }
    tape.apply("transpose", &[x], Transpose { x: x.clone(), axes: (first, second) })
}

struct Transpose {
    x: Value,
    axes: (usize, usize),
}

impl Compute for Transpose {
    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let Transpose { x, axes } = self;
        let swapped = move |x: &Tensor| contiguous(&x.transpose(axes.0, axes.1).ok_or_internal()?);
        Ok((swapped(x.tensor())?, move |up: Tensor, gradients: &mut Gradients| gradients.add_shared(&x, swapped(&up)?)))
    }
}

pub(crate) const OPERATION: Operation = Operation {
    name: "transpose",
    case: |tape, inputs, options| {
        let [first, second] = super::option(options, "axes")?.unwrap_or([0, 1]);
        transpose(tape, inputs.get("x")?, first, second)
    },
    samples: || {
        let axes = [[0, 1], [1, 2], [2, 0], [1, 1]];
        axes.into_iter().map(|axes| Sample::of(&[("x", &[2, 3, 4])]).options(json!({ "axes": axes }))).collect()
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_inputs_that_do_not_fit() {
        let x = crate::ops::zeros(&[2, 3]);
        let error = transpose(&mut Tape::default(), &x, 0, 2).unwrap_err();
        assert_eq!(error.to_string(), "transpose: expected axes below 2, got 0 and 2");
    }
}
