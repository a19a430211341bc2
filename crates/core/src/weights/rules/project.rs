//! A projection matrix for each width that differs, and nothing else: the output matrix of the published method.
//!
//! ```text
//! S = wOutᵀ · T · wIn,   each of the two only for a side that differs
//! ```
//!
//! Source: Lin and others, "Weight Distillation", 2021, arXiv:2009.09152, its code. Where we differ: either side, or
//! both, may differ; in the code, one side of the output matrix is the vocabulary.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{Made, Rule, Target, W_IN, W_OUT};
use crate::error::Result;

/// Multiplies by a matrix on each side whose width differs from the teacher's; no tanh, scale or shift. For equal
/// shapes use `copy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Project {}

impl Rule for Project {
    fn make(&self, target: &Target) -> Result<Made> {
        target.equal_positions()?;
        let (own, theirs) = (target.dims(), target.teacher_dims()?);
        let mut trained = Vec::new();
        for (axis, part) in [(0, W_OUT), (1, W_IN)].into_iter().take(own.len()) {
            if own[axis] != theirs[axis] {
                trained.push(target.xavier(part, theirs[axis], own[axis])?);
            }
        }
        if trained.is_empty() {
            return Err(target.refuse("expected a width that differs from the teacher's, got equal shapes", "copy: {}"));
        }
        if target.teacher.len() > 1 {
            trained.extend(target.layers()?);
        }
        target.generated(trained)
    }
}
