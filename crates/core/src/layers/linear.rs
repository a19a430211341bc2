//! Fully connected layer: `y = activation(x · weightᵀ + bias)` over the last axis.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::init::LayerInit;
use super::layer::Layer;
use super::pass::{Pass, Signal};
use super::shape::{Shape, product};
use super::spec::Spec;
use crate::error::{Error, Result};
use crate::ops;
use crate::ops::activation::Activation;

/// Fully connected layer over the last axis of `[features]`, `[length, features]` or tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Linear {
    /// Name of the layer; its tensors are `<name>.weight` and `<name>.bias`. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Number of outputs; must be ≥ 1.
    pub outputs: usize,
    /// Whether a bias is added. Default true.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Activation applied to the result. Default 'none'.
    #[serde(default)]
    pub activation: Activation,
    /// Start values of the layer's tensors. Default: uniform in ±1/√fan_in, for weight and bias alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<LayerInit>,
}

fn yes() -> bool {
    true
}

impl Layer for Linear {
    fn init(&self) -> Option<&LayerInit> {
        self.init.as_ref()
    }

    fn output(&self, input: &Shape) -> Result<Shape> {
        input.width()?;
        if self.outputs == 0 {
            return Err(Error::config("outputs", "expected an integer above 0, got 0"));
        }
        input.with_width(self.outputs)
    }

    fn parameters(&self, input: &Shape) -> Result<Vec<Spec>> {
        let inputs = input.width()?;
        Ok(Spec::uniform(vec![self.outputs, inputs], self.bias))
    }

    fn multiply_adds(&self, input: &Shape) -> Result<u64> {
        Ok(product(&[input.elements(), self.outputs]))
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let weight = pass.parameter("weight")?;
        let bias = if self.bias { Some(pass.parameter("bias")?) } else { None };
        input.each(|x| ops::linear::linear(pass.tape, x, &weight, bias.as_ref(), self.activation))
    }
}
