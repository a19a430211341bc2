//! Equivalent smoothing γ of each model over the rows of a data set.
//!
//! Formula and source of the per-row value are in `metrics/equivalent_smoothing.rs`. Here γ is computed for any model:
//! the γ of a student shows how much of the teacher's smoothing the student learned.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::seen::{Seen, Sides};
use crate::error::Result;
use crate::metrics::{self, Metric};

/// Options of the equivalent smoothing γ.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "EquivalentSmoothingDiagnostic")]
pub struct EquivalentSmoothing {
    /// Temperature applied to the logits; must be > 0. Default 1.
    pub temperature: f64,
}

impl Default for EquivalentSmoothing {
    fn default() -> Self {
        EquivalentSmoothing { temperature: 1.0 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EquivalentSmoothingReport {
    /// The amount of label smoothing that the model's outputs are equivalent to.
    pub gamma: f64,
    /// Mean probability of the label at this temperature: 1 − γ (K − 1) / K.
    pub confidence: f64,
}

impl Diagnostic for EquivalentSmoothing {
    type Report = Sides<EquivalentSmoothingReport>;

    fn validate(&self) -> Result<()> {
        metrics::EquivalentSmoothing { temperature: self.temperature }.validate(0)
    }

    fn report(&self, seen: &Seen<'_>) -> Result<Sides<EquivalentSmoothingReport>> {
        let labels = seen.labels()?;
        let metric = metrics::EquivalentSmoothing { temperature: self.temperature };
        seen.each(|who| {
            let logits = seen.logits(who)?;
            let rows = logits.rows().zip(&labels).map(|(logits, label)| metric.row(logits, *label));
            let gamma = rows.sum::<f64>() / labels.len() as f64;
            let classes = logits.width as f64;
            Ok(EquivalentSmoothingReport { gamma, confidence: 1.0 - gamma * (classes - 1.0) / classes })
        })
    }
}
