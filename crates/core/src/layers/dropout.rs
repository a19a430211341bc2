//! Dropout: sets random elements to 0 in training and scales up the others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::pass::{Mode, Pass, Signal};
use super::shape::Shape;
use crate::error::{Error, Result};
use crate::ops;

/// In training, each element becomes 0 with probability `rate`, and the other elements are divided by 1 − rate. The
/// mask depends only on seed, epoch, layer name and sample id, so splitting a batch does not change it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dropout {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Probability that an element becomes 0; must be ≥ 0 and < 1.
    pub rate: f64,
}

impl Layer for Dropout {
    fn output(&self, input: &Shape) -> Result<Shape> {
        if !(0.0..1.0).contains(&self.rate) {
            return Err(Error::config(
                "rate",
                format!("expected a number of at least 0 and below 1, got {}", self.rate),
            ));
        }
        input.dense().map(|_| input.clone())
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let x = input.dense()?;
        if pass.mode == Mode::Evaluate || self.rate == 0.0 {
            return Ok(Signal::Dense(x));
        }
        let key = pass.key.with("dropout").with(pass.prefix.as_str());
        ops::dropout::dropout(pass.tape, &x, self.rate, key, pass.ids).map(Signal::Dense)
    }
}
