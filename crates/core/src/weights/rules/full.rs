//! The generator of a matrix or a convolution kernel.
//!
//! ```text
//! S = scale ⊙ tanh(wOutᵀ · (Σ_k r_k T_k) · wIn) + shift,   r = wLayer · wReduce
//! ```
//!
//! Shapes and gradients: ops/weight_generator.rs. Start: wOut, wIn, wLayer Xavier normal, wReduce 1/l, scale 1, shift
//! 0. Source: Lin and others, "Weight Distillation", 2021, arXiv:2009.09152, and its code. Where we differ: a side that
//! belongs to the data (pixels, ids) is kept instead of mixed; kernel positions share wOut and wIn.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Vector;
use super::rule::{Made, Rule, Target, W_IN, W_OUT};
use crate::error::Result;

/// For a matrix or kernel: mixes outputs, inputs and layers of the teacher, then applies `scale ⊙ tanh(·) + shift`.
/// Vectors use the rule `vector` instead.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Full {
    /// A side that is not mixed because its positions mean the same in both models, such as the inputs of the first
    /// layer or the rows of an embedding. Its size must equal the teacher's. Default: both sides are mixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Side>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// The second axis.
    Inputs,
    /// The first axis.
    Outputs,
}

impl Rule for Full {
    fn make(&self, target: &Target) -> Result<Made> {
        if target.dims().len() < 2 {
            return Vector {}.make(target);
        }
        target.equal_positions()?;
        let (own, theirs) = (target.dims(), target.teacher_dims()?);
        let mut trained = Vec::new();
        for (side, axis, part) in [(Side::Outputs, 0, W_OUT), (Side::Inputs, 1, W_IN)] {
            if self.keep != Some(side) {
                trained.push(target.xavier(part, theirs[axis], own[axis])?);
            } else if theirs[axis] != own[axis] {
                let what = if axis == 0 { "outputs" } else { "inputs" };
                let message = format!("expected {} {what}, like the teacher, got {}", theirs[axis], own[axis]);
                return Err(target.refuse(message, "full: {}"));
            }
        }
        trained.extend(target.layers()?);
        trained.extend(target.affine()?);
        target.generated(trained)
    }
}
