//! The share of rows whose largest logit is that of the label.
//!
//! ```text
//! accuracy = (rows with argmax_k z_k = label) / rows        z: logits; among equal logits the first wins
//! ```
//!
//! Source: the definition. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::{Better, Mean, MeanMetric, Needs};
use super::rows::Rows;

/// The share of rows that are predicted correctly; 0…1.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Accuracy {}

impl MeanMetric for Accuracy {
    const NEEDS: Needs = Needs::Single;
    const BETTER: Option<Better> = Some(Better::Higher);

    fn add(&self, rows: &Rows<'_>, mean: &mut Mean) {
        for (row, ((_, label), best)) in rows.labelled().zip(rows.best()).enumerate() {
            mean.add(f64::from(label == *best), rows.weight(row));
        }
    }
}
