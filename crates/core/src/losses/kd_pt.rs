//! The teacher's confidence alone: its probability of the label, the rest spread evenly over the other classes.
//!
//! ```text
//! L = T² · mean over rows of KL(r ‖ q),   r_t = p_t,  r_k = (1 − p_t) / (classes − 1) for k ≠ t
//!     p = softmax(teacher / T),  q = softmax(student / T),  T = temperature,  t the row's label
//! ∂L/∂z_k = T · (q_k − r_k) / rows                      z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`, labels `[rows]`. With two classes it is `kl`. Source: Tang, Shivanna, Zhao, Lin, Singh,
//! Chi, Jain, "Understanding and Improving Knowledge Distillation", 2020, arXiv:2002.03532 (KD-pt). Where we differ: T²,
//! as in `kl`; the paper's weights beside cross-entropy are those of the two losses here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::confidence::{Confidence, confidences, entropy};
use super::loss::{Need, RowLoss, RowTerm};
use super::reference::{self, Reference};
use super::sweep::{Ask, Row, Side, Softmax};
use super::{default_temperature, default_weight};
use crate::error::{Error, Result};
use crate::schedule::Scheduled;
use crate::targets::{Source, Teacher};
use crate::tensor::Tensor;

/// The teacher's confidence in each row's label, without what it thinks of the other classes (KD-pt).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KdPt {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
    /// What both sides' logits are divided by before the softmax; above 0. Default 1.
    #[serde(default = "default_temperature")]
    pub temperature: Scheduled,
}

impl RowLoss for KdPt {
    fn weight(&self) -> &Scheduled {
        &self.weight
    }

    fn validate(&self) -> Result<()> {
        self.temperature.validate("temperature", "a number above 0", |temperature| temperature > 0.0)
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::TeacherLogits, Need::Labels]
    }

    fn mixed_temperature(&self, step: u64) -> Option<f64> {
        Some(self.temperature.at(step))
    }

    fn begin<'a>(&'a self, step: u64, teacher: Option<Source<'a>>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        let temperature = self.temperature.at(step);
        let source = teacher.ok_or_else(|| Error::internal("kdPt without a teacher"))?;
        let student = ask.softmax(Side::Student, temperature);
        Ok(Box::new(Term { confidence: Confidence::new(source, temperature, ask), student, temperature }))
    }

    fn reference(&self, step: u64, rows: &Reference, teacher: Option<&Teacher>) -> Result<(Tensor, Tensor)> {
        let temperature = self.temperature.at(step);
        reference::towards(&confidences(rows, teacher, temperature)?, rows, temperature)
    }
}

struct Term {
    confidence: Confidence,
    student: Softmax,
    temperature: f64,
}

impl RowTerm for Term {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        let (t, label, others) = (self.temperature, row.label(), (row.classes() - 1) as f64);
        let (log_p, rest) = self.confidence.of(row);
        let p = log_p.exp();
        let each = rest / others;
        row.add_softmax(self.student, t);
        row.add_everywhere(-t * each);
        row.add_class(label, -t * (p - each));
        let log_q = row.log_probability(self.student, label);
        let mean = (row.mean_log_probability(self.student) * row.classes() as f64 - log_q) / others;
        t.powi(2) * (entropy(p, log_p - log_q) + entropy(rest, each.ln() - mean))
    }
}
