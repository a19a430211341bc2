//! Mean negative log-likelihood of multi-label rows, in nats per class.
//!
//! ```text
//! L = mean over rows and classes of (log(1 + exp z) − y · z)        z: logit, y: label in 0…1
//! ```
//!
//! Source: the definition. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::{Better, Mean, MeanMetric, Needs};
use super::rows::Rows;

/// For several labels per row: the mean negative log-likelihood in nats per class; 0 or more.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BinaryCrossEntropy {}

impl MeanMetric for BinaryCrossEntropy {
    const NEEDS: Needs = Needs::Several;
    const BETTER: Option<Better> = Some(Better::Lower);

    fn add(&self, rows: &Rows<'_>, mean: &mut Mean) {
        for (row, (logits, labels)) in rows.numbered().enumerate() {
            for (z, y) in logits.iter().zip(labels) {
                mean.add(z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z, rows.weight(row)); // no overflow at either end
            }
        }
    }
}
