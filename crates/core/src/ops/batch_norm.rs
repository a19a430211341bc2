//! Batch normalization of `[rows, channels]` or `[images, channels, …]`: each channel is scaled to mean 0 and variance 1
//! over the batch, then a learned scale and shift are applied, and optionally relu, in the same pass.
//!
//! ```text
//! y = w · (x − μ) / σ + b,   σ = √(variance + epsilon)
//! ∂L/∂b = Σ g,   ∂L/∂w = Σ g · x̂,   x̂ = (x − μ) / σ,   g = ∂L/∂y (where y > 0, with relu)
//! ∂L/∂x = w / σ · (g − mean(g) − x̂ · mean(g · x̂))      statistics of the batch
//! ∂L/∂x = w / σ · g                                     running statistics
//! ```
//!
//! In training, μ and the *biased* variance are those of the batch; otherwise they are the running statistics. The
//! batch's mean and *unbiased* variance are returned, to update the running statistics.
//!
//! Source: Ioffe, Szegedy, "Batch Normalization", 2015, arXiv:1502.03167; PyTorch's `batch_norm`. Where we
//! differ: nowhere (the layer applies what PyTorch calls momentum).

use serde_json::json;

use super::{Operation, Sample};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::batch_norm as kernel;
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{Tensor, from_vec, read, to_f64};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Statistics<'a> {
    /// In training: the statistics of this batch.
    Batch,
    /// In evaluation: running statistics from training, each `[channels]`.
    Running { mean: &'a Tensor, variance: &'a Tensor },
}

pub(crate) struct Normalized {
    pub output: Value,
    /// The mean and the unbiased variance of the batch, each `[channels]`. `None` with running statistics.
    pub batch: Option<(Tensor, Tensor)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchNorm {
    pub epsilon: f64,
    /// Whether relu is applied in the same pass.
    pub relu: bool,
}

impl Default for BatchNorm {
    fn default() -> Self {
        BatchNorm { epsilon: 1e-5, relu: false }
    }
}

pub(crate) fn batch_norm(
    tape: &mut Tape,
    x: &Value,
    w: &Value,
    b: &Value,
    statistics: Statistics<'_>,
    options: BatchNorm,
) -> Result<Normalized> {
    let shape = Shape::new(x, w, b, statistics).map_err(|error| error.at("batchNorm"))?;
    let mut batch = None;
    let norm = Norm { x: x.clone(), w: w.clone(), b: b.clone(), statistics, options, shape, batch: &mut batch };
    let output = tape.apply("batchNorm", &[x, w, b], norm)?;
    Ok(Normalized { output, batch })
}

struct Norm<'a> {
    x: Value,
    w: Value,
    b: Value,
    statistics: Statistics<'a>,
    options: BatchNorm,
    shape: Shape,
    /// Receives mean and unbiased variance of the batch, if they are used.
    batch: &'a mut Option<(Tensor, Tensor)>,
}

