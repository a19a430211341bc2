//! The share of rows whose largest logit is that of their label.
//!
//! ```text
//! accuracy = (rows with argmax_k z_k = label) / rows        z: logits; of equal ones the first counts
//! ```
//!
//! Source: the definition. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Accumulator, Mean, Measure, Metric, Needs, Rows};

/// The share of rows that are predicted right, 0 to 1.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Accuracy {}

impl Metric for Accuracy {
    fn needs(&self) -> Needs {
        Needs::Single
    }

    fn start(&self, _outputs: usize) -> Box<dyn Accumulator> {
        Box::new(State(Mean::default()))
    }
}

struct State(Mean);

impl Accumulator for State {
    fn add(&mut self, rows: &Rows<'_>) {
        rows.labelled().zip(rows.best()).for_each(|((_, label), best)| self.0.add(f64::from(label == *best)));
    }

    fn measure(&self) -> Measure {
        self.0.measure()
    }
}
