//! An activation function as a separate layer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::pass::{Pass, Signal};
use super::shape::Shape;
use crate::error::Result;
use crate::ops;

/// Applies an activation function to every element. `linear` and other layers have it built in, as their option
/// `activation`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Activation {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The activation function.
    pub function: ops::activation::Activation,
}

impl Layer for Activation {
    fn output(&self, input: &Shape) -> Result<Shape> {
        input.numbers().map(|()| input.clone())
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        input.each(|x| ops::activation::activation(pass.tape, x, self.function))
    }
}
