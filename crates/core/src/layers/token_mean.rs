//! The mean over the tokens of a sample.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::pass::{Pass, Signal};
use super::shape::Shape;
use crate::error::Result;
use crate::ops;

/// The mean over the first axis: `[length, width]` becomes `[width]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenMean {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Layer for TokenMean {
    fn output(&self, input: &Shape) -> Result<Shape> {
        let [_, width] = input.exactly::<2>("[length, width]")?;
        Ok(Shape::Dense(vec![width]))
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        ops::mean::mean(pass.tape, &input.dense()?, 1).map(Signal::Dense)
    }
}
