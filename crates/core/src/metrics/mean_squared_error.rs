//! Mean squared distance between outputs and labels that are real numbers.
//!
//! ```text
//! L = mean over rows and outputs of (z − y)²        z: output, y: label
//! ```
//!
//! Source: the definition. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Accumulator, Mean, Measure, Metric, Needs, Rows};

/// Mean squared distance between outputs and labels, 0 or more.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MeanSquaredError {}

impl Metric for MeanSquaredError {
    fn needs(&self) -> Needs {
        Needs::Real
    }

    fn start(&self, _outputs: usize) -> Box<dyn Accumulator> {
        Box::new(State(Mean::default()))
    }
}

struct State(Mean);

impl Accumulator for State {
    fn add(&mut self, rows: &Rows<'_>) {
        for (outputs, labels) in rows.numbered() {
            outputs.iter().zip(labels).for_each(|(z, y)| self.0.add((z - y).powi(2)));
        }
    }

    fn measure(&self) -> Measure {
        self.0.measure()
    }
}
