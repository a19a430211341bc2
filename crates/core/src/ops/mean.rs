//! The mean along one axis, which goes away: of the tokens of a row, `[rows, length, width] → [rows, width]`.
//!
//! ```text
//! y = Σ_i x_i / n,   ∂L/∂x_i = g / n
//! ```
//!
//! Source: PyTorch's `mean(axis)`. Where we differ: nowhere.

use serde_json::json;

use super::{Operation, Sample};
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

pub(crate) const OPERATION: Operation = Operation {
    name: "mean",
    case: |tape, inputs, options| mean(tape, inputs.get("x")?, super::option(options, "axis")?.unwrap_or(0)),
    samples: || {
        let sample = |axis: usize| Sample::of(&[("x", &[2, 3, 131])]).options(json!({ "axis": axis })).terms(131);
        (0..3).map(sample).collect()
    },
};
