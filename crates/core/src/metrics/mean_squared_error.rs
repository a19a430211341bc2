//! Mean squared difference between outputs and labels that are real numbers.
//!
//! ```text
//! L = mean over rows and outputs of (z − y)²        z: output, y: label
//! ```
//!
//! Source: the definition. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::{Better, Mean, MeanMetric, Needs};
use super::rows::Rows;

/// Mean squared difference between outputs and labels that are real numbers; 0 or more.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MeanSquaredError {}

impl MeanMetric for MeanSquaredError {
    const NEEDS: Needs = Needs::Real;
    const BETTER: Option<Better> = Some(Better::Lower);

    fn add(&self, rows: &Rows<'_>, mean: &mut Mean) {
        for (row, (outputs, labels)) in rows.numbered().enumerate() {
            outputs.iter().zip(labels).for_each(|(z, y)| mean.add((z - y).powi(2), rows.weight(row)));
        }
    }
}
