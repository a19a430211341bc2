//! The activation functions, by name, for kernels and operations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The activation function of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Activation {
    /// No activation.
    #[default]
    None,
    /// max(x, 0).
    Relu,
    /// x · ½ (1 + erf(x / √2)).
    Gelu,
    /// GELU with tanh in place of erf, as in GPT-2.
    GeluTanh,
    /// x · sigmoid(x), also called swish.
    Silu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + exp(−x)).
    Sigmoid,
}

/// What the backward pass of an activation needs: nothing, its output, or its slope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saves {
    Nothing,
    Output,
    Slope,
}

impl Activation {
    pub(crate) fn saves(self) -> Saves {
        match self {
            Activation::None => Saves::Nothing,
            Activation::Relu | Activation::Tanh | Activation::Sigmoid => Saves::Output,
            Activation::Gelu | Activation::GeluTanh | Activation::Silu => Saves::Slope,
        }
    }
}
