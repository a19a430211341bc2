//! Options of a parameter generator, as they are written in JavaScript.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules::RuleOptions;
use crate::error::{Error, Result};

/// How the student's parameters are made from the teacher's (Weight Distillation). Without rules layers are matched by
/// kind and place: each student layer comes from a run of adjacent teacher layers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GeneratorOptions {
    /// What to do where the count of the student's layers does not divide that of the teacher's.
    #[serde(default)]
    pub remainder: Remainder,
    /// Exceptions from the plan that the two models lead to; later ones win.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleFor>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Remainder {
    /// The run is refused.
    #[default]
    Refuse,
    /// The first groups get one teacher layer more.
    Spread,
}

/// An exception for some of the student's parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleFor {
    /// Which parameters of the student: a parameter, a layer or block, or a pattern with `*`.
    pub student: String,
    /// What they are made from, in this order: layers or parameters of the teacher. Default: what the plan says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<Vec<String>>,
    /// How they are made. Default: what the plan says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleOptions>,
}

impl GeneratorOptions {
    /// Every parameter by this rule.
    pub fn all(rule: RuleOptions) -> GeneratorOptions {
        GeneratorOptions::default().beneath(rule)
    }

    /// The same, with this rule for everything that no other rule covers.
    pub fn beneath(mut self, rule: RuleOptions) -> GeneratorOptions {
        self.rules.insert(0, RuleFor { student: "*".into(), teacher: None, rule: Some(rule) });
        self
    }

    pub fn validate(&self) -> Result<()> {
        for (index, rule) in self.rules.iter().enumerate() {
            let path = |key: &str| format!("rules[{index}]{key}");
            if rule.teacher.is_none() && rule.rule.is_none() {
                return Err(Error::config(path(""), "expected teacher, rule or both beside student, got neither"));
            }
            if rule.teacher.as_ref().is_some_and(Vec::is_empty) {
                return Err(Error::config(
                    path(".teacher"),
                    "expected at least one layer, got none; what comes from no layer is { fresh: {} }",
                ));
            }
        }
        Ok(())
    }
}
