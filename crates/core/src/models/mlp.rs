//! Multilayer perceptron: linear layers with an activation between them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Architecture, Input};
use crate::error::{Error, Result};
use crate::layers::{Dropout, LayerOptions, Linear};
use crate::ops::activation::Activation;

/// Multilayer perceptron. Its layers are `layers.0`, `layers.1`, … and `head`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mlp {
    /// Number of inputs, hidden widths, number of outputs: `[784, 32, 10]`. At least two sizes, each above 0.
    pub sizes: Vec<usize>,
    /// Activation after each hidden layer. Default: `relu`.
    #[serde(default = "relu")]
    pub activation: Activation,
    /// Dropout rate after each hidden layer; 0 ≤ rate < 1. Default: 0.
    #[serde(default)]
    pub dropout: f64,
}

fn relu() -> Activation {
    Activation::Relu
}

impl Mlp {
    pub(crate) fn expand(self) -> Result<Architecture> {
        let [inputs, hidden @ .., outputs] = self.sizes.as_slice() else {
            return Err(Error::config(
                "sizes",
                format!("expected at least the number of inputs and of outputs, got {} sizes", self.sizes.len()),
            ));
        };
        if self.sizes.contains(&0) {
            return Err(Error::config("sizes", "expected integers above 0, got 0"));
        }
        let linear = |name: String, outputs, activation| {
            LayerOptions::Linear(Linear { name: Some(name), outputs, bias: true, activation, init: None })
        };
        let mut layers = Vec::new();
        for (index, width) in hidden.iter().enumerate() {
            layers.push(linear(format!("layers.{index}"), *width, self.activation));
            if self.dropout != 0.0 {
                layers.push(LayerOptions::Dropout(Dropout {
                    name: Some(format!("dropout.{index}")),
                    rate: self.dropout,
                }));
            }
        }
        layers.push(linear("head".into(), *outputs, Activation::None));
        Ok(Architecture { input: Input::Numbers(vec![*inputs]), layers })
    }
}
