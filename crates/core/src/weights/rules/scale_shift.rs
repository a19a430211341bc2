//! Scale and shift of the teacher's values, without a projection: element by element, for equal shapes.
//!
//! ```text
//! S = scale ⊙ tanh(T) + shift
//! ```
//!
//! With several teacher layers, T is the sum `Σ_k r_k T_k` as in `full`. Source: Lin and others, "Weight Distillation",
//! 2021, arXiv:2009.09152, its code (the encoder of its release). Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{Made, Rule, Target};
use crate::error::Result;

/// For equal shapes: `scale ⊙ tanh(teacher) + shift`, without mixing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScaleShift {}

impl Rule for ScaleShift {
    fn make(&self, target: &Target) -> Result<Made> {
        target.equal_shapes("full: {}")?;
        let mut trained = target.affine()?.to_vec();
        if target.teacher.len() > 1 {
            trained.extend(target.layers()?);
        }
        target.generated(trained)
    }
}
