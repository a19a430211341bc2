//! Changes the shape of a sample.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::pass::{Pass, Signal};
use super::shape::{Shape, show};
use crate::error::{Error, Result};
use crate::ops;

/// Changes the shape of a sample; its numbers and their order stay the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reshape {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New shape of one sample, without the batch axis; it must have as many elements as the input.
    pub shape: Vec<usize>,
}

impl Layer for Reshape {
    fn output(&self, input: &Shape) -> Result<Shape> {
        let sizes = input.dense()?;
        let wanted = self.shape.iter().try_fold(1usize, |count, side| count.checked_mul(*side));
        if wanted != Some(input.elements()) {
            return Err(Error::shape(
                "shape",
                format!("expected as many elements as {}, got {}", show(sizes), show(&self.shape)),
            ));
        }
        Ok(Shape::Dense(self.shape.clone()))
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let x = input.dense()?;
        let sizes: Vec<usize> = std::iter::once(x.dims()[0]).chain(self.shape.iter().copied()).collect();
        ops::reshape::reshape(pass.tape, &x, &sizes).map(Signal::Dense)
    }
}
