//! Layer normalization over the last axis, with scale and shift.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::init::LayerInit;
use super::layer::Layer;
use super::pass::{Pass, Signal};
use super::shape::{Shape, above_zero};
use super::spec::{Init, Spec};
use crate::error::Result;
use crate::ops;

/// Layer normalization over the last axis, with scale and shift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LayerNorm {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Number added to the variance before the square root; must be > 0. Default 1e-5.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// Start values of the layer's tensors. Default: weights of 1 and biases of 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<LayerInit>,
}

fn epsilon() -> f64 {
    1e-5
}

impl Layer for LayerNorm {
    fn init(&self) -> Option<&LayerInit> {
        self.init.as_ref()
    }

    fn output(&self, input: &Shape) -> Result<Shape> {
        above_zero("epsilon", self.epsilon)?;
        input.width().map(|_| input.clone())
    }

    fn parameters(&self, input: &Shape) -> Result<Vec<Spec>> {
        let width = input.width()?;
        Ok(vec![
            Spec::plain("weight", vec![width], Init::Constant(1.0)),
            Spec::plain("bias", vec![width], Init::Constant(0.0)),
        ])
    }

    fn multiply_adds(&self, input: &Shape) -> Result<u64> {
        Ok(input.elements() as u64)
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let (weight, bias) = (pass.parameter("weight")?, pass.parameter("bias")?);
        input.each(|x| ops::layer_norm::layer_norm(pass.tape, x, &weight, &bias, self.epsilon))
    }
}
