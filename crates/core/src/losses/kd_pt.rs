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

use super::loss::{Need, RowLoss, RowTerm};
use super::reference::{self, Reference};
use super::sweep::{Ask, Row, Side, Softmax};
use super::{default_temperature, default_weight};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::rows;
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

/// r in plain tensor calls, `[rows, classes]`.
pub(super) fn confidences(rows: &Reference, teacher: Option<&Teacher>, temperature: f64) -> Result<Tensor> {
    let p = reference::softmax(&rows.teacher(teacher)?, temperature)?;
    let one = rows.one_hot()?;
    let inner = || {
        let own = (&p * &one)?;
        // What the others have, summed: 1 − p_t would lose it.
        let others = ((&p - &own)?.sum_keepdim(1)? / (rows.classes() - 1) as f64)?;
        own + (1.0 - &one)?.broadcast_mul(&others)?
    };
    inner().ok_or_internal()
}

/// How sure a teacher is of a row's label.
pub(super) struct Confidence {
    softmax: Softmax,
    teacher: usize,
}

impl Confidence {
    pub fn new(source: Source, temperature: f64, ask: &mut Ask) -> Confidence {
        let softmax = ask.softmax(Side::Teacher(source.teacher), temperature);
        Confidence { softmax: ask.stored(softmax), teacher: source.teacher }
    }

    /// ln p_t, and what the other classes have together.
    pub fn of(&self, row: &Row) -> (f64, f64) {
        let label = row.label();
        let log = row.log_share(self.softmax, row.teacher(self.teacher)[label]);
        if log < -0.7 {
            return (log, -log.exp_m1());
        }
        // What is left of a large probability has to be summed.
        let (exponentials, share) = row.exponentials(self.softmax);
        let (before, after) = (&exponentials[..label], &exponentials[label + 1..]);
        (log, (rows::power_sum(before, 1) + rows::power_sum(after, 1)) * share)
    }
}

/// p ln p, and 0 where p is.
pub(super) fn entropy(p: f64, log: f64) -> f64 {
    if p > 0.0 { p * log } else { 0.0 }
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
