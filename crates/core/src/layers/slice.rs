//! A part of one axis of a sample.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::pass::{Pass, Signal};
use super::shape::{Shape, show};
use crate::error::{Error, Result};
use crate::ops;

/// Keeps a part of one axis of a sample: the elements `start` to `end − 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Slice {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The axis, counted from 0 without the batch axis.
    pub axis: usize,
    /// Index of the first element, counted from 0.
    pub start: usize,
    /// Index after the last element; must be > `start`.
    pub end: usize,
}

impl Layer for Slice {
    fn output(&self, input: &Shape) -> Result<Shape> {
        let mut sizes = input.dense()?.to_vec();
        if self.axis >= sizes.len() || self.start >= self.end || self.end > sizes[self.axis] {
            return Err(Error::shape(
                "",
                format!(
                    "expected a part of an axis of {}, got axis {} from {} to {}",
                    show(&sizes),
                    self.axis,
                    self.start,
                    self.end
                ),
            ));
        }
        sizes[self.axis] = self.end - self.start;
        Ok(Shape::Dense(sizes))
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let x = input.dense()?;
        ops::slice::slice(pass.tape, &x, self.axis + 1, self.start, self.end - self.start).map(Signal::Dense)
    }
}
