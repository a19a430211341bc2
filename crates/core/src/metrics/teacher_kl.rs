//! Mean Kullback–Leibler divergence from the teacher's probabilities to the student's, in nats.
//!
//! ```text
//! D = mean over rows of Σ_k p_k (log p_k − log q_k)        p = softmax(t / T), q = softmax(z / T)
//! ```
//!
//! Source: Stanton et al., 2021, arXiv:2106.05945, section 3.2 (average predictive KL). Where we differ: a
//! temperature T may be given; no factor T².

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::{Better, Mean, MeanMetric, Needs};
use super::reweighting::positive;
use super::rows::Rows;
use super::rows::log_sum_exp;
use crate::error::Result;

/// Mean divergence KL(teacher ‖ student) in nats; 0 or more.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TeacherKl {
    /// Temperature applied to student and teacher logits; must be > 0. Default 1.
    pub temperature: f64,
}

impl Default for TeacherKl {
    fn default() -> Self {
        TeacherKl { temperature: 1.0 }
    }
}

impl MeanMetric for TeacherKl {
    const NEEDS: Needs = Needs::TeacherClasses;
    const BETTER: Option<Better> = Some(Better::Lower);

    fn validate(&self, _outputs: usize) -> Result<()> {
        positive("temperature", self.temperature)
    }

    fn add(&self, rows: &Rows<'_>, mean: &mut Mean) {
        for (row, (student, teacher)) in rows.logits().zip(rows.teacher()).enumerate() {
            let softened = |row: &[f64]| -> Vec<f64> {
                let row: Vec<f64> = row.iter().map(|logit| logit / self.temperature).collect();
                let sum = log_sum_exp(&row);
                row.iter().map(|logit| logit - sum).collect()
            };
            let (log_q, log_p) = (softened(student), softened(teacher));
            // A class of probability 0 adds 0 instead of NaN.
            let add = |(p, q): (&f64, &f64)| if *p == f64::NEG_INFINITY { 0.0 } else { p.exp() * (p - q) };
            mean.add(log_p.iter().zip(&log_q).map(add).sum(), rows.weight(row));
        }
    }
}
