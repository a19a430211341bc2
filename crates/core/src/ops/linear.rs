//! Dense layer with its activation, as one record on the tape.
//!
//! ```text
//! y = a(x · Wᵀ + b),   x [..., inputs], W [outputs, inputs], b [outputs], y [..., outputs]
//! g = ∂L/∂y · a′;   ∂L/∂x = g · W,   ∂L/∂W = gᵀ · x,   ∂L/∂b = sum of g over the rows
//! ```
//!
//! W has PyTorch's layout. Source: none needed. Where we differ: nowhere.

use super::activation::reference;
use super::{Operation, Sample};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::gemm::{self, Job, Matrix};
use crate::kernels::cpu::linear as kernel;
use crate::kernels::names::{Activation, Saves};
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{Tensor, from_vec, read, uninit, update};

pub fn linear(tape: &mut Tape, x: &Value, w: &Value, bias: Option<&Value>, activation: Activation) -> Result<Value> {
    let shape = Shape::check(x, w, bias)?;
    let inputs: Vec<&Value> = [x, w].into_iter().chain(bias).collect();
    tape.apply("linear", &inputs, Layer { x: x.clone(), w: w.clone(), bias: bias.cloned(), activation, shape })
}

#[derive(Clone, Copy)]
struct Shape {
    rows: usize,
    inputs: usize,
    outputs: usize,
}

impl Shape {
    fn check(x: &Value, w: &Value, bias: Option<&Value>) -> Result<Shape> {
        let [outputs, inputs] = *w.dims() else {
            return Err(Error::shape("weight", format!("expected [outputs, inputs], got {:?}", w.dims())));
        };
        match x.dims().last() {
            Some(&width) if width == inputs => {}
            _ => return Err(Error::shape("x", format!("expected [rows, {inputs}], got {:?}", x.dims()))),
        }
        match bias {
            Some(bias) if bias.dims() != [outputs] => {
                return Err(Error::shape("bias", format!("expected [{outputs}], got {:?}", bias.dims())));
            }
            _ => {}
        }
        let rows = x.dims()[..x.dims().len() - 1].iter().product();
        Ok(Shape { rows, inputs, outputs })
    }
}

struct Layer {
    x: Value,
    w: Value,
    bias: Option<Value>,
    activation: Activation,
    shape: Shape,
}

impl Compute for Layer {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let (y, saved) = self.forward()?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| self.backward(up, saved, gradients)))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let (y, slope) = self.plain().ok_or_internal()?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| self.plain_backward(up, slope, gradients)))
    }
}

impl Layer {
    fn output_dims(&self) -> Vec<usize> {
        let mut dims = self.x.dims().to_vec();
        dims.pop();
        dims.push(self.shape.outputs);
        dims
    }

    /// The output, and what the backward pass of the activation needs (`None` if nothing).
    fn forward(&self) -> Result<(Tensor, Option<Tensor>)> {
        let Shape { rows, inputs, outputs } = self.shape;
        let recorded = [&self.x, &self.w].into_iter().chain(&self.bias).any(|input| input.node().is_some());
        let saves = if recorded { self.activation.saves() } else { Saves::Nothing };
        let mut y = uninit(rows * outputs);
        let mut slope = (saves == Saves::Slope).then(|| uninit(rows * outputs));
        {
            let (x, w) = (read::<f32>(self.x.tensor())?, read::<f32>(self.w.tensor())?);
            let bias = self.bias.as_ref().map(|bias| read::<f32>(bias.tensor())).transpose()?;
            kernel::forward(
                Matrix::new(&x, rows, inputs),
                Matrix::new(&w, outputs, inputs),
                bias.as_deref().unwrap_or(&[]),
                self.activation,
                &mut y,
                slope.as_deref_mut(),
            );
        }
        let y = from_vec(y, self.output_dims())?;
        let saved = match saves {
            Saves::Nothing => None,
            Saves::Output => Some(y.clone()),
            Saves::Slope => slope.map(|slope| from_vec(slope, self.output_dims())).transpose()?,
        };
        Ok((y, saved))
    }

