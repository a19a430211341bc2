//! A block of the teacher's values: the first outputs and inputs of the first layer in the group.
//!
//! Source: Lin and others, "Weight Distillation", 2021, arXiv:2009.09152, introduction (even this start helps).
//! Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{Made, Rule, Target};
use crate::error::{Candle, Result};
use crate::layers::show;

/// The first outputs and inputs of the teacher's first layer in the group, as trainable initial values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Truncate {}

impl Rule for Truncate {
    fn make(&self, target: &Target) -> Result<Made> {
        target.equal_positions()?;
        let (own, theirs) = (target.dims(), target.teacher_dims()?);
        if own.iter().zip(theirs).any(|(own, theirs)| own > theirs) {
            let message = format!("expected a shape of at most the teacher's {}, got {}", show(theirs), show(own));
            return Err(target.refuse(message, "full: {}"));
        }
        let mut block = target.teacher[0].1.clone();
        for (axis, size) in own.iter().enumerate() {
            block = block.narrow(axis, 0, *size).ok_or_internal()?;
        }
        Ok(target.own(crate::tensor::owned(&block)?, 1))
    }
}
