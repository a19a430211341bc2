//! Mean negative log-likelihood of the labels, in nats.
//!
//! ```text
//! L = mean over rows of (log Σ_k exp z_k − z_label)        z: logits
//! ```
//!
//! Source: the definition. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Accumulator, Mean, Measure, Metric, Needs, Rows, Truth};

/// Mean negative log-likelihood of the labels, in nats, 0 or more.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CrossEntropy {}

impl Metric for CrossEntropy {
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
        if let Truth::Probabilities(_) = rows.truth() {
            let each = |(logits, y): (&[f64], &[f64]), sum: f64| logits.iter().zip(y).map(|(z, y)| y * (sum - z)).sum();
            return rows.numbered().zip(rows.log_sums()).for_each(|(row, sum)| self.0.add(each(row, *sum)));
        }
        rows.labelled().zip(rows.log_sums()).for_each(|((logits, label), sum)| self.0.add(sum - logits[label]));
    }

    fn measure(&self) -> Measure {
        self.0.measure()
    }
}
