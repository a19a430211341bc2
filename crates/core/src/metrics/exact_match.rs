//! The share of multi-label rows for which every label is predicted correctly.
//!
//! ```text
//! right when for all k: (sigmoid(z_k) > threshold) = (label_k ≥ ½)
//! ```
//!
//! Source: scikit-learn, `accuracy_score` of multi-label rows (subset accuracy). Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::{Better, Mean, MeanMetric, Needs};
use super::rows::Rows;
use crate::error::{Error, Result};

/// The share of rows of which every label is predicted right, 0 to 1, for several labels a row.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExactMatch {
    /// Probability above which a class is predicted, between 0 and 1. Default 0.5.
    pub threshold: f64,
}

impl Default for ExactMatch {
    fn default() -> Self {
        ExactMatch { threshold: 0.5 }
    }
}

impl MeanMetric for ExactMatch {
    const NEEDS: Needs = Needs::Several;
    const BETTER: Option<Better> = Some(Better::Higher);

    fn validate(&self, _outputs: usize) -> Result<()> {
        validate_threshold(self.threshold)
    }

    fn add(&self, rows: &Rows<'_>, mean: &mut Mean) {
        let threshold = logit_of(self.threshold);
        for (row, (logits, labels)) in rows.numbered().enumerate() {
            let right = |(logit, label): (&f64, &f64)| (*logit > threshold) == (*label >= 0.5);
            mean.add(f64::from(logits.iter().zip(labels).all(right)), rows.weight(row));
        }
    }
}

pub(super) fn validate_threshold(threshold: f64) -> Result<()> {
    if threshold > 0.0 && threshold < 1.0 {
        return Ok(());
    }
    Err(Error::config("threshold", format!("expected a number between 0 and 1, got {threshold}")))
}

/// sigmoid(z) > p is z > log(p / (1 − p)).
pub(super) fn logit_of(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}
