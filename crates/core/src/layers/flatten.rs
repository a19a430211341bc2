//! Flattens all axes of a sample into one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::pass::{Pass, Signal};
use super::shape::Shape;
use crate::error::Result;
use crate::ops;

/// Flattens all axes of a sample into one, in row-major order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Flatten {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Layer for Flatten {
    fn output(&self, input: &Shape) -> Result<Shape> {
        Ok(Shape::Dense(vec![input.dense()?.iter().product()]))
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let x = input.dense()?;
        let (rows, rest) = (x.dims()[0], x.dims()[1..].iter().product());
        ops::reshape::reshape(pass.tape, &x, &[rows, rest]).map(Signal::Dense)
    }
}