impl Compute for Norm<'_> {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let Norm { x, w, b, statistics, options: BatchNorm { epsilon, relu }, shape, batch } = self;
        let (rows, channels) = (shape.dims[0], shape.channels);
        let cut = kernel::Shape { rows, channels, plane: shape.count / rows };
        let narrow = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<f32>>();
        let (mean, variance) = match statistics {
            Statistics::Batch => kernel::moments(cut, &read::<f32>(x.tensor())?),
            Statistics::Running { mean, variance } => (to_f64(mean)?, to_f64(variance)?),
        };
        let of_batch = matches!(statistics, Statistics::Batch);
        if of_batch {
            let unbiased: Vec<f64> = variance.iter().map(|variance| variance * shape.unbiased()).collect();
            *batch = Some((from_vec(narrow(&mean), channels)?, from_vec(narrow(&unbiased), channels)?));
        }
        let inverse: Vec<f64> = variance.iter().map(|variance| 1.0 / (variance + epsilon).sqrt()).collect();
        let weight = to_f64(w.tensor())?;
        let scale: Vec<f32> = weight.iter().zip(&inverse).map(|(w, inverse)| (w * inverse) as f32).collect();
        let mean = narrow(&mean);
        let y = {
            let (x, bias) = (read::<f32>(x.tensor())?, read::<f32>(b.tensor())?);
            kernel::apply(cut, &x, kernel::Channels { mean: &mean, scale: &scale, bias: &bias, relu })
        };
        Ok((from_vec(y, x.dims())?, move |up: Tensor, gradients: &mut Gradients| {
            let up = up.contiguous().ok_or_internal()?;
            let (sum, dot, dx) = {
                let (g, numbers, bias) = (read::<f32>(&up)?, read::<f32>(x.tensor())?, read::<f32>(b.tensor())?);
                let by = kernel::Channels { mean: &mean, scale: &scale, bias: &bias, relu };
                let (sum, dot) = kernel::slopes(cut, &g, &numbers, by);
                let dx = gradients.wants(&x).then(|| {
                    // Running statistics do not depend on x.
                    let share = if of_batch { 1.0 / shape.count as f64 } else { 0.0 };
                    let shift: Vec<f32> = sum.iter().map(|sum| (sum * share) as f32).collect();
                    let each = dot.iter().zip(&inverse);
                    let tilt: Vec<f32> = each.map(|(dot, inv)| (dot * inv * inv * share) as f32).collect();
                    kernel::input_gradient(cut, &g, &numbers, by, &shift, &tilt)
                });
                (sum, dot, dx)
            };
            if let Some(dx) = dx {
                gradients.add(&x, from_vec(dx, x.dims())?)?;
            }
            let dw: Vec<f32> = dot.iter().zip(&inverse).map(|(dot, inverse)| (dot * inverse) as f32).collect();
            gradients.add(&w, from_vec(dw, channels)?)?;
            gradients.add(&b, from_vec(narrow(&sum), channels)?)
        }))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let Norm { x, w, b, statistics, options: BatchNorm { epsilon, relu }, shape, batch } = self;
        let of_batch = matches!(statistics, Statistics::Batch);
        let (mean, variance) = match statistics {
            Statistics::Batch => shape.moments(x.tensor())?,
            Statistics::Running { mean, variance } => (mean.clone(), variance.clone()),
        };
        if of_batch {
            *batch = Some((mean.clone(), variance.affine(shape.unbiased(), 0.0).ok_or_internal()?));
        }
        let sigma = variance.affine(1.0, epsilon).and_then(|variance| variance.sqrt());
        let inverse = sigma.and_then(|sigma| sigma.recip()).ok_or_internal()?;
        let hat = shape.hat(x.tensor(), &mean, &inverse)?;
        let y = shape.affine(&hat, w.tensor(), b.tensor())?;
        let y = if relu { y.relu().ok_or_internal()? } else { y };
        let y = y.reshape(shape.dims.as_slice()).ok_or_internal()?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let hat = shape.hat(x.tensor(), &mean, &inverse)?;
            let mut up = shape.planes(&up)?;
            if relu {
                let y = shape.affine(&hat, w.tensor(), b.tensor())?;
                let none = up.zeros_like().ok_or_internal()?;
                up = y.gt(0.0).and_then(|open| open.where_cond(&up, &none)).ok_or_internal()?;
            }
            let db = shape.sum(&up)?;
            let dw = shape.sum(&up.mul(&hat).ok_or_internal()?)?;
            let slope = w.tensor().mul(&inverse).ok_or_internal()?;
            if of_batch {
                let share = -1.0 / shape.count as f64;
                let shift = shape.across(&db.affine(share, 0.0).ok_or_internal()?)?;
                let tilt = shape.across(&dw.affine(share, 0.0).ok_or_internal()?)?;
                let along = hat.broadcast_mul(&tilt).ok_or_internal()?;
                up = up.broadcast_add(&shift).and_then(|dx| dx.add(&along)).ok_or_internal()?;
            }
            let dx = up.broadcast_mul(&shape.across(&slope)?).and_then(|dx| dx.reshape(shape.dims.as_slice()));
            gradients.add(&x, dx.ok_or_internal()?)?;
            gradients.add(&w, dw)?;
            gradients.add(&b, db)
        }))
    }
}

