//! One line per class: its number of rows, and the quality of its predictions.
//!
//! ```text
//! precision = both / predicted,   recall = both / true,   F1 = 2 · both / (predicted + true);   0 if the denominator is 0
//! ```
//!
//! Source: scikit-learn, `precision_recall_fscore_support`. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::confusion::{Confusion, f1, ratio};
use super::metric::{Accumulator, ClassMeasure, Measure, Metric, Needs};
use super::rows::Rows;

/// A table with one line per class: count, precision, recall, F1.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PerClass {}

impl Metric for PerClass {
    fn needs(&self) -> Needs {
        Needs::Classes
    }

    fn start(&self, outputs: usize) -> Box<dyn Accumulator> {
        Box::new(State(Confusion::new(outputs)))
    }
}

struct State(Confusion);

impl Accumulator for State {
    fn add(&mut self, rows: &Rows<'_>) {
        self.0.add(rows);
    }

    fn measure(&self) -> Measure {
        let line = |label: usize| {
            let (both, predicted, count) = (self.0.both[label], self.0.predicted[label], self.0.true_[label]);
            let (precision, recall) = (ratio(both, predicted), ratio(both, count));
            ClassMeasure { label, count, predicted, precision, recall, f1: f1(both, predicted, count) }
        };
        Measure::Classes((0..self.0.both.len()).map(line).collect())
    }
}
