//! Batch normalisation of `[rows, channels]` or `[images, channels, …]`: each channel has mean 0 and variance 1
//! over the batch, then a learned scale and shift; on request relu in the same pass.
//!
//! ```text
//! y = w · (x − μ) / σ + b,   σ = √(variance + epsilon)
//! ∂L/∂b = Σ g,   ∂L/∂w = Σ g · x̂,   x̂ = (x − μ) / σ,   g = ∂L/∂y (where y > 0, with relu)
//! ∂L/∂x = w / σ · (g − mean(g) − x̂ · mean(g · x̂))      statistics of the batch
//! ∂L/∂x = w / σ · g                                     running statistics
//! ```
//!
//! μ and the *biased* variance come from the batch while training, and from running statistics otherwise. The
//! batch's mean and *unbiased* variance are given back for the running statistics.
//!
//! Source: Ioffe, Szegedy, "Batch Normalization", 2015, arXiv:1502.03167; PyTorch's `batch_norm`. Where we
//! differ: nowhere (in PyTorch's words, momentum is applied by the layer).

use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::batch_norm as kernel;
use crate::tape::{Tape, Value};
use crate::tensor::{Tensor, from_vec, read, to_f64};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Statistics<'a> {
    /// Training: of this batch.
    Batch,
    /// Evaluation: gathered before, each `[channels]`.
    Running { mean: &'a Tensor, variance: &'a Tensor },
}

