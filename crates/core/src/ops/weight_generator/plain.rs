//! The plain reference of the generator, in candle calls.

use super::{Generator, Saved};
use crate::error::{Candle, Result};
use crate::tape::Gradients;
use crate::tensor::{DType, Tensor, item};

impl Generator {
    /// The element type of all computations.
    fn dtype(&self) -> DType {
        self.weights.all().next().map_or(self.stack.planes[0].dtype(), |value| value.tensor().dtype())
    }

    fn planes(&self) -> candle_core::Result<Vec<Tensor>> {
        self.stack.planes.iter().map(|plane| plane.to_dtype(self.dtype())).collect()
    }

    pub(super) fn plain(&self) -> candle_core::Result<(Tensor, Saved)> {
        let (rows, positions) = (self.outputs * self.stack.positions, self.stack.positions);
        let planes = self.planes()?;
        let x = match &self.weights.layers {
            None => planes[0].clone(),
            Some((layer, reduce)) => {
                let r = layer.tensor().matmul(&reduce.tensor().unsqueeze(1)?)?;
                let terms = planes.iter().enumerate().map(|(k, plane)| plane.broadcast_mul(&r.narrow(0, k, 1)?));
                let terms = terms.collect::<candle_core::Result<Vec<_>>>()?;
                terms[1..].iter().try_fold(terms[0].clone(), |sum, term| sum + term)?
            }
        };
        let y = match &self.weights.w_out {
            None => x.clone(),
            Some(w_out) => w_out.tensor().t()?.matmul(&x)?,
        };
        let v = match &self.weights.w_in {
            None => y.clone(),
            Some(w_in) => y.reshape((rows, self.stack.inputs))?.matmul(w_in.tensor())?,
        };
        let v = v.reshape((self.outputs, positions, self.inputs))?.transpose(1, 2)?.contiguous()?;
        let v = v.reshape(self.dims.as_slice())?;
        let (s, tanh) = match &self.weights.affine {
            None => (v, None),
            Some((scale, shift)) => {
                let tanh = v.tanh()?;
                (((scale.tensor() * &tanh)? + shift.tensor())?, Some(tanh))
            }
        };
        Ok((s, Saved { y, x: Some(x), tanh }))
    }

    pub(super) fn plain_backward(self, up: Tensor, saved: Saved, gradients: &mut Gradients) -> Result<()> {
        let rows = self.outputs * self.stack.positions;
        let down = match (&self.weights.affine, &saved.tanh) {
            (Some((scale, shift)), Some(tanh)) => {
                gradients.add(scale, (&up * tanh).ok_or_internal()?)?;
                gradients.add_shared(shift, up.clone())?;
                let slope = (tanh.sqr().and_then(|square| square.neg()? + 1.0)).ok_or_internal()?;
                (up * scale.tensor()).and_then(|down| down * slope).ok_or_internal()?
            }
            _ => up,
        };
        let d = down
            .reshape((self.outputs, self.inputs, self.stack.positions))
            .and_then(|d| d.transpose(1, 2)?.contiguous()?.reshape((rows, self.inputs)))
            .ok_or_internal()?;
        let e = match &self.weights.w_in {
            None => d,
            Some(w_in) => {
                let y = saved.y.reshape((rows, self.stack.inputs)).ok_or_internal()?;
                gradients.add(w_in, y.t().and_then(|y| y.matmul(&d)).ok_or_internal()?)?;
                w_in.tensor().t().and_then(|w_in| d.matmul(&w_in)).ok_or_internal()?
            }
        };
        let e = e.reshape((self.outputs, self.width())).ok_or_internal()?;
        let dx = match (&self.weights.w_out, &saved.x) {
            (Some(w_out), Some(x)) => {
                gradients.add(w_out, e.t().and_then(|e| x.matmul(&e)).ok_or_internal()?)?;
                w_out.tensor().matmul(&e).ok_or_internal()?
            }
            _ => e,
        };
        let dot = |plane: &Tensor| item(&(plane * &dx).and_then(|both| both.sum_all()).ok_or_internal()?);
        let factors = self.planes().ok_or_internal()?.iter().map(dot).collect::<Result<Vec<f64>>>()?;
        self.layer_gradients(&factors, gradients)
    }
}
