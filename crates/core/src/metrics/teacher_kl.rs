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

use super::rows::log_sum_exp;
use super::{Accumulator, Mean, Measure, Metric, Needs, Rows};
use crate::error::{Error, Result};

/// Mean KL(teacher‖student) in nats, 0 or more.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TeacherKl {
    /// Divides the logits of both, above 0. Default 1.
    pub temperature: f64,
}

impl Default for TeacherKl {
    fn default() -> Self {
        TeacherKl { temperature: 1.0 }
    }
}

impl Metric for TeacherKl {
    fn needs(&self) -> Needs {
        Needs::Teacher
    }

    fn validate(&self, _outputs: usize) -> Result<()> {
        if self.temperature > 0.0 && self.temperature.is_finite() {
            return Ok(());
        }
        Err(Error::config("temperature", format!("expected a number above 0, got {}", self.temperature)))
    }

    fn start(&self, _outputs: usize) -> Box<dyn Accumulator> {
        Box::new(State { temperature: self.temperature, mean: Mean::default() })
    }
}

struct State {
    temperature: f64,
    mean: Mean,
}

impl Accumulator for State {
    fn add(&mut self, rows: &Rows<'_>) {
        for (student, teacher) in rows.logits().zip(rows.teacher()) {
            let softened = |row: &[f64]| -> Vec<f64> {
                let row: Vec<f64> = row.iter().map(|logit| logit / self.temperature).collect();
                let sum = log_sum_exp(&row);
                row.iter().map(|logit| logit - sum).collect()
            };
            let (log_q, log_p) = (softened(student), softened(teacher));
            // A class of probability 0 adds 0 and not NaN.
            let add = |(p, q): (&f64, &f64)| if *p == f64::NEG_INFINITY { 0.0 } else { p.exp() * (p - q) };
            self.mean.add(log_p.iter().zip(&log_q).map(add).sum());
        }
    }

    fn measure(&self) -> Measure {
        self.mean.measure()
    }
}
