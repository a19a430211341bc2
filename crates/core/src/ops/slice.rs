//! A range along one axis; outside the range the gradient is 0.
//!
//! Source: PyTorch's `narrow(…).contiguous()`. Where we differ: nowhere.

use serde_json::json;

use super::{Operation, Sample};
use crate::error::{Candle, Error, Result};
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{Tensor, contiguous, room_like};

pub(crate) fn slice(tape: &mut Tape, x: &Value, axis: usize, start: usize, length: usize) -> Result<Value> {
    let Some(size) = x.dims().get(axis).copied() else {
        return Err(Error::shape("slice", format!("expected an axis below {}, got {axis}", x.dims().len())));
    };
    let Some(end) = start.checked_add(length).filter(|end| length > 0 && *end <= size) else {
        return Err(Error::shape("slice", format!("expected a range within 0..{size}, got {start}..+{length}")));
    };
    tape.apply("slice", &[x], Slice { x: x.clone(), axis, start, length, after: size - end })
}

struct Slice {
    x: Value,
    axis: usize,
    start: usize,
    length: usize,
    /// Number of entries after the range.
    after: usize,
}

impl Compute for Slice {
    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let Slice { x, axis, start, length, after } = self;
        let y = contiguous(&x.tensor().narrow(axis, start, length).ok_or_internal()?)?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            room_like(x.tensor());
            let whole = up.pad_with_zeros(axis, start, after).and_then(|whole| whole.contiguous());
            gradients.add_shared(&x, whole.ok_or_internal()?)
        }))
    }
}

pub(crate) const OPERATION: Operation = Operation {
    name: "slice",
    case: |tape, inputs, options| {
        let [axis, start, length] = super::option(options, "range")?.unwrap_or([0, 0, 1]);
        slice(tape, inputs.get("x")?, axis, start, length)
    },
    samples: || {
        let ranges = [[0, 1, 1], [1, 0, 2], [2, 1, 3], [1, 0, 3]];
        ranges.into_iter().map(|range| Sample::of(&[("x", &[2, 3, 4])]).options(json!({ "range": range }))).collect()
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_inputs_that_do_not_fit() {
        let x = crate::ops::zeros(&[2, 3]);
        let error = slice(&mut Tape::default(), &x, 1, 2, 2).unwrap_err();
        assert_eq!(error.to_string(), "slice: expected a range within 0..3, got 2..+2");
    }
}
