//! The share of rows where student and teacher predict the same class, whatever the label.
//!
//! ```text
//! agreement = (rows with argmax_k z_k = argmax_k t_k) / rows        z: student's logits, t: teacher's
//! ```
//!
//! Source: Stanton, Izmailov, Kirichenko, Alemi, Wilson, "Does Knowledge Distillation Really Work?", 2021,
//! arXiv:2106.05945, section 3.2 (top-1 agreement). Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows::largest;
use super::{Accumulator, Mean, Measure, Metric, Needs, Rows};

/// The share of rows where student and teacher predict the same class, 0 to 1.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Agreement {}

impl Metric for Agreement {
    fn needs(&self) -> Needs {
        Needs::Teacher
    }

    fn start(&self, _outputs: usize) -> Box<dyn Accumulator> {
        Box::new(State(Mean::default()))
    }
}

struct State(Mean);

impl Accumulator for State {
    fn add(&mut self, rows: &Rows<'_>) {
        let pairs = rows.best().iter().zip(rows.teacher());
        pairs.for_each(|(best, teacher)| self.0.add(f64::from(*best == largest(teacher))));
    }

    fn measure(&self) -> Measure {
        self.0.measure()
    }
}
