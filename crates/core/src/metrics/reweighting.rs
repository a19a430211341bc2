//! Example re-weighting: how a teacher changes the weight of a row, compared with training on its label alone.
//!
//! ```text
//! w_t = (∂KD/∂z_t) / (∂CE/∂z_t) = (1−λ) + λ·T·(p~_t − q~_t) / (1 − q_t),      KD = (1−λ)·CE + λ·T²·KL(p~ ‖ q~)
//! ```
//!
//! t: the label; z, v: logits of student and teacher; q = softmax(z), q~ = softmax(z/T), p~ = softmax(v/T). At λ = 1 and
//! T = 1: (p_t − q_t)/(1 − q_t). w_t grows with the teacher's confidence and is negative if the teacher gives the label
//! less probability than the student does. It is huge if the student is nearly certain, so use median and quantiles.
//!
//! Source: Tang, Shivanna, Zhao, Lin, Singh, Chi, Jain, "Understanding and Improving Knowledge Distillation", 2020,
//! arXiv:2002.03532. Where we differ: the ratio is evaluated exactly, not in expectation; rows with 1 − q_t < 1e-12
//! are skipped and counted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::{Accumulator, Measure, Metric, Needs};
use super::rows::Rows;
use super::spread::Spread;
use crate::error::{Error, Result};

/// How strongly the teacher re-weights each row: at the label's logit, the gradient of distillation divided by the
/// gradient of cross entropy alone. The result is a summary with median and quantiles over the rows; in a run, over the
/// rows of each validation.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Reweighting {
    /// Weight λ of the teacher's part; cross entropy has weight 1 − λ. 0…1. Default 0.5.
    pub weight: f64,
    /// Temperature applied to student and teacher logits in the teacher's part; must be > 0. Default 1.
    pub temperature: f64,
}

impl Default for Reweighting {
    fn default() -> Self {
        Reweighting { weight: 0.5, temperature: 1.0 }
    }
}

/// The probability of a row's label and the total probability of all other classes. The two are computed separately,
/// because 1 − p would round a small probability away.
pub fn masses(logits: &[f64], label: usize, temperature: f64) -> (f64, f64) {
    let scaled = |class: usize| logits[class] / temperature;
    let others = || (0..logits.len()).filter(|class| *class != label).map(scaled);
    let shift = others().fold(f64::NEG_INFINITY, f64::max);
    if shift == f64::NEG_INFINITY {
        return (1.0, 0.0);
    }
    let others = shift + others().map(|logit| (logit - shift).exp()).sum::<f64>().ln();
    let difference = scaled(label) - others;
    (1.0 / (1.0 + (-difference).exp()), 1.0 / (1.0 + difference.exp()))
}

impl Reweighting {
    /// w_t of one row; `None` if the student is so certain of the label that cross entropy has no gradient.
    pub fn row(&self, student: &[f64], teacher: &[f64], label: usize) -> Option<f64> {
        let (_, wrong) = masses(student, label, 1.0);
        if wrong < 1e-12 {
            return None;
        }
        let (q, not_q) = masses(student, label, self.temperature);
        let (p, not_p) = masses(teacher, label, self.temperature);
        let apart = if p > 0.5 { not_q - not_p } else { p - q };
        Some((1.0 - self.weight) + self.weight * self.temperature * apart / wrong)
    }
}

pub(crate) fn positive(name: &str, value: f64) -> Result<()> {
    match value > 0.0 && value.is_finite() {
        true => Ok(()),
        false => Err(Error::config(name, format!("expected a number above 0, got {value}"))),
    }
}

impl Metric for Reweighting {
    fn needs(&self) -> Needs {
        Needs::TeacherAndLabels
    }

    fn validate(&self, _outputs: usize) -> Result<()> {
        if !(0.0..=1.0).contains(&self.weight) {
            return Err(Error::config("weight", format!("expected a number from 0 to 1, got {}", self.weight)));
        }
        positive("temperature", self.temperature)
    }

    fn start(&self, _outputs: usize) -> Box<dyn Accumulator> {
        Box::new(State { options: self.clone(), weights: Vec::new() })
    }
}

/// Stores one number per row, because quantiles need all of them.
struct State {
    options: Reweighting,
    weights: Vec<Option<f64>>,
}

impl Accumulator for State {
    fn add(&mut self, rows: &Rows<'_>) {
        let weights = rows.labelled().zip(rows.teacher());
        self.weights.extend(weights.map(|((student, label), teacher)| self.options.row(student, teacher, label)));
    }

    fn measure(&self) -> Measure {
        Measure::Spread(Spread::of(self.weights.iter().copied()))
    }

    fn numbers(&self) -> Vec<f64> {
        self.weights.iter().flatten().copied().collect()
    }
}
