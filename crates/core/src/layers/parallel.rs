//! Branches beside each other, joined at their end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Layer, LayerOptions, Pass, Shape, Signal, forward, show};
use crate::error::{Error, Result};
use crate::ops;
use crate::tape::Value;

/// How branches are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Join {
    /// One after the other along `axis`; the other sizes are equal.
    #[default]
    Concat,
    /// Added; all sizes are equal.
    Sum,
}

/// Branches that all get the same input, joined at their end. An empty branch passes its input on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parallel {
    /// Name of the layer. Default: its place in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The branches, each a list of layers; at least one.
    pub branches: Vec<Vec<LayerOptions>>,
    /// How they are joined.
    #[serde(default)]
    pub join: Join,
    /// Axis of `concat`, counted from 0 without the batch axis.
    #[serde(default)]
    pub axis: usize,
}

impl Layer for Parallel {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn joined(&self, _input: &Shape, ends: &[Shape]) -> Result<Shape> {
        let Some((first, others)) = ends.split_first() else {
            return Err(Error::config("branches", "expected at least one branch, got none"));
        };
        let first = first.dense()?.to_vec();
        if self.join == Join::Concat && self.axis >= first.len() {
            let message =
                format!("expected an axis below {}, that of {}, got {}", first.len(), show(&first), self.axis);
            return Err(Error::shape("axis", message));
        }
        others.iter().try_fold(first, |joined, end| self.join_sizes(joined, end.dense()?)).map(Shape::Dense)
    }

    fn inner(&self) -> Vec<(String, &[LayerOptions])> {
        self.branches.iter().enumerate().map(|(index, branch)| (index.to_string(), branch.as_slice())).collect()
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
