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

/// For several labels per row: the share of rows in which every label is predicted correctly; 0…1.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExactMatch {
    /// A class is predicted if its probability is above this; 0 < threshold < 1. Default 0.5.
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

/// The logit of a probability p: sigmoid(z) > p is equivalent to z > log(p / (1 − p)).
pub(super) fn logit_of(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}