pub(crate) struct Normalized {
    pub output: Value,
    /// Of the batch, each `[channels]`: the mean and the unbiased variance. `None` with running statistics.
    pub batch: Option<(Tensor, Tensor)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchNorm {
    pub epsilon: f64,
    /// Whether `max(0, y)` is taken in the same pass.
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
    if [x, w, b].iter().all(|input| tape.takes(input.tensor())) {
        return by_kernels(tape, x, w, b, statistics, options, shape);
    }
    let of_batch = matches!(statistics, Statistics::Batch);
    let (mean, variance) = match statistics {
        Statistics::Batch => shape.moments(x.tensor())?,
        Statistics::Running { mean, variance } => (mean.clone(), variance.clone()),
    };
    let batch =
        if of_batch { Some((mean.clone(), variance.affine(shape.unbiased(), 0.0).ok_or_internal()?)) } else { None };
    let inverse = variance
        .affine(1.0, options.epsilon)
        .and_then(|v| v.sqrt())
        .and_then(|sigma| sigma.recip())
        .ok_or_internal()?;
    let y = shape.normalized(x.tensor(), w.tensor(), b.tensor(), &mean, &inverse, options.relu)?;
    let (vx, vw, vb) = (x.clone(), w.clone(), b.clone());
    let output = tape.record("batchNorm", &[x, w, b], y, move |up, gradients| {
        let up = up.contiguous().ok_or_internal()?;
        let (dx, dw, db) = shape.gradients(&up, &vx, &vw, &vb, &mean, &inverse, of_batch, options.relu)?;
        gradients.add(&vx, dx)?;
        gradients.add(&vw, dw)?;
        gradients.add(&vb, db)
    })?;
    Ok(Normalized { output, batch })
}

fn by_kernels(
    tape: &mut Tape,
    x: &Value,
    w: &Value,
    b: &Value,
    statistics: Statistics<'_>,
    options: BatchNorm,
    shape: Shape,
) -> Result<Normalized> {
    let (rows, channels) = (shape.dims[0], shape.channels);
    let cut = kernel::Shape { rows, channels, plane: shape.count / rows };
    let of_batch = matches!(statistics, Statistics::Batch);
    let (mean, variance) = match statistics {
        Statistics::Batch => kernel::moments(cut, &read::<f32>(x.tensor())?),
        Statistics::Running { mean, variance } => (to_f64(mean)?, to_f64(variance)?),
    };
    let narrow = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<f32>>();
    let batch = if of_batch {
        let unbiased: Vec<f64> = variance.iter().map(|variance| variance * shape.unbiased()).collect();
        Some((from_vec(narrow(&mean), channels)?, from_vec(narrow(&unbiased), channels)?))
    } else {
        None
    };
    let inverse: Vec<f64> = variance.iter().map(|variance| 1.0 / (variance + options.epsilon).sqrt()).collect();
    let weight = to_f64(w.tensor())?;
    let scale: Vec<f32> = weight.iter().zip(&inverse).map(|(w, inverse)| (w * inverse) as f32).collect();
    let mean = narrow(&mean);
    let relu = options.relu;
    let y = {
        let (x, bias) = (read::<f32>(x.tensor())?, read::<f32>(b.tensor())?);
        kernel::apply(cut, &x, kernel::Channels { mean: &mean, scale: &scale, bias: &bias, relu })
    };
    let (vx, vw, vb) = (x.clone(), w.clone(), b.clone());
    let output = tape.record("batchNorm", &[x, w, b], from_vec(y, x.dims())?, move |up, gradients| {
        let up = up.contiguous().ok_or_internal()?;
        let (sum, dot, dx) = {
            let (g, x, bias) = (read::<f32>(&up)?, read::<f32>(vx.tensor())?, read::<f32>(vb.tensor())?);
            let by = kernel::Channels { mean: &mean, scale: &scale, bias: &bias, relu };
            let (sum, dot) = kernel::slopes(cut, &g, &x, by);
            let dx = if gradients.wants(&vx) {
                // Running statistics do not follow x.
                let share = if of_batch { 1.0 / shape.count as f64 } else { 0.0 };
                let shift: Vec<f32> = sum.iter().map(|sum| (sum * share) as f32).collect();
                let tilt: Vec<f32> =
                    dot.iter().zip(&inverse).map(|(dot, inverse)| (dot * inverse * inverse * share) as f32).collect();
                Some(from_vec(kernel::input_gradient(cut, &g, &x, by, &shift, &tilt), vx.dims())?)
            } else {
                None
            };
            (sum, dot, dx)
        };
        if let Some(dx) = dx {
            gradients.add(&vx, dx)?;
        }
        let dw: Vec<f32> = dot.iter().zip(&inverse).map(|(dot, inverse)| (dot * inverse) as f32).collect();
        gradients.add(&vw, from_vec(dw, vw.dims())?)?;
        gradients.add(&vb, from_vec(narrow(&sum), vb.dims())?)
    })?;
    Ok(Normalized { output, batch })
}

#[derive(Clone, Debug)]
struct Shape {
    dims: Vec<usize>,
    channels: usize,
    /// Numbers a channel.
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
                format!("expected at least two numbers a channel while training, got {dims:?}"),
            ));
        }
        Ok(Shape { channels, count, dims })
    }

    /// What the biased variance is multiplied with to be the unbiased one.
    fn unbiased(&self) -> f64 {
        self.count as f64 / (self.count - 1) as f64
    }

    /// `[rows, channels, numbers of a row]`.
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

    fn normalized(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        mean: &Tensor,
        inverse: &Tensor,
        relu: bool,
    ) -> Result<Tensor> {
        let y = self.affine(&self.hat(x, mean, inverse)?, w, b)?;
        let y = if relu { y.relu().ok_or_internal()? } else { y };
        y.reshape(self.dims.as_slice()).ok_or_internal()
    }

    fn gradients(
        &self,
        up: &Tensor,
        x: &Value,
        w: &Value,
        b: &Value,
        mean: &Tensor,
        inverse: &Tensor,
        of_batch: bool,
        relu: bool,
    ) -> Result<(Tensor, Tensor, Tensor)> {
        let hat = self.hat(x.tensor(), mean, inverse)?;
        let mut up = self.planes(up)?;
        if relu {
            let y = self.affine(&hat, w.tensor(), b.tensor())?;
            let none = up.zeros_like().ok_or_internal()?;
            up = y.gt(0.0).and_then(|open| open.where_cond(&up, &none)).ok_or_internal()?;
        }
        let db = self.sum(&up)?;
        let dw = self.sum(&up.mul(&hat).ok_or_internal()?)?;
        let slope = w.tensor().mul(inverse).ok_or_internal()?;
        let mut dx = up;
        if of_batch {
            let share = -1.0 / self.count as f64;
            let shift = self.across(&db.affine(share, 0.0).ok_or_internal()?)?;
            let tilt = self.across(&dw.affine(share, 0.0).ok_or_internal()?)?;
            let along = hat.broadcast_mul(&tilt).ok_or_internal()?;
            dx = dx.broadcast_add(&shift).and_then(|dx| dx.add(&along)).ok_or_internal()?;
        }
        let dx =
            dx.broadcast_mul(&self.across(&slope)?).and_then(|dx| dx.reshape(self.dims.as_slice())).ok_or_internal()?;
        Ok((dx, dw, db))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, assert_golden, assert_kernel, assert_slopes, normal};
    use crate::tape::Engine;
    use crate::tensor::DType;

    fn train(tape: &mut Tape, v: &[Value], relu: bool) -> Result<Value> {
        let options = BatchNorm { relu, ..BatchNorm::default() };
        Ok(batch_norm(tape, &v[0], &v[1], &v[2], Statistics::Batch, options)?.output)
    }

    fn evaluate(tape: &mut Tape, v: &[Value], relu: bool) -> Result<Value> {
        let channels = v[1].dims()[0];
        let like = v[0].tensor();
        let mean = normal(5, &[channels]).to_dtype(like.dtype()).unwrap();
        let variance = normal(6, &[channels]).sqr().unwrap().affine(1.0, 0.5).unwrap().to_dtype(like.dtype()).unwrap();
        let statistics = Statistics::Running { mean: &mean, variance: &variance };
        Ok(batch_norm(tape, &v[0], &v[1], &v[2], statistics, BatchNorm { relu, ..BatchNorm::default() })?.output)
    }

    fn inputs(shape: &[usize]) -> [Tensor; 3] {
        let x = normal(1, shape).affine(2.0, 3.0).unwrap();
        [x, normal(2, &shape[1..2]), normal(3, &shape[1..2])]
    }

    #[test]
    fn equals_pytorch() {
        assert_golden("batchNorm", &["x", "weight", "bias"], |tape, v, _| train(tape, v, false));
    }

    #[test]
    fn kernels_equal_the_reference() {
        let shapes: [&[usize]; 6] =
            [&[3, 2, 4, 5], &[70, 19], &[5, 1], &[2, 3, 7, 131], &[1, 3, 2, 2], &[9, 5, 14, 14]];
        for shape in shapes {
            for relu in [false, true] {
                let terms = shape.iter().product::<usize>() / shape[1];
                assert_kernel(&format!("train {shape:?} {relu}"), 16 * terms, &inputs(shape), |tape, v| {
                    train(tape, v, relu)
                });
                assert_kernel(&format!("evaluate {shape:?} {relu}"), 4 * terms, &inputs(shape), |tape, v| {
                    evaluate(tape, v, relu)
                });
            }
        }
    }

    #[test]
    fn slopes_are_those_of_differences() {
        for relu in [false, true] {
            assert_slopes("train", &inputs(&[3, 2, 2, 3]), |tape, v| train(tape, v, relu));
            assert_slopes("evaluate", &inputs(&[3, 2, 2, 3]), |tape, v| evaluate(tape, v, relu));
        }
    }

    #[test]
    fn gives_mean_and_unbiased_variance_of_the_batch() {
        for engine in [Engine::Reference, Engine::Kernels] {
            let mut tape = Tape::new(engine);
            let x = crate::tensor::from_vec(vec![1f32, 10.0, 2.0, 20.0, 6.0, 60.0], (3, 2)).unwrap();
            let one = Tensor::ones(2, DType::F32, &candle_core::Device::Cpu).unwrap();
            let [x, one] = [x, one].map(Value::constant);
            let normalized = batch_norm(&mut tape, &x, &one, &one, Statistics::Batch, BatchNorm::default()).unwrap();
            let (mean, variance) = normalized.batch.unwrap();
            assert_close("mean", &to_f64(&mean).unwrap(), &[3.0, 30.0], 1e-6);
            assert_close("variance", &to_f64(&variance).unwrap(), &[7.0, 700.0], 1e-6);
        }
    }

    #[test]
    fn a_far_mean_costs_no_accuracy() {
        let x = normal(1, &[64, 2, 8, 8]).affine(1.0, 300.0).unwrap();
        let inputs = [x.to_dtype(DType::F32).unwrap().to_dtype(DType::F64).unwrap(), normal(2, &[2]), normal(3, &[2])];
        assert_kernel("far", 40_000, &inputs, |tape, v| train(tape, v, false));
    }

    #[test]
    fn says_what_does_not_fit() {
        let mut tape = Tape::default();
        let [x, w, b] = inputs(&[1, 3]).map(Value::constant);
        let message =
            |tape: &mut Tape, x, w, b| match batch_norm(tape, x, w, b, Statistics::Batch, BatchNorm::default()) {
                Ok(_) => String::new(),
                Err(error) => error.to_string(),
            };
        assert_eq!(
            message(&mut tape, &x, &w, &b),
            "batchNorm.input: expected at least two numbers a channel while training, got [1, 3]"
        );
        let short = Value::constant(normal(2, &[2]));
        assert_eq!(message(&mut tape, &x, &short, &b), "batchNorm.weight: expected [3], got [2]");
    }
}
