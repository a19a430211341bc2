//! The student's own initial values: the teacher is not used.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{Made, Rule, Target};
use crate::error::Result;

/// The student's own initial values, trained as usual.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fresh {}

impl Rule for Fresh {
    fn make(&self, target: &Target) -> Result<Made> {
        Ok(target.own(crate::tensor::owned(&target.student.tensor)?, 0))
    }
}
