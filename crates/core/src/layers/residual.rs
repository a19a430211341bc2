//! A block whose input is added to its output.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Layer, LayerOptions, Pass, Shape, Signal, forward, show};
use crate::error::{Error, Result};
use crate::ops;
use crate::ops::activation::Activation;

/// A block: `activation(layers(x) + shortcut(x))`. Without a shortcut the input itself is added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Residual {
    /// Name of the layer. Default: its place in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The layers of the block.
    pub layers: Vec<LayerOptions>,
    /// Layers on the way around it, where shapes differ. Default: none, the input is added as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortcut: Vec<LayerOptions>,
    /// Applied to the sum.
    #[serde(default)]
    pub activation: Activation,
}

impl Layer for Residual {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn joined(&self, _input: &Shape, ends: &[Shape]) -> Result<Shape> {
        let [through, around] = ends else { return Err(Error::internal("a residual block without two ways")) };
        let (through, around) = (through.dense()?, around.dense()?);
        if through != around {
            return Err(Error::shape(
                "",
                format!(
                    "expected equal shapes to add, got {} through the layers and {} around them; give a shortcut",
                    show(through),
                    show(around)
                ),
            ));
        }
        Ok(Shape::Dense(through.to_vec()))
    }

    fn inner(&self) -> Vec<(String, &[LayerOptions])> {
        vec![(String::new(), &self.layers), ("shortcut".into(), &self.shortcut)]
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let name = pass.prefix.clone();
        let through = forward(&self.layers, pass, &name, input.clone())?.dense()?;
        let around = forward(&self.shortcut, pass, &format!("{name}.shortcut"), input)?.dense()?;
        let sum = ops::add::add(pass.tape, &through, &around)?;
        ops::activation::activation(pass.tape, &sum, self.activation).map(Signal::Dense)
    }
}
