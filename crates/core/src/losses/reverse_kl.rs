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

use std::f64::consts::{LN_2, LOG2_E};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::loss::{Need, RowLoss, RowTerm};
use super::reference::{self, Reference};
use super::sweep::{Ask, Dense, Side, Softmax};
use super::{default_temperature, default_weight};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::pointwise::{self, Exponents};
use crate::schedule::Scheduled;
use crate::targets::{Source, Target};
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

    fn begin<'a>(&'a self, step: u64, teacher: Option<Source<'a>>, ask: &mut Ask) -> Result<Box<dyn RowTerm<'a> + 'a>> {
        let temperature = self.temperature.at(step);
        let source = teacher.ok_or_else(|| Error::internal("reverseKl without a teacher"))?;
        let own = ask.softmax(Side::Student, temperature);
        let student = ask.read(own);
        let softmax = ask.softmax(Side::Teacher(source.teacher), temperature);
        Ok(Box::new(Term { student, softmax, teacher: source.teacher, temperature }))
    }

    fn reference(&self, step: u64, rows: &Reference, teacher: Option<&Target>) -> Result<(Tensor, Tensor)> {
        let temperature = self.temperature.at(step);
        let log_p = reference::log_softmax(&rows.teacher(teacher)?, temperature)?;
        let log_q = reference::log_softmax(&rows.student, temperature)?;
        let inner = || {
            let (q, distance) = (log_q.exp()?, (log_q - log_p)?);
            let mean = (&q * &distance)?.sum_keepdim(1)?;
            let gradient = ((q * distance.broadcast_sub(&mean)?)? * temperature)?;
            Ok(((mean.squeeze(1)? * temperature.powi(2))?, gradient))
        };
        inner().ok_or_internal()
    }
}

struct Term {
    student: Softmax,
    softmax: Softmax,
    teacher: usize,
    temperature: f64,
}

impl<'a> RowTerm<'a> for Term {
    fn is_dense(&self) -> bool {
        true
    }

    fn dense(&self, row: &mut Dense) -> f64 {
        let t = self.temperature;
        let exponents = |logits, softmax| Exponents { logits, max: row.max(softmax), scale: (LOG2_E / t) as f32 };
        let (a, b) = (exponents(row.student(), self.student), exponents(row.teacher(self.teacher), self.softmax));
        let (exponentials, share) = row.exponentials(self.student);
        let mean = pointwise::mean_distance(exponentials, a, b) * share;
        let scale = row.scale * t * LN_2 * share;
        pointwise::add_distance(exponentials, a, b, mean as f32, scale as f32, row.gradient);
        t.powi(2) * (LN_2 * mean - row.log_sum(self.student) + row.log_sum(self.softmax))
    }
}
