//! The share of rows whose label is among the k largest logits.
//!
//! ```text
//! right when the number of classes with z_j > z_label, or z_j = z_label and j < label, is below k
//! ```
//!
//! Source: the definition. Where we differ: of equal logits the first counts as larger, as in `accuracy`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Accumulator, Mean, Measure, Metric, Needs, Rows};
use crate::error::{Error, Result};

/// The share of rows whose label is among the `k` most probable classes, 0 to 1.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TopKAccuracy {
    /// How many classes may be named, from 1 to the number of classes. Default 5.
    pub k: usize,
}

impl Default for TopKAccuracy {
    fn default() -> Self {
        TopKAccuracy { k: 5 }
    }
}

impl Metric for TopKAccuracy {
    fn needs(&self) -> Needs {
        Needs::Single
    }

    fn validate(&self, outputs: usize) -> Result<()> {
        if (1..=outputs).contains(&self.k) {
            return Ok(());
        }
        Err(Error::config("k", format!("expected a whole number from 1 to {outputs} (the classes), got {}", self.k)))
    }

    fn start(&self, _outputs: usize) -> Box<dyn Accumulator> {
        Box::new(State { k: self.k, mean: Mean::default() })
    }
}

struct State {
    k: usize,
    mean: Mean,
}

impl Accumulator for State {
    fn add(&mut self, rows: &Rows<'_>) {
        for (logits, label) in rows.labelled() {
            let own = logits[label];
            let ahead = |&(class, logit): &(usize, &f64)| *logit > own || (*logit == own && class < label);
            self.mean.add(f64::from(logits.iter().enumerate().filter(ahead).count() < self.k && !own.is_nan()));
        }
    }

    fn measure(&self) -> Measure {
        self.mean.measure()
    }
}