    fn backward(self, up: Tensor, saved: Option<Tensor>, gradients: &mut Gradients) -> Result<()> {
        let Shape { rows, inputs, outputs } = self.shape;
        let up = up.contiguous().ok_or_internal()?;
        let up = read::<f32>(&up)?;
        let bias = self.bias.filter(|bias| gradients.wants(bias));
        let mut sums = vec![0.0f32; if bias.is_some() { outputs } else { 0 }];
        let mut down;
        let g: &[f32] = match &saved {
            Some(saved) => {
                down = uninit(rows * outputs);
                kernel::backward(self.activation, outputs, &up, &read::<f32>(saved)?, &mut down, &mut sums);
                &down
            }
            None => {
                kernel::column_sums(&up, &mut sums);
                &up
            }
        };
        drop(saved);
        let g = Matrix::new(g, rows, outputs);

        // If there already is a gradient buffer, the product is added to it.
        let old = gradients.take_owned(&self.w);
        let mut dw = if gradients.wants(&self.w) && old.is_none() { uninit(outputs * inputs) } else { Vec::new() };
        let mut dx = if gradients.wants(&self.x) { uninit(rows * inputs) } else { Vec::new() };
        {
            let (x, w) = (read::<f32>(self.x.tensor())?, read::<f32>(self.w.tensor())?);
            let mut jobs = Vec::with_capacity(2);
            if gradients.wants(&self.x) {
                let w = Matrix::new(&w, outputs, inputs);
                jobs.push(Job { a: g, b: w, out: &mut dx, accumulate: false });
            }
            if gradients.wants(&self.w) {
                let x = Matrix::new(&x, rows, inputs);
                match &old {
                    None => {
                        jobs.push(Job { a: g.transposed(), b: x, out: &mut dw, accumulate: false });
                        gemm::products(jobs);
                    }
                    Some(old) => update(old, move |out| {
                        let mut jobs: Vec<Job> = jobs;
                        jobs.push(Job { a: g.transposed(), b: x, out, accumulate: true });
                        gemm::products(jobs);
                    })?,
                }
            } else {
                gemm::products(jobs);
            }
        }
        if gradients.wants(&self.x) {
            gradients.add(&self.x, from_vec(dx, self.x.dims())?)?;
        }
        if gradients.wants(&self.w) {
            let dw = old.map_or_else(|| from_vec(dw, self.w.dims()), Ok)?;
            gradients.add(&self.w, dw)?;
        }
        match &bias {
            Some(bias) => gradients.add(bias, from_vec(sums, outputs)?),
            None => Ok(()),
        }
    }

    fn plain(&self) -> candle_core::Result<(Tensor, Tensor)> {
        let x = self.x.tensor().reshape((self.shape.rows, self.shape.inputs))?;
        let mut pre = x.matmul(&self.w.tensor().t()?)?;
        if let Some(bias) = &self.bias {
            pre = pre.broadcast_add(bias.tensor())?;
        }
        let (y, slope) = reference(self.activation, &pre)?;
        Ok((y.reshape(self.output_dims())?, slope))
    }

    fn plain_backward(self, up: Tensor, slope: Tensor, gradients: &mut Gradients) -> Result<()> {
        let Shape { rows, inputs, outputs } = self.shape;
        let g = up.reshape((rows, outputs)).and_then(|up| up * slope).ok_or_internal()?;
        if gradients.wants(&self.x) {
            let dx = g.matmul(self.w.tensor()).and_then(|dx| dx.reshape(self.x.dims())).ok_or_internal()?;
            gradients.add(&self.x, dx)?;
        }
        if gradients.wants(&self.w) {
            let x = self.x.tensor().reshape((rows, inputs)).ok_or_internal()?;
            gradients.add(&self.w, g.t().and_then(|g| g.matmul(&x)).ok_or_internal()?)?;
        }
        match self.bias.filter(|bias| gradients.wants(bias)) {
            Some(bias) => gradients.add(&bias, g.sum(0).ok_or_internal()?),
            None => Ok(()),
        }
    }
}

pub(crate) const OPERATION: Operation = Operation {
    name: "linear",
    case: |tape, inputs, options| {
        let activation = super::option(options, "activation")?.unwrap_or_default();
        linear(tape, inputs.get("x")?, inputs.get("weight")?, inputs.find("bias"), activation)
    },
    samples: || {
        let sample = |rows: &[usize], inputs: usize, outputs: usize, activation: &str| {
            let x: Vec<usize> = rows.iter().copied().chain([inputs]).collect();
            Sample::of(&[("x", &x), ("weight", &[outputs, inputs]), ("bias", &[outputs])])
                .options(serde_json::json!({ "activation": activation }))
                .terms(inputs.max(outputs).max(rows.iter().product()))
        };
        let mut samples: Vec<Sample> = ["none", "relu", "gelu", "geluTanh", "silu", "tanh", "sigmoid"]
            .iter()
            .map(|activation| sample(&[5], 7, 3, activation))
            .collect();
        samples.push(sample(&[1], 131, 2, "relu"));
        samples.push(sample(&[2, 9], 3, 131, "gelu"));
        samples.push(sample(&[1], 1, 1, "none"));
        samples.push(Sample::of(&[("x", &[4, 3]), ("weight", &[2, 3])]).terms(4));
        samples
    },
};
