//! Batch normalization over the channels of `[features]` or `[channels, height, width]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Init, Layer, Mode, Pass, Shape, Signal, Spec};
use crate::error::{Candle, Error, Result};
use crate::ops;

/// Batch normalization over the first axis (features or channels), with scale and shift. Training uses the statistics
/// of the batch and follows them in `running_mean` and `running_var`; evaluation uses those.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchNorm {
    /// Name of the layer. Default: its place in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Added to the variance under the root; above 0.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// Share of the new statistics in the running ones; 0…1.
    #[serde(default = "momentum")]
    pub momentum: f64,
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
                format!("expected [features] or [channels, height, width], got {}", super::show(sizes)),
            )),
        }
    }
}

impl Layer for BatchNorm {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn output(&self, input: &Shape) -> Result<Shape> {
        if !(self.epsilon > 0.0) {
            return Err(Error::config("epsilon", format!("expected a number above 0, got {}", self.epsilon)));
        }
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
        let (mean, var) = (pass.parameter("running_mean")?, pass.parameter("running_var")?);
        if pass.mode == Mode::Evaluate {
            let y = ops::batch_norm::batch_norm_evaluate(
                pass.tape,
                &x,
                &weight,
                &bias,
                mean.tensor(),
                var.tensor(),
                self.epsilon,
            )?;
            return Ok(Signal::Dense(y));
        }
        let (y, statistics) = ops::batch_norm::batch_norm_train(pass.tape, &x, &weight, &bias, self.epsilon)?;
        let follow = |old: &crate::tensor::Tensor, new: &crate::tensor::Tensor| {
            let kept = (old * (1.0 - self.momentum)).ok_or_internal()?;
            kept.add(&(new * self.momentum).ok_or_internal()?).ok_or_internal()
        };
        pass.update_buffer("running_mean", follow(mean.tensor(), &statistics.mean)?);
        pass.update_buffer("running_var", follow(var.tensor(), &statistics.unbiased_var)?);
        Ok(Signal::Dense(y))
    }
}
