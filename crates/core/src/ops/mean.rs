//! The mean along one axis, which is removed; for example over the tokens of a row: `[rows, length, width] → [rows, width]`.
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
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{Tensor, from_vec, read};

pub(crate) fn mean(tape: &mut Tape, x: &Value, axis: usize) -> Result<Value> {
    let Some(size) = x.dims().get(axis).copied().filter(|size| *size > 0) else {
        return Err(Error::shape("mean", format!("expected an axis with entries, got {axis} of {:?}", x.dims())));
    };
    tape.apply("mean", &[x], Mean { x: x.clone(), axis, size })
}

struct Mean {
    x: Value,
    axis: usize,
    size: usize,
}

impl Compute for Mean {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let Mean { x, axis, size } = self;
        let inner: usize = x.dims()[axis + 1..].iter().product();
        let mut dims = x.dims().to_vec();
        dims.remove(axis);
        let y = from_vec(kernel::means(&read::<f32>(x.tensor())?, size, inner), dims)?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let up = up.contiguous().ok_or_internal()?;
            let dx = kernel::to_each(&read::<f32>(&up)?, size, inner);
            gradients.add(&x, from_vec(dx, x.dims())?)
        }))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let Mean { x, axis, size } = self;
        let share = 1.0 / size as f64;
        let y = x.tensor().sum(axis).and_then(|sum| sum.affine(share, 0.0)).ok_or_internal()?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let each = up.affine(share, 0.0).and_then(|each| each.unsqueeze(axis)).ok_or_internal()?;
            let each = each.broadcast_as(x.dims()).and_then(|each| each.contiguous()).ok_or_internal()?;
            gradients.add_shared(&x, each)
        }))
    }
}

pub(crate) const OPERATION: Operation = Operation {
    name: "mean",
    case: |tape, inputs, options| mean(tape, inputs.get("x")?, super::option(options, "axis")?.unwrap_or(0)),
    samples: || {
        let sample = |axis: usize| Sample::of(&[("x", &[2, 3, 131])]).options(json!({ "axis": axis })).terms(131);
        (0..3).map(sample).collect()
    },
};
