//! Layer normalization: each row is scaled to mean 0 and variance 1 along its last axis, then a learned scale and shift are
//! applied.
//!
//! ```text
//! y = w · x̂ + b,   x̂ = (x − mean(x)) / σ,   σ = √(mean((x − mean(x))²) + epsilon)
//! ∂L/∂x = (h − mean(h) − x̂ · mean(h · x̂)) / σ,   h = w · ∂L/∂y
//! ∂L/∂w = Σ_rows x̂ · ∂L/∂y,   ∂L/∂b = Σ_rows ∂L/∂y
//! ```
//!
//! Shapes: x `[…, width]`, w and b `[width]`.
//!
//! Source: Ba, Kiros, Hinton, "Layer Normalization", 2016, arXiv:1607.06450; PyTorch's `layer_norm`. Where we
//! differ: nowhere.

use super::{Operation, Sample};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::norm::{self, Centre};
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{Tensor, from_vec, read};

pub(crate) fn layer_norm(tape: &mut Tape, x: &Value, w: &Value, b: &Value, epsilon: f64) -> Result<Value> {
    check(x, &[("weight", w), ("bias", b)]).map_err(|error| error.at("layerNorm"))?;
    let norm = Norm { x: x.clone(), w: w.clone(), b: Some(b.clone()), epsilon, centre: Centre::Mean };
    tape.apply("layerNorm", &[x, w, b], norm)
}

pub(super) fn check(x: &Value, vectors: &[(&str, &Value)]) -> Result<()> {
    let Some(width) = x.dims().last().copied().filter(|width| *width > 0) else {
        return Err(Error::shape("input", format!("expected […, width], got {:?}", x.dims())));
    };
    for (name, vector) in vectors {
        if vector.dims() != [width] {
            return Err(Error::shape(*name, format!("expected [{width}], got {:?}", vector.dims())));
        }
    }
    Ok(())
}

/// Shared with rms_norm, which subtracts no mean and has no bias.
pub(super) struct Norm {
    pub x: Value,
    pub w: Value,
    pub b: Option<Value>,
    pub epsilon: f64,
    pub centre: Centre,
}

impl Compute for Norm {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let Norm { x, w, b, epsilon, centre } = self;
        let (y, saved) = {
            let (x, w) = (read::<f32>(x.tensor())?, read::<f32>(w.tensor())?);
            let b = b.as_ref().map(|b| read::<f32>(b.tensor())).transpose()?;
            norm::forward(&x, &w, b.as_deref(), epsilon as f32, centre)
        };
        Ok((from_vec(y, x.dims())?, move |up: Tensor, gradients: &mut Gradients| {
            let up = up.contiguous().ok_or_internal()?;
            let [dx, dw, db] = {
                let (g, x, w) = (read::<f32>(&up)?, read::<f32>(x.tensor())?, read::<f32>(w.tensor())?);
                norm::backward(&g, &x, &w, &saved, centre)
            };
            gradients.add(&x, from_vec(dx, x.dims())?)?;
            gradients.add(&w, from_vec(dw, w.dims())?)?;
            b.map_or(Ok(()), |b| gradients.add(&b, from_vec(db, b.dims())?))
        }))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let Norm { x, w, b, epsilon, centre } = self;
        let (hat, inverse) = plain::hat(x.tensor(), epsilon, centre)?;
        let y = plain::scaled(&hat, w.tensor(), b.as_ref().map(Value::tensor))?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let rows_of = |sum: Tensor| -> Result<Tensor> {
                let width = sum.dims().last().copied().unwrap_or(1);
                sum.contiguous().and_then(|sum| sum.reshape(((), width))).and_then(|rows| rows.sum(0)).ok_or_internal()
            };
            gradients.add(&x, plain::input_gradient(&up, &hat, &inverse, w.tensor(), centre)?)?;
            gradients.add(&w, rows_of(up.mul(&hat).ok_or_internal()?)?)?;
            b.map_or(Ok(()), |b| gradients.add(&b, rows_of(up)?))
        }))
    }
}

mod plain {
    use super::*;

    fn mean(x: &Tensor) -> Result<Tensor> {
        x.mean_keepdim(x.rank() - 1).ok_or_internal()
    }

    /// x̂ and 1 / σ.
    pub fn hat(x: &Tensor, epsilon: f64, centre: Centre) -> Result<(Tensor, Tensor)> {
        let away = match centre {
            Centre::Mean => x.broadcast_sub(&mean(x)?).ok_or_internal()?,
            Centre::Zero => x.clone(),
        };
        let inverse = mean(&away.sqr().ok_or_internal()?)?
            .affine(1.0, epsilon)
            .and_then(|variance| variance.sqrt())
            .and_then(|sigma| sigma.recip())
            .ok_or_internal()?;
        Ok((away.broadcast_mul(&inverse).ok_or_internal()?, inverse))
    }

    pub fn scaled(hat: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
        let y = hat.broadcast_mul(w).ok_or_internal()?;
        b.map_or(Ok(y.clone()), |b| y.broadcast_add(b).ok_or_internal())
    }

    pub fn input_gradient(up: &Tensor, hat: &Tensor, inverse: &Tensor, w: &Tensor, centre: Centre) -> Result<Tensor> {
        let h = up.broadcast_mul(w).ok_or_internal()?;
        let along = hat.broadcast_mul(&mean(&h.mul(hat).ok_or_internal()?)?).ok_or_internal()?;
        let mut dx = h.sub(&along).ok_or_internal()?;
        if centre == Centre::Mean {
            dx = dx.broadcast_sub(&mean(&h)?).ok_or_internal()?;
        }
        dx.broadcast_mul(inverse).ok_or_internal()
    }
}

pub(crate) const OPERATION: Operation = Operation {
    name: "layerNorm",
    case: |tape, inputs, options| {
        let epsilon = super::option(options, "epsilon")?.unwrap_or(1e-5);
        layer_norm(tape, inputs.get("x")?, inputs.get("weight")?, inputs.get("bias")?, epsilon)
    },
    samples: || {
        let shapes: [&[usize]; 4] = [&[2, 3, 5], &[1, 131], &[200, 64], &[33, 7]];
        let sample = |shape: &[usize]| {
            let width = &shape[shape.len() - 1..];
            Sample::of(&[("x", shape), ("weight", width), ("bias", width)]).terms(shape.iter().product())
        };
        shapes.into_iter().map(sample).collect()
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_inputs_that_do_not_fit() {
        let [x, w, b] = [&[2, 3][..], &[3], &[3]].map(crate::ops::zeros);
        let short = crate::ops::zeros(&[2]);
        let error = layer_norm(&mut Tape::default(), &x, &w, &short, 1e-5).unwrap_err();
        assert_eq!(error.to_string(), "layerNorm.bias: expected [3], got [2]");
        let error = layer_norm(&mut Tape::default(), &x, &short, &b, 1e-5).unwrap_err();
        assert_eq!(error.to_string(), "layerNorm.weight: expected [3], got [2]");
    }
}
