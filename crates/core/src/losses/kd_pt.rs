//! The teacher's confidence in the label; the rest is spread evenly over the other classes.
//!
//! ```text
//! L = T² · mean over rows of KL(r ‖ q),   r_t = p_t,  r_k = (1 − p_t) / (classes − 1) for k ≠ t
//!     p = softmax(teacher / T),  q = softmax(student / T),  T = temperature,  t the row's label
//! ∂L/∂z_k = T · (q_k − r_k) / rows                      z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`, labels `[rows]`. With two classes the loss equals `kl`. Source: Tang, Shivanna, Zhao,
//! Lin, Singh, Chi, Jain, "Understanding and Improving Knowledge Distillation", 2020, arXiv:2002.03532 (KD-pt).
//! Where we differ: T², as in `kl`; the paper's weights of this loss and cross-entropy are the `weight` of the two
//! losses here.

use super::confidence::{Confidence, confidences, entropy};
use super::loss::{OfTeacher, RowLoss};
use super::need::{Need, Needs};
use super::reference::{Plain, Reference, towards};
use super::sweep::{Ask, Row, RowTerm, Side, Softmax};
use super::tempered::tempered;
use crate::error::Result;
use crate::schedule::Scheduled;
use crate::targets::{Signal, Source};

tempered! {
    /// Divergence from a target that gives the label the teacher's probability and spreads the rest evenly over the
    /// other classes (KD-pt), times temperature².
    ///
    /// Choose it when the teacher's ranking of the wrong classes is unreliable, or to measure how much the teacher's
    /// confidence alone contributes.
    ///
    /// ```js
    /// distill({ teacher, student, data, losses: { kdPt: { temperature: 2 }, crossEntropy: {} } })
    /// ```
    ///
    /// See also: `kdSim`, `kdPtSim`, `dkd`.
    pub struct KdPt {}
}

impl RowLoss for KdPt {
    fn needs(&self) -> Needs {
        Needs::of(&[Need::TeacherLogits, Need::Labels])
    }
}

impl OfTeacher for KdPt {
    fn temperature(&self) -> Option<&Scheduled> {
        Some(&self.temperature)
    }

    fn begin<'a>(&'a self, temperature: f64, source: Source<'a>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        let student = ask.softmax(Side::Student, temperature);
        Ok(Box::new(Term { confidence: Confidence::new(source, temperature, ask), student, temperature }))
    }

    fn reference(&self, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
        towards(&confidences(rows, teacher, temperature)?, rows, temperature)
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
