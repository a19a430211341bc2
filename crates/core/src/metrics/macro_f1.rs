//! The mean of the F1 scores of all classes.
//!
//! ```text
//! F1_k = 2 · (true and predicted k) / (true k + predicted k);   mean over the classes that are true or predicted at all
//! ```
//!
//! Source: scikit-learn, `f1_score(average='macro')`. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::confusion::{Confusion, f1};
use super::metric::{Accumulator, Better, Mean, Measure, Metric, Needs};
use super::rows::Rows;

/// The mean of the F1 scores of all classes; 0…1. A rare class counts as much as a frequent one.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MacroF1 {}

impl Metric for MacroF1 {
    fn needs(&self) -> Needs {
        Needs::Classes
    }

    fn better(&self) -> Option<Better> {
        Some(Better::Higher)
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
        let mut mean = Mean::default();
        for class in 0..self.0.both.len() {
            let (predicted, true_) = (self.0.predicted[class], self.0.true_[class]);
            if predicted + true_ > 0.0 {
                mean.add(f1(self.0.both[class], predicted, true_), 1.0);
            }
        }
        mean.measure()
    }
}
