//! Mean negative log-likelihood of the labels, in nats.
//!
//! ```text
//! L = mean over rows of (log Σ_k exp z_k − z_label)        z: logits
//! ```
//!
//! Source: the definition. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::{Better, Mean, MeanMetric, Needs};
use super::rows::{Rows, Truth};

/// Mean negative log-likelihood of the labels in nats; 0 or more.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CrossEntropy {}

impl MeanMetric for CrossEntropy {
    const NEEDS: Needs = Needs::Single;
    const BETTER: Option<Better> = Some(Better::Lower);

    fn add(&self, rows: &Rows<'_>, mean: &mut Mean) {
        if let Truth::Probabilities(_) = rows.truth() {
            for (row, ((logits, y), sum)) in rows.numbered().zip(rows.log_sums()).enumerate() {
                mean.add(logits.iter().zip(y).map(|(z, y)| y * (sum - z)).sum(), rows.weight(row));
            }
            return;
        }
        for (row, ((logits, label), sum)) in rows.labelled().zip(rows.log_sums()).enumerate() {
            mean.add(sum - logits[label], rows.weight(row));
        }
    }
}
