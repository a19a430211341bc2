//! The share of rows whose label is among the k largest logits.
//!
//! ```text
//! right when the number of classes with z_j > z_label, or z_j = z_label and j < label, is below k
//! ```
//!
//! Source: the definition. Where we differ: among equal logits the first counts as larger, as in `accuracy`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::{Better, Mean, MeanMetric, Needs};
use super::rows::Rows;
use crate::error::{Error, Result};

/// The share of rows whose label is among the `k` most probable classes; 0…1.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TopKAccuracy {
    /// Number of most probable classes that may contain the label; 1…number of classes. Default 5.
    pub k: usize,
}

impl Default for TopKAccuracy {
    fn default() -> Self {
        TopKAccuracy { k: 5 }
    }
}

impl MeanMetric for TopKAccuracy {
    const NEEDS: Needs = Needs::Single;
    const BETTER: Option<Better> = Some(Better::Higher);

    fn validate(&self, outputs: usize) -> Result<()> {
        if (1..=outputs).contains(&self.k) {
            return Ok(());
        }
        Err(Error::config(
            "k",
            format!("expected an integer from 1 to {outputs} (the number of classes), got {}", self.k),
        ))
    }

    fn add(&self, rows: &Rows<'_>, mean: &mut Mean) {
        for (row, (logits, label)) in rows.labelled().enumerate() {
            let own = logits[label];
            let ahead = |&(class, logit): &(usize, &f64)| *logit > own || (*logit == own && class < label);
            let right = logits.iter().enumerate().filter(ahead).count() < self.k && !own.is_nan();
            mean.add(f64::from(right), rows.weight(row));
        }
    }
}
