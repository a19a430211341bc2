//! Transforms the raw inputs before a model's first layer. It is stored in the model, so that `predict` also applies it.
//!
//! ```text
//! out[c, …] = (in[c, …] − mean[c]) / std[c]        c: channel, or feature of a flat row
//! ```
//!
//! A batch contains raw inputs; teacher and student each apply their own preprocessing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Dataset, Inputs, gather::by_rows};
use crate::batch::Features;
use crate::error::{Candle, Error, Result};
use crate::pool;
use crate::signature::Bytes;
use crate::tensor::{self, Tensor};

/// Rows per task when summing; fixed, so that the sums do not depend on the number of threads.
const BLOCK: usize = 512;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Preprocessing {
    /// Mean and standard deviation for normalizing the inputs. Default: inputs are not normalized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// Scaling of bytes in the model's training, which also applies to other bytes. Default: `byte / 255`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Bytes>,
}

/// Mean and standard deviation per channel (the first axis of a row), or one of each for all channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Normalization {
    /// The mean, which is subtracted: one number per channel, or one for all channels.
    pub mean: Vec<f32>,
    /// The standard deviation, by which the difference is divided: above 0, and as many numbers as in `mean`.
    pub std: Vec<f32>,
}

impl Preprocessing {
    pub fn validate(&self) -> Result<()> {
        let checked = self.normalization.as_ref().map_or(Ok(()), Normalization::validate);
        checked.map_err(|error| error.at("normalization"))?;
        self.bytes.as_ref().map_or(Ok(()), Bytes::validate).map_err(|error| error.at("bytes"))
    }

    /// The inputs in the form that the model expects; ids are unchanged.
    pub fn apply(&self, features: &Features) -> Result<Features> {
        match (&self.normalization, features) {
            (Some(normalization), Features::Dense(inputs)) => Ok(Features::Dense(normalization.apply(inputs)?)),
            (Some(_), _) => Err(Error::config("normalization", "expected inputs that are numbers, got ids")),
            (None, _) => Ok(features.clone()),
        }
    }
}

impl Normalization {
    pub fn validate(&self) -> Result<()> {
        let Normalization { mean, std } = self;
        if mean.is_empty() || mean.len() != std.len() {
            let message =
                format!("expected as many numbers as mean has, {}, and at least 1, got {}", mean.len(), std.len());
            return Err(Error::config("std", message));
        }
        if let Some(at) = mean.iter().position(|value| !value.is_finite()) {
            return Err(Error::config(format!("mean[{at}]"), format!("expected a finite number, got {}", mean[at])));
        }
        match std.iter().position(|value| !(value.is_finite() && *value > 0.0)) {
            Some(at) => {
                Err(Error::config(format!("std[{at}]"), format!("expected a finite number above 0, got {}", std[at])))
            }
            None => Ok(()),
        }
    }

    /// Mean and population standard deviation of the data per channel. The standard deviation of a constant channel is
    /// set to 1, so that its normalized values are 0.
    pub fn from_dataset(dataset: &Dataset) -> Result<Normalization> {
        let shape = match &dataset.columns().inputs {
            Inputs::F32 { shape, .. } | Inputs::U8 { shape, .. } => shape,
            _ => return Err(Error::config("normalization", "expected inputs that are numbers, got ids")),
        };
        let channels = shape[0];
        let size = shape[1..].iter().product::<usize>();
        let rows = dataset.rows();
        // The second pass sums the squared distances from the mean, which avoids cancellation.
        let sums = |around: &[f64], power: i32| -> Vec<f64> {
            let mut blocks = vec![vec![0.0f64; channels]; rows.div_ceil(BLOCK)];
            pool::pieces(&mut blocks, 1, |index, block| {
                for position in index * BLOCK..((index + 1) * BLOCK).min(rows) {
                    let start = dataset.row(position) * channels * size;
                    for (channel, (sum, &around)) in block[0].iter_mut().zip(around).enumerate() {
                        let at = start + channel * size..start + (channel + 1) * size;
                        *sum += match &dataset.columns().inputs {
                            Inputs::F32 { values, .. } => sum_of(&values[at], |value| *value, around, power),
                            Inputs::U8 { values, scale, offset, .. } => {
                                let (scale, offset) = (*scale, *offset);
                                sum_of(&values[at], |byte| scale * f32::from(*byte) + offset, around, power)
                            }
                            Inputs::Ids { .. } | Inputs::Ragged { .. } => 0.0,
                        };
                    }
                }
            });
            let count = (rows * size) as f64;
            (0..channels).map(|channel| blocks.iter().map(|block| block[channel]).sum::<f64>() / count).collect()
        };
        let mean: Vec<f64> = sums(&vec![0.0; channels], 1);
        let variance: Vec<f64> = sums(&mean, 2);
        let std = variance.iter().map(|variance| match variance.sqrt() as f32 {
            std if std > 1e-12 => std,
            _ => 1.0,
        });
        Ok(Normalization { mean: mean.iter().map(|mean| *mean as f32).collect(), std: std.collect() })
    }

    fn apply(&self, inputs: &Tensor) -> Result<Tensor> {
        let dims = inputs.dims();
        let channels = dims.get(1).copied().unwrap_or(1);
        let count = self.mean.len();
        if count != 1 && count != channels {
            let message = format!("expected rows of {count} channels or features, got inputs {dims:?}");
            return Err(Error::shape("normalization", message));
        }
        let Some(source) = tensor::host_f32(inputs)? else { return self.reference(inputs) };
        let width = dims.get(1..).unwrap_or_default().iter().product::<usize>();
        let size = if count == 1 { width } else { width / channels };
        let mut buffer = tensor::uninit(source.len());
        by_rows(&mut buffer, width, |row, target| {
            let from = &source[row * width..][..width];
            let pairs = target.chunks_mut(size).zip(from.chunks(size));
            for ((target, from), (&mean, &std)) in pairs.zip(self.mean.iter().zip(&self.std)) {
                target.iter_mut().zip(from).for_each(|(number, value)| *number = (value - mean) / std);
            }
        });
        tensor::from_vec(buffer, dims)
    }

    fn reference(&self, inputs: &Tensor) -> Result<Tensor> {
        let mut shape = vec![1; inputs.rank()];
        shape[1.min(inputs.rank() - 1)] = self.mean.len();
        let shaped =
            |values: &[f32]| Tensor::new(values, inputs.device())?.to_dtype(inputs.dtype())?.reshape(shape.clone());
        let normalize = || inputs.broadcast_sub(&shaped(&self.mean)?)?.broadcast_div(&shaped(&self.std)?);
        normalize().ok_or_internal()
    }
}

/// Σ (x − around)^power for a power of 1 or 2, in eight independent sums.
fn sum_of<T>(values: &[T], number: impl Fn(&T) -> f32, around: f64, power: i32) -> f64 {
    let term = |value: &T| {
        let distance = f64::from(number(value)) - around;
        if power == 1 { distance } else { distance * distance }
    };
    let mut sums = [0.0; 8];
    let (whole, rest) = values.as_chunks::<8>();
    for eight in whole {
        for (sum, value) in sums.iter_mut().zip(eight) {
            *sum += term(value);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(term).sum::<f64>()
}