#[derive(Clone, Debug)]
struct Shape {
    dims: Vec<usize>,
    channels: usize,
    /// Numbers per channel.
    count: usize,
}

impl Shape {
    fn new(x: &Value, w: &Value, b: &Value, statistics: Statistics<'_>) -> Result<Shape> {
        let dims = x.dims().to_vec();
        let &[rows, channels, ref rest @ ..] = dims.as_slice() else {
            return Err(Error::shape("input", format!("expected [rows, channels, …], got {dims:?}")));
        };
        let vectors = [("weight", w.dims()), ("bias", b.dims())].into_iter().chain(match statistics {
            Statistics::Batch => vec![],
            Statistics::Running { mean, variance } => vec![("mean", mean.dims()), ("variance", variance.dims())],
        });
        for (name, got) in vectors {
            if got != [channels] {
                return Err(Error::shape(name, format!("expected [{channels}], got {got:?}")));
            }
        }
        let count = rows * rest.iter().product::<usize>();
        if count * channels == 0 {
            return Err(Error::shape("input", format!("expected sizes above 0, got {dims:?}")));
        }
        if count < 2 && matches!(statistics, Statistics::Batch) {
            return Err(Error::shape(
                "input",
                format!(
                    "expected at least two numbers per channel in training, got {dims:?}: use batches of two rows or more"
                ),
            ));
        }
        Ok(Shape { channels, count, dims })
    }

    /// The factor from the biased to the unbiased variance.
    fn unbiased(&self) -> f64 {
        self.count as f64 / (self.count - 1) as f64
    }

    /// `[rows, channels, numbers per row]`.
    fn planes(&self, x: &Tensor) -> Result<Tensor> {
        let rows = self.dims[0];
        x.contiguous().and_then(|x| x.reshape((rows, self.channels, self.count / rows.max(1)))).ok_or_internal()
    }

    fn across(&self, vector: &Tensor) -> Result<Tensor> {
        vector.reshape((1, self.channels, 1)).ok_or_internal()
    }

    fn sum(&self, planes: &Tensor) -> Result<Tensor> {
        planes.sum((0, 2)).ok_or_internal()
    }

    /// Mean and biased variance.
    fn moments(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let x = self.planes(x)?;
        let share = 1.0 / self.count as f64;
        let mean = self.sum(&x)?.affine(share, 0.0).ok_or_internal()?;
        let away = x.broadcast_sub(&self.across(&mean)?).and_then(|away| away.sqr()).ok_or_internal()?;
        let variance = self.sum(&away)?.affine(share, 0.0).ok_or_internal()?;
        Ok((mean, variance))
    }

    fn hat(&self, x: &Tensor, mean: &Tensor, inverse: &Tensor) -> Result<Tensor> {
        let away = self.planes(x)?.broadcast_sub(&self.across(mean)?).ok_or_internal()?;
        away.broadcast_mul(&self.across(inverse)?).ok_or_internal()
    }

    fn affine(&self, hat: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
        let scaled = hat.broadcast_mul(&self.across(w)?).ok_or_internal()?;
        scaled.broadcast_add(&self.across(b)?).ok_or_internal()
    }
}

