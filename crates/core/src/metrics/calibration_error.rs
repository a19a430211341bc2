//! Expected calibration error: how far confidence is from accuracy.
//!
//! ```text
//! ECE = Σ_b (n_b / n) · |accuracy_b − confidence_b|
//! ```
//!
//! Bin b holds the n_b of n rows whose largest probability lies in (b / bins, (b + 1) / bins]; confidence_b is its
//! mean there, accuracy_b the share of rows predicted right. An empty bin adds 0.
//!
//! Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599,
//! section 2. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Accumulator, Measure, Metric, Needs, Rows};
use crate::error::{Error, Result};

/// Expected calibration error, 0 to 1: the mean distance between confidence and accuracy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CalibrationError {
    /// Bins of equal width between 0 and 1, 1 or more. Default 15.
    pub bins: usize,
}

impl Default for CalibrationError {
    fn default() -> Self {
        CalibrationError { bins: 15 }
    }
}

impl Metric for CalibrationError {
    fn needs(&self) -> Needs {
        Needs::Single
    }

    fn validate(&self, _outputs: usize) -> Result<()> {
        match self.bins {
            1..=100_000 => Ok(()),
            bins => Err(Error::config("bins", format!("expected a whole number from 1 to 100000, got {bins}"))),
        }
    }

    fn start(&self, _outputs: usize) -> Box<dyn Accumulator> {
        Box::new(State { bins: vec![Bin::default(); self.bins] })
    }
}

#[derive(Clone, Copy, Default)]
struct Bin {
    rows: usize,
    confidence: f64,
    right: f64,
}

struct State {
    bins: Vec<Bin>,
}

impl Accumulator for State {
    fn add(&mut self, rows: &Rows<'_>) {
        let statistics = rows.best().iter().zip(rows.log_sums());
        for ((logits, label), (best, log_sum)) in rows.labelled().zip(statistics) {
            let confidence = (logits[*best] - log_sum).exp();
            let bin = (confidence * self.bins.len() as f64).ceil() as usize;
            let last = self.bins.len() - 1;
            let bin = &mut self.bins[bin.saturating_sub(1).min(last)];
            bin.rows += 1;
            bin.confidence += confidence;
            bin.right += f64::from(label == *best);
        }
    }

    fn measure(&self) -> Measure {
        let rows: usize = self.bins.iter().map(|bin| bin.rows).sum();
        let apart: f64 = self.bins.iter().map(|bin| (bin.right - bin.confidence).abs()).sum();
        Measure::Number(apart / rows as f64)
    }
}
