//! The same numbers in another shape; contiguous numbers are not copied.
//!
//! ```text
//! y = x in row-major order,   ∂L/∂x = g in row-major order
//! ```
//!
//! Source: PyTorch's `reshape` and `flatten`. Where we differ: nowhere.

use serde_json::json;

use super::{Operation, Sample};
use crate::error::{Candle, Error, Result};
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::Tensor;

pub(crate) fn reshape(tape: &mut Tape, x: &Value, shape: &[usize]) -> Result<Value> {
    let wanted = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
    if wanted != Some(x.dims().iter().product()) {
        return Err(Error::shape("reshape", format!("expected as many numbers as {:?}, got {shape:?}", x.dims())));
    }
    tape.apply("reshape", &[x], Reshape { x: x.clone(), shape })
}

struct Reshape<'a> {
    x: Value,
    shape: &'a [usize],
}

impl Compute for Reshape<'_> {
    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let (x, y) = (self.x.clone(), self.x.tensor().reshape(self.shape).ok_or_internal()?);
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            // The reshaped gradient shares the storage of `up`, which may have other handles.
            gradients.add_shared(&x, up.reshape(x.dims()).ok_or_internal()?)
        }))
    }
}

/// Merges all axes from `axis` on into one: `[rows, channels, height, width]` with 1 gives `[rows, channels · height · width]`.
pub(crate) fn flatten(tape: &mut Tape, x: &Value, axis: usize) -> Result<Value> {
    let dims = x.dims();
    if axis >= dims.len() {
        return Err(Error::shape("flatten", format!("expected an axis below {}, got {axis}", dims.len())));
    }
    let mut shape = dims[..axis].to_vec();
    shape.push(dims[axis..].iter().product());
    reshape(tape, x, &shape)
}

pub(crate) const OPERATION: Operation = Operation {
    name: "reshape",
    case: |tape, inputs, options| match super::option(options, "flatten")? {
        Some(axis) => flatten(tape, inputs.get("x")?, axis),
        None => reshape(tape, inputs.get("x")?, &[4, 6]),
    },
    samples: || {
        let sample = || Sample::of(&[("x", &[2, 3, 4])]);
        vec![sample(), sample().options(json!({ "flatten": 1 })), sample().options(json!({ "flatten": 0 }))]
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_inputs_that_do_not_fit() {
        let x = crate::ops::zeros(&[2, 3]);
        let error = reshape(&mut Tape::default(), &x, &[4, 2]).unwrap_err();
        assert_eq!(error.to_string(), "reshape: expected as many numbers as [2, 3], got [4, 2]");
    }
}
