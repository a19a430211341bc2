//! Equivalent smoothing: the label smoothing that gives the wrong classes as much probability as the teacher does.
//!
//! ```text
//! γ = mean over rows of (1 − p~_t) · K / (K − 1)          p~ = softmax(v / T)
//! ```
//!
//! v: the teacher's logits, t: the label, K: classes. For a target smoothed by α, γ = α.
//!
//! Source: Müller, Kornblith, Hinton, "When Does Label Smoothing Help?", NeurIPS 2019, arXiv:1906.02629, section 4.
//! Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::{Better, Mean, MeanMetric, Needs};
use super::reweighting::{masses, positive};
use super::rows::Rows;
use crate::error::Result;

/// The label smoothing that gives the wrong classes as much probability as the teacher does; 0 or more.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EquivalentSmoothing {
    /// Temperature applied to the teacher's logits; must be > 0. Default 1.
    pub temperature: f64,
}

impl Default for EquivalentSmoothing {
    fn default() -> Self {
        EquivalentSmoothing { temperature: 1.0 }
    }
}

impl EquivalentSmoothing {
    /// The γ of one row.
    pub fn row(&self, teacher: &[f64], label: usize) -> f64 {
        let classes = teacher.len() as f64;
        masses(teacher, label, self.temperature).1 * classes / (classes - 1.0)
    }
}

impl MeanMetric for EquivalentSmoothing {
    const NEEDS: Needs = Needs::TeacherAndLabels;
    const BETTER: Option<Better> = None;

    fn validate(&self, _outputs: usize) -> Result<()> {
        positive("temperature", self.temperature)
    }

    fn add(&self, rows: &Rows<'_>, mean: &mut Mean) {
        for (row, ((_, label), teacher)) in rows.labelled().zip(rows.teacher()).enumerate() {
            mean.add(self.row(teacher, label), rows.weight(row));
        }
    }
}
