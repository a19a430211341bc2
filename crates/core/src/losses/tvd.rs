//! Total variation distance between softened distributions: half the sum of absolute differences.
//!
//! ```text
//! L = mean over rows of ½ Σ_k |q_k − p_k|,   0 ≤ L ≤ 1
//!     p = softmax(teacher / T),  q = softmax(student / T),  T = temperature
//! ∂L/∂z_k = q_k (g_k − Σ_j q_j g_j) / (T · rows),  g_k = ½ sign(q_k − p_k)          z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`. Source: Wen, Li, Du, Mou, "f-Divergence Minimization for Sequence-Level Knowledge
//! Distillation", 2023, arXiv:2307.15190, section 3. Where we differ: nowhere; there is no T², because the distance has
//! its own fixed range.

use super::loss::{OfTeacher, RowLoss};
use super::need::{Need, Needs};
use super::plain;
use super::reference::{Plain, Reference};
use super::sweep::{Ask, Row, RowTerm, Softmax};
use super::tempered::tempered;
use crate::error::{Candle, Result};
use crate::kernels::cpu::slopes;
use crate::schedule::Scheduled;
use crate::targets::{Signal, Source};

tempered! {
    /// Total variation distance of the softened distributions, from 0 to 1, not multiplied by temperature².
    ///
    /// Choose it when a few rows on which the teacher is wrong must not dominate the loss: each row contributes at most
    /// 1.
    ///
    /// ```js
    /// distill({ teacher, student, data, losses: { tvd: { temperature: 2 } } })
    /// ```
    ///
    /// See also: `jsd`, `kl`.
    pub struct Tvd {}
}

impl RowLoss for Tvd {
    fn needs(&self) -> Needs {
        Needs::of(&[Need::TeacherLogits])
    }
}

impl OfTeacher for Tvd {
    fn temperature(&self) -> Option<&Scheduled> {
        Some(&self.temperature)
    }

    fn begin<'a>(&'a self, temperature: f64, source: Source<'a>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        Ok(Box::new(Term { pair: ask.slopes(source.teacher, temperature), temperature }))
    }

    fn reference(&self, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
        let p = plain::softmax(&rows.teacher(teacher)?, temperature)?;
        let q = plain::softmax(&rows.student, temperature)?;
        let inner = || Ok((((&q - &p)?.abs()?.sum(1)? * 0.5)?, plain::sign(&(&q - &p)?)?));
        let (value, signs) = inner().ok_or_internal()?;
        Ok((value, plain::bend(&q, &signs, 0.5 / temperature)?))
    }
}

struct Term {
    pair: (Softmax, Softmax),
    temperature: f64,
}

impl RowTerm for Term {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        let (teacher, student) = self.pair;
        let (p, q) = (row.probabilities(teacher), row.probabilities(student));
        let [distance, signs] = slopes::total_variation(q, p, row.slopes());
        row.add_bent(student, signs * q.share, 0.5 / self.temperature);
        0.5 * distance
    }
}
