//! Expected calibration error: the distance between confidence and accuracy.
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

use super::metric::{Accumulator, Better, Measure, Metric, Needs};
use super::rows::Rows;
use crate::error::{Error, Result};

/// Expected calibration error: the mean distance between confidence and accuracy; 0…1.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CalibrationError {
    /// Number of confidence bins of equal width between 0 and 1; 1…100,000. Default 15.
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

    fn better(&self) -> Option<Better> {
        Some(Better::Lower)
    }

    fn validate(&self, _outputs: usize) -> Result<()> {
        match self.bins {
            1..=100_000 => Ok(()),
            bins => Err(Error::config("bins", format!("expected an integer from 1 to 100000, got {bins}"))),
        }
    }

    fn start(&self, _outputs: usize) -> Box<dyn Accumulator> {
        Box::new(State(Bins::new(self.bins)))
    }
}

/// Sums over the rows of one bin.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bin {
    /// The sum of the rows' weights.
    pub rows: f64,
    pub confidence: f64,
    pub right: f64,
}

/// The sums of all bins.
pub(crate) struct Bins(pub Vec<Bin>);

impl Bins {
    pub fn new(bins: usize) -> Bins {
        Bins(vec![Bin::default(); bins])
    }

    pub fn add(&mut self, confidence: f64, right: bool, weight: f64) {
        let bin = (confidence * self.0.len() as f64).ceil() as usize;
        let last = self.0.len() - 1;
        let bin = &mut self.0[bin.saturating_sub(1).min(last)];
        bin.rows += weight;
        bin.confidence += weight * confidence;
        bin.right += weight * f64::from(right);
    }

    pub fn error(&self) -> f64 {
        let rows: f64 = self.0.iter().map(|bin| bin.rows).sum();
        let apart: f64 = self.0.iter().map(|bin| (bin.right - bin.confidence).abs()).sum();
        apart / rows
    }
}

struct State(Bins);

impl Accumulator for State {
    fn add(&mut self, rows: &Rows<'_>) {
        let statistics = rows.best().iter().zip(rows.log_sums());
        for (row, ((logits, label), (best, log_sum))) in rows.labelled().zip(statistics).enumerate() {
            self.0.add((logits[*best] - log_sum).exp(), label == *best, rows.weight(row));
        }
    }

    fn measure(&self) -> Measure {
        Measure::Number(self.0.error())
    }
}
