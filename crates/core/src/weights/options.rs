//! Options of a parameter generator, as JavaScript passes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules::RuleOptions;
use crate::error::{Error, Result};

/// How the student's parameters are generated from the teacher's (Weight Distillation). Without rules, layers are
/// matched by kind and position: each student layer is generated from a run of adjacent teacher layers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GeneratorOptions {
    /// What happens if the number of the teacher's layers is not a multiple of the student's. Default: `refuse`.
    #[serde(default)]
    pub remainder: Remainder,
    /// Exceptions from the plan that follows from the two models; a later rule overrides an earlier one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleFor>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Remainder {
    /// The run is rejected.
    #[default]
    Refuse,
    /// The first student layers are generated from one more teacher layer each.
    Spread,
}

/// An exception for some of the student's parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleFor {
    /// The student's parameters that the rule applies to: a parameter, a layer or block, or a pattern with `*`.
    pub student: String,
    /// The teacher's layers or parameters that they are generated from, in this order. Default: those of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<Vec<String>>,
    /// How they are generated. Default: as in the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleOptions>,
}

impl GeneratorOptions {
    /// Options that generate every parameter by this rule.
    pub fn all(rule: RuleOptions) -> GeneratorOptions {
        GeneratorOptions::default().beneath(rule)
    }

    /// The same options, with this rule for every parameter that no other rule covers.
    pub fn beneath(mut self, rule: RuleOptions) -> GeneratorOptions {
        self.rules.insert(0, RuleFor { student: "*".into(), teacher: None, rule: Some(rule) });
        self
    }

    pub fn validate(&self) -> Result<()> {
        for (index, rule) in self.rules.iter().enumerate() {
            let path = |key: &str| format!("rules[{index}]{key}");
            if rule.teacher.is_none() && rule.rule.is_none() {
                return Err(Error::config(
                    path(""),
                    "expected teacher, rule or both in addition to student, got neither",
                ));
            }
            if rule.teacher.as_ref().is_some_and(Vec::is_empty) {
                return Err(Error::config(
                    path(".teacher"),
                    "expected at least one layer, got none: to use no layer of the teacher, set rule: { fresh: {} }",
                ));
            }
        }
        Ok(())
    }
}
