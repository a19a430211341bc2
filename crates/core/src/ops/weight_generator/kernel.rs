//! The generator, computed by matrix products and kernels.

use std::ops::Deref;

use super::{Generator, Saved, Stack};
use crate::error::{Candle, Result};
use crate::kernels::cpu::gemm::{self, Job, Matrix};
use crate::kernels::cpu::generator as kernel;
use crate::tape::{Gradients, Value};
use crate::tensor::{Tensor, from_vec, read, uninit};

/// With up to this many layers, `T_k Eᵀ` for each k costs no more products than `X Eᵀ` and `wOut E`, and needs neither X nor
/// another pass over the stack.
const FEW_LAYERS: usize = 2;

impl Generator {
    pub(super) fn forward(&self) -> Result<(Tensor, Saved)> {
        let Stack { outputs: teacher_outputs, inputs: teacher_inputs, positions, .. } = self.stack;
        let (width, rows) = (self.width(), self.outputs * positions);
        let x = match &self.weights.layers {
            None => self.stack.planes[0].clone(),
            Some(_) => {
                let planes = self.stack.planes.iter().map(read::<f32>).collect::<Result<Vec<_>>>()?;
                let planes: Vec<&[f32]> = planes.iter().map(|plane| &**plane).collect();
                let factors: Vec<f32> = self.factors()?.into_iter().map(|factor| factor as f32).collect();
                let mut x = uninit(teacher_outputs * width);
                kernel::combine(&planes, &factors, &mut x);
                from_vec(x, (teacher_outputs, width))?
            }
        };
        let y = match &self.weights.w_out {
            None => x.clone(),
            Some(w_out) => {
                let mut y = uninit(self.outputs * width);
                {
                    let (w_out, x) = (read::<f32>(w_out.tensor())?, read::<f32>(&x)?);
                    let w_out = Matrix::new(&w_out, teacher_outputs, self.outputs).transposed();
                    gemm::product(w_out, Matrix::new(&x, teacher_outputs, width), &mut y, false);
                }
                from_vec(y, (self.outputs, width))?
            }
        };
        let v = match &self.weights.w_in {
            None => read::<f32>(&y)?.to_vec(),
            Some(w_in) => {
                let mut v = uninit(rows * self.inputs);
                let (w_in, y) = (read::<f32>(w_in.tensor())?, read::<f32>(&y)?);
                let w_in = Matrix::new(&w_in, teacher_inputs, self.inputs);
                gemm::product(Matrix::new(&y, rows, teacher_inputs), w_in, &mut v, false);
                v
            }
        };
        let mut v = turned(v, positions, self.inputs);
        let (out, tanh) = match &self.weights.affine {
            None => (v, None),
            Some((scale, shift)) => {
                let mut out = uninit(rows * self.inputs);
                kernel::forward(&mut v, &read::<f32>(scale.tensor())?, &read::<f32>(shift.tensor())?, &mut out);
                (out, Some(from_vec(v, self.dims.as_slice())?))
            }
        };
        let x = Some(x).filter(|_| self.weights.layers.is_none() || self.stack.layers() > FEW_LAYERS);
        Ok((from_vec(out, self.dims.as_slice())?, Saved { y, x, tanh }))
    }

