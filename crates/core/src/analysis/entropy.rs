//! Entropy of a model's outputs: how much information a target carries beyond its largest class.
//!
//! ```text
//! H = −Σ_k p_k ln p_k,      p = softmax(v / T),      0 ≤ H ≤ ln K
//! ```
//!
//! v: a row's logits, K: classes; in nats. Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural
//! Network", 2015, arXiv:1503.02531, section 1 (soft targets of high entropy carry more information). Where we differ:
//! nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::seen::{Seen, Sides};
use crate::error::Result;
use crate::metrics::Spread;
use crate::metrics::reweighting::positive;

/// Options of the entropy of a model's outputs.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "EntropyDiagnostic")]
pub struct Entropy {
    /// Temperature applied to the logits; must be > 0. Default 1.
    pub temperature: f64,
}

impl Default for Entropy {
    fn default() -> Self {
        Entropy { temperature: 1.0 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntropyReport {
    /// Entropy of each row in nats.
    pub nats: Spread,
    /// The mean entropy divided by ln K, the entropy of K equal probabilities.
    pub share: f64,
}

/// softmax(logits / temperature).
pub fn softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    let shift = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exp: Vec<f64> = logits.iter().map(|logit| ((logit - shift) / temperature).exp()).collect();
    let sum: f64 = exp.iter().sum();
    exp.into_iter().map(|value| value / sum).collect()
}

/// The entropy of one row.
pub fn entropy(logits: &[f64], temperature: f64) -> f64 {
    // A class of probability 0 adds 0 instead of NaN.
    softmax(logits, temperature).into_iter().filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum()
}

impl Diagnostic for Entropy {
    type Report = Sides<EntropyReport>;

    fn validate(&self) -> Result<()> {
        positive("temperature", self.temperature)
    }

    fn report(&self, seen: &Seen<'_>) -> Result<Sides<EntropyReport>> {
        seen.each(|who| {
            let logits = seen.logits(who)?;
            let nats = Spread::of(logits.rows().map(|row| Some(entropy(row, self.temperature))));
            let share = nats.mean / (logits.width as f64).ln();
            Ok(EntropyReport { nats, share })
        })
    }
}
