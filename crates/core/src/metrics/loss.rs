//! The loss that fits the labels: cross entropy for one label per row, binary cross entropy for several, mean squared
//! error for real numbers.
//!
//! Source: the definitions in those files. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::binary_cross_entropy::BinaryCrossEntropy;
use super::cross_entropy::CrossEntropy;
use super::mean_squared_error::MeanSquaredError;
use super::metric::{Better, Mean, MeanMetric, Needs};
use super::rows::{Rows, Truth};

/// The loss that fits the labels: `crossEntropy` for one label per row, `binaryCrossEntropy` for several,
/// `meanSquaredError` for real numbers. Every evaluation on labelled rows has it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Loss {}

impl MeanMetric for Loss {
    const NEEDS: Needs = Needs::Labels;
    const BETTER: Option<Better> = Some(Better::Lower);

    fn add(&self, rows: &Rows<'_>, mean: &mut Mean) {
        match rows.truth() {
            Truth::None => {}
            Truth::Single(_) | Truth::Probabilities(_) => CrossEntropy {}.add(rows, mean),
            Truth::Several(_) => BinaryCrossEntropy {}.add(rows, mean),
            Truth::Real(_) => MeanSquaredError {}.add(rows, mean),
        }
    }
}