    pub(super) fn backward(self, up: Tensor, saved: Saved, gradients: &mut Gradients) -> Result<()> {
        let Stack { outputs: teacher_outputs, inputs: teacher_inputs, positions, .. } = self.stack;
        let (width, rows) = (self.width(), self.outputs * positions);
        let up = up.contiguous().ok_or_internal()?;
        let d = match (&self.weights.affine, &saved.tanh) {
            (Some((scale, shift)), Some(tanh)) => {
                let (mut dscale, mut down) = (uninit(rows * self.inputs), uninit(rows * self.inputs));
                kernel::backward(
                    &read::<f32>(&up)?,
                    &read::<f32>(scale.tensor())?,
                    &read::<f32>(tanh)?,
                    &mut dscale,
                    &mut down,
                );
                gradients.add(scale, from_vec(dscale, self.dims.as_slice())?)?;
                gradients.add_shared(shift, up)?;
                down
            }
            _ => read::<f32>(&up)?.to_vec(),
        };
        let d = turned(d, self.inputs, positions);
        // E = ∂L/∂(wOutᵀX), `[outputs, positions · teacher inputs]`.
        let e = match &self.weights.w_in {
            None => d,
            Some(w_in) => {
                let (mut dw, mut e) = (uninit(teacher_inputs * self.inputs), uninit(rows * teacher_inputs));
                {
                    let (w_in, y) = (read::<f32>(w_in.tensor())?, read::<f32>(&saved.y)?);
                    let (d, y) = (Matrix::new(&d, rows, self.inputs), Matrix::new(&y, rows, teacher_inputs));
                    let w_in = Matrix::new(&w_in, teacher_inputs, self.inputs);
                    gemm::products(vec![
                        Job { a: y.transposed(), b: d, out: &mut dw, accumulate: false },
                        Job { a: d, b: w_in.transposed(), out: &mut e, accumulate: false },
                    ]);
                }
                gradients.add(w_in, from_vec(dw, (teacher_inputs, self.inputs))?)?;
                e
            }
        };
        let planes = self.stack.planes.iter().map(read::<f32>).collect::<Result<Vec<_>>>()?;
        let factors = match &self.weights.w_out {
            None if self.weights.layers.is_none() => Vec::new(),
            None => planes.iter().map(|plane| kernel::dot(plane, &e)).collect(),
            Some(w_out) => {
                let e = Matrix::new(&e, self.outputs, width);
                let (dw, factors) = match &saved.x {
                    Some(x) => self.through_sum(&read::<f32>(x)?, w_out, e, &planes)?,
                    None => self.through_layers(w_out, e, &planes)?,
                };
                gradients.add(w_out, from_vec(dw, (teacher_outputs, self.outputs))?)?;
                factors
            }
        };
        self.layer_gradients(&factors, gradients)
    }

    /// ∂wOut = X Eᵀ and ∂r_k = ⟨T_k, wOut E⟩.
    fn through_sum(
        &self,
        x: &[f32],
        w_out: &Value,
        e: Matrix,
        planes: &[impl Deref<Target = [f32]>],
    ) -> Result<(Vec<f32>, Vec<f64>)> {
        let (teacher_outputs, width) = (self.stack.outputs, self.width());
        let mut dw = uninit(teacher_outputs * self.outputs);
        let x = Matrix::new(x, teacher_outputs, width);
        if self.weights.layers.is_none() {
            gemm::product(x, e.transposed(), &mut dw, false);
            return Ok((dw, Vec::new()));
        }
        let mut dx = uninit(teacher_outputs * width);
        {
            let w_out = read::<f32>(w_out.tensor())?;
            let w_out = Matrix::new(&w_out, teacher_outputs, self.outputs);
            gemm::products(vec![
                Job { a: x, b: e.transposed(), out: &mut dw, accumulate: false },
                Job { a: w_out, b: e, out: &mut dx, accumulate: false },
            ]);
        }
        Ok((dw, planes.iter().map(|plane| kernel::dot(plane, &dx)).collect()))
    }

    /// M_k = T_k Eᵀ, then ∂wOut = Σ_k r_k M_k and ∂r_k = ⟨M_k, wOut⟩.
    fn through_layers(
        &self,
        w_out: &Value,
        e: Matrix,
        planes: &[impl Deref<Target = [f32]>],
    ) -> Result<(Vec<f32>, Vec<f64>)> {
        let (teacher_outputs, width, len) = (self.stack.outputs, self.width(), self.stack.outputs * self.outputs);
        let mut each: Vec<Vec<f32>> = planes.iter().map(|_| uninit(len)).collect();
        let jobs = planes.iter().zip(&mut each).map(|(plane, out)| Job {
            a: Matrix::new(plane, teacher_outputs, width),
            b: e.transposed(),
            out,
            accumulate: false,
        });
        gemm::products(jobs.collect());
        let factors: Vec<f32> = self.factors()?.into_iter().map(|factor| factor as f32).collect();
        let parts: Vec<&[f32]> = each.iter().map(Vec::as_slice).collect();
        let mut dw = uninit(len);
        kernel::combine(&parts, &factors, &mut dw);
        let w_out = read::<f32>(w_out.tensor())?;
        Ok((dw, parts.iter().map(|part| kernel::dot(part, &w_out)).collect()))
    }
}

/// `[outputs, rows, cols]` to `[outputs, cols, rows]`, because kernel positions are after the inputs in a parameter, but
/// before them in a product.
fn turned(x: Vec<f32>, rows: usize, cols: usize) -> Vec<f32> {
    if rows == 1 || cols == 1 {
        return x;
    }
    let mut out = uninit(x.len());
    kernel::transpose_inner(&x, rows, cols, &mut out);
    out
}
