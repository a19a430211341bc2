//! The generator of a vector: a bias, the gain of a norm.
//!
//! ```text
//! s = scale ⊙ tanh(wOutᵀ · (Σ_k r_k t_k)) + shift,   r = wLayer · wReduce
//! ```
//!
//! t_k `[Ot]` is the vector of the teacher's k-th layer, s is `[Os]`. Source: Lin and others, "Weight Distillation", 2021,
//! arXiv:2009.09152, and its code. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{Made, Rule, Target, W_OUT};
use crate::error::Result;
use crate::layers::show;

/// For a vector (a bias, the gain of a norm): mixes elements and layers of the teacher, then applies
/// `scale ⊙ tanh(·) + shift`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Vector {}

impl Rule for Vector {
    fn make(&self, target: &Target) -> Result<Made> {
        let (own, theirs) = (target.dims(), target.teacher_dims()?);
        let ([own], [theirs]) = (own, theirs) else {
            let message = format!(
                "expected vectors in both models, got {} in the student and {} in the teacher",
                show(own),
                show(theirs)
            );
            return Err(target.refuse(message, "full: {}"));
        };
        let mut trained = vec![target.xavier(W_OUT, *theirs, *own)?];
        trained.extend(target.layers()?);
        trained.extend(target.affine()?);
        target.generated(trained)
    }
}
