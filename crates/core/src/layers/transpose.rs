//! Swaps two axes of a sample.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::pass::{Pass, Signal};
use super::shape::{Shape, show};
use crate::error::{Error, Result};
use crate::ops;

/// Swaps two axes of a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Transpose {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The two axes, counted from 0 without the batch axis.
    pub axes: [usize; 2],
}

impl Layer for Transpose {
    fn output(&self, input: &Shape) -> Result<Shape> {
        let mut sizes = input.dense()?.to_vec();
        let [a, b] = self.axes;
        if a == b || a.max(b) >= sizes.len() {
            return Err(Error::shape(
                "axes",
                format!("expected two different axes of {}, got {}", show(&sizes), show(&self.axes)),
            ));
        }
        sizes.swap(a, b);
        Ok(Shape::Dense(sizes))
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let [a, b] = self.axes;
        ops::transpose::transpose(pass.tape, &input.dense()?, a + 1, b + 1).map(Signal::Dense)
    }
}
