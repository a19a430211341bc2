//! Calibration: confidence and accuracy compared in bins, before and after temperature scaling.
//!
//! ```text
//! ECE = Σ_b (n_b / n) · |accuracy_b − confidence_b|                      softmax(z / T), bins (b/B, (b+1)/B]
//! T* = argmin_T mean over the validation rows of −log softmax(z / T)_t
//! ```
//!
//! z: a model's logits, t: the label; bin b holds n_b of n rows by their largest probability. T is fitted on the
//! validation rows; the objective is convex in 1/T, and its minimum is found by Newton's steps inside a bracket.
//! Accuracy does not change with T.
//!
//! Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599, sections 2
//! and 4.2. Where we differ: T is kept within 0.01 and 100; for a model that is always right it would leave this range.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::entropy::softmax;
use super::seen::{Seen, Sides, Table};
use crate::error::Result;
use crate::metrics::calibration_error::Bins;
use crate::metrics::{CalibrationError, Metric};

/// Options of the calibration.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "CalibrationDiagnostic")]
pub struct Calibration {
    /// Number of confidence bins of equal width between 0 and 1; 1…100,000. Default 15.
    pub bins: usize,
}

impl Default for Calibration {
    fn default() -> Self {
        Calibration { bins: CalibrationError::default().bins }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CalibrationReport {
    /// The model without temperature scaling.
    pub before: CalibrationAt,
    /// The model with its logits divided by the temperature that was fitted on the validation rows; missing without
    /// validation rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<CalibrationAt>,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CalibrationAt {
    /// The temperature that divides the logits.
    pub temperature: f64,
    /// Expected calibration error; 0…1.
    pub error: f64,
    /// Mean negative log-likelihood of the labels in nats.
    pub loss: f64,
    /// The bins, from the lowest confidence to the highest.
    pub bins: Vec<CalibrationBin>,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CalibrationBin {
    pub from: f64,
    pub to: f64,
    pub rows: usize,
    /// Mean of the largest probability; 0 in an empty bin.
    pub confidence: f64,
    /// Share of the rows that are predicted correctly; 0 in an empty bin.
    pub accuracy: f64,
}

/// −log softmax(z / T)_t of one row.
fn loss(logits: &[f64], label: usize, temperature: f64) -> f64 {
    let shift = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| ((logit - shift) / temperature).exp()).sum();
    sum.ln() - (logits[label] - shift) / temperature
}

/// Bins, error and loss of logits at a temperature.
pub(super) fn at(logits: &Table, labels: &[usize], temperature: f64, bins: usize) -> CalibrationAt {
    let mut sums = Bins::new(bins);
    let mut total = 0.0;
    for (row, label) in logits.rows().zip(labels) {
        let best = (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
        sums.add(softmax(row, temperature)[best], best == *label, 1.0);
        total += loss(row, *label, temperature);
    }
    let edge = |bin: usize| bin as f64 / bins as f64;
    let bin = |(index, bin): (usize, &crate::metrics::calibration_error::Bin)| CalibrationBin {
        from: edge(index),
        to: edge(index + 1),
        rows: bin.rows as usize,
        confidence: bin.confidence / bin.rows.max(1.0),
        accuracy: bin.right / bin.rows.max(1.0),
    };
    CalibrationAt {
        temperature,
        error: sums.error(),
        loss: total / labels.len() as f64,
        bins: sums.0.iter().enumerate().map(bin).collect(),
    }
}

/// The temperature that maximises the likelihood of the labels; 0.01…100.
pub(super) fn fit(logits: &Table, labels: &[usize]) -> f64 {
    // In β = 1/T: slope = mean of E_q[z] − z_t, curvature = mean of Var_q[z], with q = softmax(β z).
    let derivatives = |beta: f64| {
        let (mut slope, mut curvature) = (0.0, 0.0);
        for (row, label) in logits.rows().zip(labels) {
            let q = softmax(row, 1.0 / beta);
            let weighted = || q.iter().zip(row).filter(|(q, _)| **q > 0.0);
            let mean: f64 = weighted().map(|(q, z)| q * z).sum();
            slope += mean - row[*label];
            curvature += weighted().map(|(q, z)| q * (z - mean) * (z - mean)).sum::<f64>();
        }
        (slope / labels.len() as f64, curvature / labels.len() as f64)
    };
    let (mut low, mut high) = (0.01f64, 100.0f64);
    let mut beta = 1.0f64;
    for _ in 0..200 {
        let (slope, curvature) = derivatives(beta);
        if slope > 0.0 {
            high = beta
        } else {
            low = beta
        }
        let step = beta - slope / curvature;
        // A step that leaves the bracket, or has no length, is replaced by halving it.
        let next = if step > low && step < high { step } else { (low * high).sqrt() };
        let still = (next - beta).abs() <= 1e-12 * beta;
        beta = next;
        if still {
            break;
        }
    }
    1.0 / beta
}

impl Diagnostic for Calibration {
    type Report = Sides<CalibrationReport>;

    fn validate(&self) -> Result<()> {
        CalibrationError { bins: self.bins }.validate(0)
    }

    fn report(&self, seen: &Seen<'_>) -> Result<Sides<CalibrationReport>> {
        let labels = seen.labels()?;
        seen.each(|who| {
            let logits = seen.logits(who)?;
            let after = seen.validation(who)?.map(|(held, truth)| at(logits, &labels, fit(&held, &truth), self.bins));
            Ok(CalibrationReport { before: at(logits, &labels, 1.0, self.bins), after })
        })
    }
}
