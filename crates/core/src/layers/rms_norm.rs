//! Root-mean-square normalization over the last axis, with scale.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::init::LayerInit;
use super::layer::Layer;
use super::pass::{Pass, Signal};
use super::shape::{Shape, above_zero};
use super::spec::{Init, Spec};
use crate::error::Result;
use crate::ops;

/// Root-mean-square normalization over the last axis, with scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RmsNorm {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Number added to the mean square before the square root; must be > 0. Default 1e-6.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// Start values of the layer's tensors. Default: weights of 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<LayerInit>,
}

fn epsilon() -> f64 {
    1e-6
}

impl Layer for RmsNorm {
    fn init(&self) -> Option<&LayerInit> {
        self.init.as_ref()
    }

    fn output(&self, input: &Shape) -> Result<Shape> {
        above_zero("epsilon", self.epsilon)?;
        input.width().map(|_| input.clone())
    }

    fn parameters(&self, input: &Shape) -> Result<Vec<Spec>> {
        let width = input.width()?;
        Ok(vec![Spec::plain("weight", vec![width], Init::Constant(1.0))])
    }

    fn multiply_adds(&self, input: &Shape) -> Result<u64> {
        Ok(input.elements() as u64)
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let weight = pass.parameter("weight")?;
        input.each(|x| ops::rms_norm::rms_norm(pass.tape, x, &weight, self.epsilon))
    }
}
