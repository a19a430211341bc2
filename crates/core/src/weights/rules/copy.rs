//! The values of the first teacher layer in the group: trained further, or frozen.
//!
//! Source: Lin and others, "Weight Distillation", 2021, arXiv:2009.09152, its code (the last norm is copied and
//! trained, an output matrix of equal width is copied and frozen). Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{Made, Making, Rule, Target};
use crate::error::Result;

/// For equal shapes: the values of the teacher's first layer in the group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Copy {
    /// Whether the values stay fixed while the generator is trained. Default: false.
    #[serde(default)]
    pub frozen: bool,
}

impl Rule for Copy {
    fn make(&self, target: &Target) -> Result<Made> {
        target.equal_shapes("fresh: {}")?;
        // Separate storage: training in place must not change the teacher.
        let numbers = crate::tensor::owned(&target.teacher[0].1)?;
        Ok(match self.frozen {
            true => Made { making: Making::Constant(numbers), trained: Vec::new(), used: 1 },
            false => target.own(numbers, 1),
        })
    }
}
