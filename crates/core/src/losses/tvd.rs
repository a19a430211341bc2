//! Total variation distance between softened distributions: half the sum of absolute differences.
//!
//! ```text
//! L = mean over rows of ½ Σ_k |q_k − p_k|,   0 ≤ L ≤ 1
//!     p = softmax(teacher / T),  q = softmax(student / T),  T = temperature
//! ∂L/∂z_k = q_k (g_k − Σ_j q_j g_j) / (T · rows),  g_k = ½ sign(q_k − p_k)          z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`. Source: Wen, Li, Du, Mou, "f-Divergence Minimization for Sequence-Level Knowledge
//! Distillation", 2023, arXiv:2307.15190, section 3. Where we differ: nowhere; there is no T², since the distance has a
//! unit of its own.

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

/// Total variation distance between softened logits, from 0 to 1; without temperature².
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tvd {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
    /// What both sides' logits are divided by before the softmax; above 0. Default 1.
    #[serde(default = "default_temperature")]
    pub temperature: Scheduled,
}

impl RowLoss for Tvd {
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
        let temperature = self.temperature.at(step);
        let source = teacher.ok_or_else(|| Error::internal("tvd without a teacher"))?;
        Ok(Box::new(Term { pair: ask.slopes(source.teacher, temperature), temperature }))
    }

    fn reference(&self, step: u64, rows: &Reference, teacher: Option<&Teacher>) -> Result<(Tensor, Tensor)> {
        let temperature = self.temperature.at(step);
        let p = reference::softmax(&rows.teacher(teacher)?, temperature)?;
        let q = reference::softmax(&rows.student, temperature)?;
        let inner = || Ok((((&q - &p)?.abs()?.sum(1)? * 0.5)?, reference::sign(&(&q - &p)?)?));
        let (value, signs) = inner().ok_or_internal()?;
        Ok((value, reference::bend(&q, &signs, 0.5 / temperature)?))
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
