//! Teachers as they cross from JavaScript: models by their number, everything else by its options.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Teacher, Teachers, share};
use crate::error::{Error, Result};
use crate::models::Model;

/// How several teachers are heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Combine {
    /// Every loss is computed against each teacher; the values are added by their shares.
    #[default]
    Losses,
    /// One teacher, whose probabilities are the mean of theirs at every temperature.
    Probabilities,
    /// One teacher, whose logits are the mean of theirs.
    Logits,
}

/// A teacher that is the running average of the student's own parameters (mean teacher).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnAverage {
    /// Share of the old average that is kept at each step; 0 ≤ decay < 1.
    #[serde(default = "decay")]
    pub decay: f64,
}

/// A teacher that knows the labels alone: 1 − share on the label, and share spread over all classes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SmoothedLabels {
    /// What is spread over all classes; 0 ≤ share < 1.
    #[serde(default = "tenth")]
    pub share: f64,
}

fn decay() -> f64 {
    0.999
}

fn tenth() -> f64 {
    0.1
}

/// One teacher: exactly one of its kinds, and a weight.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TeacherOptions {
    /// A model, by its number among those that cross beside these options.
    pub model: Option<usize>,
    /// The data's own column of logits.
    #[serde(default)]
    pub column: bool,
    pub average: Option<OwnAverage>,
    pub label_smoothing: Option<SmoothedLabels>,
    /// How much it counts beside the others.
    pub weight: Option<f64>,
}

impl Teachers {
    /// Puts the models in their places.
    pub fn from_options(options: &[TeacherOptions], models: &[Model]) -> Result<Teachers> {
        let mut members = Vec::new();
        for (at, one) in options.iter().enumerate() {
            let path = if options.len() == 1 { "teacher".to_string() } else { format!("teacher[{at}]") };
            let mut kinds = Vec::new();
            if let Some(number) = one.model {
                let model = models.get(number).ok_or_else(|| Error::internal("a teacher without its model"))?;
                kinds.push(Teacher::Model(Box::new(model.clone())));
            }
            if one.column {
                kinds.push(Teacher::Column);
            }
            if let Some(average) = one.average {
                share(&format!("{path}.average.decay"), average.decay, 1.0)?;
                kinds.push(Teacher::Average(average));
            }
            if let Some(smoothed) = one.label_smoothing {
                share(&format!("{path}.labelSmoothing.share"), smoothed.share, 1.0)?;
                kinds.push(Teacher::Smoothed(smoothed));
            }
            if kinds.len() != 1 {
                let message = format!("expected one of model, average and labelSmoothing, got {}", kinds.len());
                return Err(Error::config(path, message));
            }
            members.extend(kinds.into_iter().map(|teacher| (teacher, one.weight.unwrap_or(1.0))));
        }
        let average = |(teacher, _): &&(Teacher, f64)| matches!(teacher, Teacher::Average(_));
        if members.iter().filter(average).count() > 1 {
            return Err(Error::config("teacher", "expected the student's own average once, got it twice"));
        }
        Teachers::new(members)
    }
}
