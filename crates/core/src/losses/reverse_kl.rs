//! Reverse Kullback–Leibler divergence between softened distributions: the student seeks the teacher's modes.
//!
//! ```text
//! L = T² · mean over rows of Σ_k q_k (ln q_k − ln p_k)
//!     p = softmax(teacher / T),  q = softmax(student / T),  T = temperature
//! ∂L/∂z_k = T · q_k (ln q_k − ln p_k − Σ_j q_j (ln q_j − ln p_j)) / rows      z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`. Source: Gu, Dong, Wei, Huang, "MiniLLM: Knowledge Distillation of Large
//! Language Models", 2023, arXiv:2306.08543, section 2. Where we differ: T², as in `kl`; a class that the teacher
//! masks makes it infinite, which is refused by row.

use std::f64::consts::LN_2;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::loss::{Need, RowLoss, RowTerm};
use super::reference::{self, Reference};
use super::sweep::{Ask, Row, Softmax};
use super::{default_temperature, default_weight};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::slopes;
use crate::schedule::Scheduled;
use crate::targets::{Source, Teacher};
use crate::tensor::Tensor;

/// Reverse Kullback–Leibler divergence KL(student ‖ teacher) between softened logits, times temperature².
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReverseKl {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
    /// What both sides' logits are divided by before the softmax; above 0. Default 1.
    #[serde(default = "default_temperature")]
    pub temperature: Scheduled,
}

impl RowLoss for ReverseKl {
    fn weight(&self) -> &Scheduled {
        &self.weight
    }

    fn validate(&self) -> Result<()> {
        self.temperature.validate("temperature", "a number above 0", |temperature| temperature > 0.0)
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::TeacherLogits]
    }

    fn mixed_temperature(&self, step: u64) -> Option<f64> {
        Some(self.temperature.at(step))
    }

    fn begin<'a>(&'a self, step: u64, teacher: Option<Source<'a>>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        let source = teacher.ok_or_else(|| Error::internal("reverseKl without a teacher"))?;
        Ok(plain(source, self.temperature.at(step), ask))
    }

    fn reference(&self, step: u64, rows: &Reference, teacher: Option<&Teacher>) -> Result<(Tensor, Tensor)> {
        plain_reference(self.temperature.at(step), rows, teacher)
    }
}

/// `reverseKl` of one temperature: what others are at the ends of their ranges.
pub(super) fn plain<'a>(source: Source<'a>, temperature: f64, ask: &mut Ask) -> Box<dyn RowTerm + 'a> {
    Box::new(Term { pair: ask.slopes(source.teacher, temperature), teacher: source.teacher, temperature })
}

pub(super) fn plain_reference(
    temperature: f64,
    rows: &Reference,
    teacher: Option<&Teacher>,
) -> Result<(Tensor, Tensor)> {
    let log_p = reference::log_softmax(&rows.teacher(teacher)?, temperature)?;
    let log_q = reference::log_softmax(&rows.student, temperature)?;
    let inner = || {
        let q = log_q.exp()?;
        // Where q is 0 the distance may be infinite.
        let distance = q.gt(0.0)?.where_cond(&(log_q - log_p)?, &q.zeros_like()?)?;
        Ok(((&q * &distance)?.sum(1)?, q, distance))
    };
    let (mean, q, distance) = inner().ok_or_internal()?;
    let value = (mean * temperature.powi(2)).ok_or_internal()?;
    Ok((value, reference::bend(&q, &distance, temperature)?))
}

struct Term {
    pair: (Softmax, Softmax),
    teacher: usize,
    temperature: f64,
}

impl RowTerm for Term {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        let (t, (teacher, student)) = (self.temperature, self.pair);
        let (exponentials, share) = row.exponentials(student);
        let (a, b) = (row.exponents(student, row.student), row.exponents(teacher, row.teacher(self.teacher)));
        let mean = slopes::reverse(exponentials, a, b, row.slopes()) * share;
        row.add_bent(student, mean, t * LN_2);
        t.powi(2) * (LN_2 * mean - row.log_sum(student) + row.log_sum(teacher))
    }
}
