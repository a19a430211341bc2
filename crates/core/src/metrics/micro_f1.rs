//! F1 over all classes of all rows together, for multi-label rows.
//!
//! ```text
//! F1 = 2 · Σ_k (true and predicted k) / (Σ_k true k + Σ_k predicted k);   predicted when sigmoid(z_k) > threshold
//! ```
//!
//! Source: scikit-learn, `f1_score(average='micro')`. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::confusion::{Confusion, f1};
use super::exact_match::{logit_of, validate_threshold};
use super::metric::{Accumulator, Better, Measure, Metric, Needs};
use super::rows::Rows;
use crate::error::Result;

/// For several labels per row: the F1 score over all classes of all rows together; 0…1.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MicroF1 {
    /// A class is predicted if its probability is above this; 0 < threshold < 1. Default 0.5.
    pub threshold: f64,
}

impl Default for MicroF1 {
    fn default() -> Self {
        MicroF1 { threshold: 0.5 }
    }
}

impl Metric for MicroF1 {
    fn needs(&self) -> Needs {
        Needs::Several
    }

    fn better(&self) -> Option<Better> {
        Some(Better::Higher)
    }

    fn validate(&self, _outputs: usize) -> Result<()> {
        validate_threshold(self.threshold)
    }

    fn start(&self, outputs: usize) -> Box<dyn Accumulator> {
        Box::new(State { threshold: logit_of(self.threshold), counts: Confusion::new(outputs) })
    }
}

struct State {
    threshold: f64,
    counts: Confusion,
}

impl Accumulator for State {
    fn add(&mut self, rows: &Rows<'_>) {
        self.counts.add_several(rows, self.threshold);
    }

    fn measure(&self) -> Measure {
        let sum = |counts: &[f64]| counts.iter().sum::<f64>();
        Measure::Number(f1(sum(&self.counts.both), sum(&self.counts.predicted), sum(&self.counts.true_)))
    }
}