pub(crate) const OPERATION: Operation = Operation {
    name: "batchNorm",
    case: |tape, inputs, options| {
        let [x, w, b] = [inputs.get("x")?, inputs.get("weight")?, inputs.get("bias")?];
        let relu = super::option(options, "relu")?.unwrap_or(false);
        let norm = BatchNorm { epsilon: super::option(options, "epsilon")?.unwrap_or(1e-5), relu };
        let running = super::option::<[f64; 2]>(options, "running")?
            .map(|pair| {
                let [mean, variance] =
                    pair.map(|value| w.tensor().zeros_like().and_then(|zero| zero.affine(1.0, value)));
                Ok((mean.ok_or_internal()?, variance.ok_or_internal()?))
            })
            .transpose()?;
        let statistics =
            running.as_ref().map_or(Statistics::Batch, |(mean, variance)| Statistics::Running { mean, variance });
        Ok(batch_norm(tape, x, w, b, statistics, norm)?.output)
    },
    samples: || {
        let shapes: [&[usize]; 6] =
            [&[3, 2, 4, 5], &[70, 19], &[5, 1], &[2, 3, 7, 131], &[1, 3, 2, 2], &[9, 5, 14, 14]];
        let options = [json!({}), json!({ "relu": true }), json!({ "running": [0.5, 2.0], "relu": true })];
        let each = shapes.iter().flat_map(|shape| options.iter().map(move |options| (shape, options)));
        each.map(|(shape, options)| {
            let terms = 16 * shape.iter().product::<usize>() / shape[1];
            let channels = &shape[1..2];
            Sample::of(&[("x", shape), ("weight", channels), ("bias", channels)]).options(options.clone()).terms(terms)
        })
        .collect()
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::near::compare;
    use crate::tape::Engine;
    use crate::tensor::DType;

    #[test]
    fn returns_mean_and_unbiased_variance_of_the_batch() {
        for engine in [Engine::Reference, Engine::Kernels] {
            let mut tape = Tape::new(engine);
            let x = from_vec(vec![1f32, 10.0, 2.0, 20.0, 6.0, 60.0], (3, 2)).unwrap();
            let one = Tensor::ones(2, DType::F32, &candle_core::Device::Cpu).unwrap();
            let [x, one] = [x, one].map(Value::constant);
            let normalized = batch_norm(&mut tape, &x, &one, &one, Statistics::Batch, BatchNorm::default()).unwrap();
            let (mean, variance) = normalized.batch.unwrap();
            compare("mean", &to_f64(&mean).unwrap(), &[3.0, 30.0], 1e-5).unwrap();
            compare("variance", &to_f64(&variance).unwrap(), &[7.0, 700.0], 1e-4).unwrap();
        }
    }

    #[test]
    fn a_large_mean_costs_no_accuracy() {
        let x: Vec<f32> = (0..64 * 2 * 64).map(|i| 300.0 + ((i * 7919) % 1009) as f32 / 500.0).collect();
        let x = from_vec(x, (64, 2, 8, 8)).unwrap();
        let output = |engine, dtype| {
            let one = Value::constant(Tensor::ones(2, dtype, &candle_core::Device::Cpu).unwrap());
            let x = Value::constant(x.to_dtype(dtype).unwrap());
            let mut tape = Tape::new(engine);
            let normalized = batch_norm(&mut tape, &x, &one, &one, Statistics::Batch, BatchNorm::default()).unwrap();
            to_f64(normalized.output.tensor()).unwrap()
        };
        let exact = output(Engine::Reference, DType::F64);
        // Half a unit in the last place of 300, in deviations of 0.6.
        compare("output", &output(Engine::Kernels, DType::F32), &exact, 5e-5).unwrap();
    }

    #[test]
    fn reports_inputs_that_do_not_fit() {
        let mut tape = Tape::default();
        let [x, w, b] = [&[1, 3][..], &[3], &[3]].map(crate::ops::zeros);
        let message =
            |tape: &mut Tape, x, w, b| match batch_norm(tape, x, w, b, Statistics::Batch, BatchNorm::default()) {
                Ok(_) => String::new(),
                Err(error) => error.to_string(),
            };
        assert_eq!(
            message(&mut tape, &x, &w, &b),
            "batchNorm.input: expected at least two numbers per channel in training, got [1, 3]: use batches of two rows or more"
        );
        let short = crate::ops::zeros(&[2]);
        assert_eq!(message(&mut tape, &x, &short, &b), "batchNorm.weight: expected [3], got [2]");
    }
}
