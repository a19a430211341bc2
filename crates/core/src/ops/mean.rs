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
use crate::kernels::cpu::mean as kernel;
use crate::tape::{Tape, Value};
use crate::tensor::{from_vec, read};

pub(crate) fn mean(tape: &mut Tape, x: &Value, axis: usize) -> Result<Value> {
    let Some(size) = x.dims().get(axis).copied().filter(|size| *size > 0) else {
        return Err(Error::shape("mean", format!("expected an axis with entries, got {axis} of {:?}", x.dims())));
    };
    let share = 1.0 / size as f64;
    let input = x.clone();
    if tape.takes(x.tensor()) {
        let inner: usize = x.dims()[axis + 1..].iter().product();
        let mut dims = x.dims().to_vec();
        dims.remove(axis);
        let y = kernel::means(&read::<f32>(x.tensor())?, size, inner);
        return tape.record("mean", &[x], from_vec(y, dims)?, move |up, gradients| {
            let up = up.contiguous().ok_or_internal()?;
            let dx = kernel::to_each(&read::<f32>(&up)?, size, inner);
            gradients.add(&input, from_vec(dx, input.dims())?)
        });
    }
    let y = x.tensor().sum(axis).and_then(|sum| sum.affine(share, 0.0)).ok_or_internal()?;
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
