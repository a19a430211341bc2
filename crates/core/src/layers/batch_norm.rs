//! Batch normalization over the channels of `[features]`, `[channels, length]` or `[channels, height, width]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::init::LayerInit;
use super::layer::Layer;
use super::pass::{Mode, Pass, Signal};
use super::shape::{Shape, above_zero, show};
use super::spec::{Init, Spec};
use crate::error::{Candle, Error, Result};
use crate::ops;
use crate::ops::activation::Activation;
use crate::ops::batch_norm::Statistics;
use crate::tensor::Tensor;

/// Batch normalization over the first axis (features or channels), with scale and shift. Training uses the statistics
/// of the batch and averages them into `running_mean` and `running_var`; evaluation uses these running statistics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchNorm {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Number added to the variance before the square root; must be > 0. Default 1e-5.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// Share of the batch statistics in each update of the running statistics, from 0 to 1. Default 0.1.
    #[serde(default = "momentum")]
    pub momentum: f64,
    /// Activation applied to the result; 'relu' adds no cost. Default 'none'.
    #[serde(default)]
    pub activation: Activation,
    /// Start values of the layer's tensors. Default: weights of 1 and biases of 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<LayerInit>,
}

fn epsilon() -> f64 {
    1e-5
}
fn momentum() -> f64 {
    0.1
}

impl BatchNorm {
    fn channels(&self, input: &Shape) -> Result<usize> {
        match input.dense()? {
            [channels] | [channels, _] | [channels, _, _] => Ok(*channels),
            sizes => Err(Error::shape(
                "",
                format!("expected [features], [channels, length] or [channels, height, width], got {}", show(sizes)),
            )),
        }
    }
}

impl Layer for BatchNorm {
    fn init(&self) -> Option<&LayerInit> {
        self.init.as_ref()
    }

    fn output(&self, input: &Shape) -> Result<Shape> {
        above_zero("epsilon", self.epsilon)?;
        if !(0.0..=1.0).contains(&self.momentum) {
            return Err(Error::config("momentum", format!("expected a number in 0…1, got {}", self.momentum)));
        }
        self.channels(input).map(|_| input.clone())
    }

    fn parameters(&self, input: &Shape) -> Result<Vec<Spec>> {
        let channels = self.channels(input)?;
        Ok(vec![
            Spec::plain("weight", vec![channels], Init::Constant(1.0)),
            Spec::plain("bias", vec![channels], Init::Constant(0.0)),
            Spec::buffer("running_mean", vec![channels], Init::Constant(0.0)),
            Spec::buffer("running_var", vec![channels], Init::Constant(1.0)),
        ])
    }

    fn multiply_adds(&self, input: &Shape) -> Result<u64> {
        Ok(input.elements() as u64)
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let x = input.dense()?;
        let (weight, bias) = (pass.parameter("weight")?, pass.parameter("bias")?);
        let (mean, variance) = (pass.parameter("running_mean")?, pass.parameter("running_var")?);
        let statistics = match pass.mode {
            Mode::Train if !pass.is_frozen("running_mean") => Statistics::Batch,
            _ => Statistics::Running { mean: mean.tensor(), variance: variance.tensor() },
        };
        let relu = self.activation == Activation::Relu;
        let options = ops::batch_norm::BatchNorm { epsilon: self.epsilon, relu };
        let normalized = ops::batch_norm::batch_norm(pass.tape, &x, &weight, &bias, statistics, options)?;
        if let Some((batch_mean, batch_variance)) = normalized.batch {
            let follow = |old: &Tensor, new: &Tensor| {
                let kept = (old * (1.0 - self.momentum)).ok_or_internal()?;
                kept.add(&(new * self.momentum).ok_or_internal()?).ok_or_internal()
            };
            pass.update_buffer("running_mean", follow(mean.tensor(), &batch_mean)?);
            pass.update_buffer("running_var", follow(variance.tensor(), &batch_variance)?);
        }
        if relu {
            return Ok(Signal::Dense(normalized.output));
        }
        ops::activation::activation(pass.tape, &normalized.output, self.activation).map(Signal::Dense)
    }
}
