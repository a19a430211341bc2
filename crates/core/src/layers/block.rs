//! Blocks: layers that contain lists of layers. A residual block adds its input to its output; a parallel block joins
//! branches.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::pass::{Pass, Signal};
use super::shape::{Shape, show};
use super::{LayerOptions, forward};
use crate::error::{Error, Result};
use crate::ops;
use crate::ops::activation::Activation;
use crate::tape::Value;

/// A residual block: `activation(layers(x) + shortcut(x))`. Without a shortcut the input itself is added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Residual {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The layers of the block.
    pub layers: Vec<LayerOptions>,
    /// Layers applied to the input before it is added; needed if the shapes differ. Default: no layers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortcut: Vec<LayerOptions>,
    /// Activation applied to the sum. Default 'none'.
    #[serde(default)]
    pub activation: Activation,
}

impl Residual {
    pub(super) fn inner(&self) -> Vec<(String, &[LayerOptions])> {
        vec![(String::new(), &self.layers), ("shortcut".into(), &self.shortcut)]
    }
}

impl Layer for Residual {
    fn joined(&self, _input: &Shape, ends: &[Shape]) -> Result<Shape> {
        let [through, around] = ends else { return Err(Error::internal("a residual block without two ways")) };
        through.numbers().and_then(|()| around.numbers())?;
        if through != around {
            return Err(Error::shape(
                "",
                format!(
                    "expected the layers and the shortcut to have the same output shape, got {through} and {around}; set \
                     shortcut to layers whose output has the shape {through}"
                ),
            ));
        }
        Ok(through.clone())
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let name = pass.prefix.clone();
        let through = forward(&self.layers, pass, &name, input.clone())?;
        let around = forward(&self.shortcut, pass, &format!("{name}.shortcut"), input)?;
        let around = around.value().ok_or_else(|| Error::internal("a shortcut without numbers"))?;
        through.each(|through| {
            let sum = ops::add::add(pass.tape, through, around)?;
            ops::activation::activation(pass.tape, &sum, self.activation)
        })
    }
}

/// How the outputs of branches are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Join {
    /// They are concatenated along `axis`; their other sizes must be equal.
    #[default]
    Concat,
    /// They are added; their shapes must be equal.
    Sum,
}

/// Branches that all get the same input and whose outputs are joined. An empty branch returns its input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parallel {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The branches, each a list of layers; at least one.
    pub branches: Vec<Vec<LayerOptions>>,
    /// How the outputs of the branches are joined. Default 'concat'.
    #[serde(default)]
    pub join: Join,
    /// Axis of 'concat', counted from 0 without the batch axis. Default 0.
    #[serde(default)]
    pub axis: usize,
}

impl Layer for Parallel {
    fn joined(&self, _input: &Shape, ends: &[Shape]) -> Result<Shape> {
        let Some((first, others)) = ends.split_first() else {
            return Err(Error::config("branches", "expected at least one branch, got none"));
        };
        let first = first.dense()?.to_vec();
        if self.join == Join::Concat && self.axis >= first.len() {
            let message = format!(
                "expected an axis below {}, because the shape is {}, got {}",
                first.len(),
                show(&first),
                self.axis
            );
            return Err(Error::shape("axis", message));
        }
        others.iter().try_fold(first, |joined, end| self.join_sizes(joined, end.dense()?)).map(Shape::Dense)
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let name = pass.prefix.clone();
        let mut outputs = Vec::with_capacity(self.branches.len());
        for (index, branch) in self.branches.iter().enumerate() {
            outputs.push(forward(branch, pass, &format!("{name}.{index}"), input.clone())?.dense()?);
        }
        if self.join == Join::Concat {
            let parts: Vec<&Value> = outputs.iter().collect();
            return ops::concat::concat(pass.tape, &parts, self.axis + 1).map(Signal::Dense);
        }
        let mut outputs = outputs.into_iter();
        let first = outputs.next().ok_or_else(|| Error::internal("a parallel block without branches"))?;
        outputs.try_fold(first, |sum, output| ops::add::add(pass.tape, &sum, &output)).map(Signal::Dense)
    }
}

impl Parallel {
    pub(super) fn inner(&self) -> Vec<(String, &[LayerOptions])> {
        self.branches.iter().enumerate().map(|(index, branch)| (index.to_string(), branch.as_slice())).collect()
    }

    fn join_sizes(&self, mut before: Vec<usize>, sizes: &[usize]) -> Result<Vec<usize>> {
        let refused = Error::shape(
            "branches",
            format!(
                "expected shapes that can be joined ({:?}, axis {}), got {} and {}",
                self.join,
                self.axis,
                show(&before),
                show(sizes)
            ),
        );
        match self.join {
            Join::Sum if before == sizes => Ok(before),
            Join::Concat if before.len() == sizes.len() => {
                let others_equal = (0..sizes.len()).all(|axis| axis == self.axis || before[axis] == sizes[axis]);
                if !others_equal {
                    return Err(refused);
                }
                before[self.axis] = before[self.axis].saturating_add(sizes[self.axis]);
                Ok(before)
            }
            _ => Err(refused),
        }
    }
}
