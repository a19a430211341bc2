//! Skew Kullback–Leibler divergence: from the teacher to a mixture of both.
//!
//! ```text
//! L = T² · mean over rows of KL(p ‖ m),   m = a p + (1 − a) q
//!     p = softmax(teacher / T),  q = softmax(student / T),  T = temperature,  a = alpha
//! ∂L/∂z_k = −T (1 − a) q_k (p_k/m_k − Σ_j q_j p_j/m_j) / rows                    z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`. It is at most T² ln(1/a); a = 0 is `kl`. Source: Ko, Kim, Chen, Yun, "DistiLLM:
//! Towards Streamlined Distillation for Large Language Models", 2024, arXiv:2402.03898, section 3. Where we differ: T²,
//! as in `kl`; the teacher's entropy, which the authors' code drops, stays in the value.

use std::f64::consts::LN_2;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::loss::{Need, RowLoss, RowTerm};
use super::reference::{self, Reference};
use super::skew::{check, default_alpha};
use super::sweep::{Ask, Row, Softmax};
use super::{default_temperature, default_weight, kl};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::slopes;
use crate::schedule::Scheduled;
use crate::targets::{Source, Teacher};
use crate::tensor::Tensor;

/// Divergence KL(teacher ‖ mixture) between softened logits, times temperature²; the mixture holds some of the teacher, which bounds it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SkewKl {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
    /// The teacher's share of the mixture; at least 0 (`kl`), below 1. Default 0.1.
    #[serde(default = "default_alpha")]
    pub alpha: f64,
    /// What both sides' logits are divided by before the softmax; above 0. Default 1.
    #[serde(default = "default_temperature")]
    pub temperature: Scheduled,
}

impl RowLoss for SkewKl {
    fn weight(&self) -> &Scheduled {
        &self.weight
    }

    fn validate(&self) -> Result<()> {
        check(self.alpha, &self.temperature)
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::TeacherLogits]
    }

    fn mixed_temperature(&self, step: u64) -> Option<f64> {
        Some(self.temperature.at(step))
    }

    fn begin<'a>(&'a self, step: u64, teacher: Option<Source<'a>>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        let temperature = self.temperature.at(step);
        let source = teacher.ok_or_else(|| Error::internal("skewKl without a teacher"))?;
        Ok(match self.alpha {
            0.0 => kl::plain(source, temperature, ask),
            alpha => Box::new(Term { pair: ask.slopes(source.teacher, temperature), temperature, alpha }),
        })
    }

    fn reference(&self, step: u64, rows: &Reference, teacher: Option<&Teacher>) -> Result<(Tensor, Tensor)> {
        let (temperature, alpha) = (self.temperature.at(step), self.alpha);
        if alpha == 0.0 {
            return kl::plain_reference(temperature, rows, teacher);
        }
        let log_p = reference::log_softmax(&rows.teacher(teacher)?, temperature)?;
        let log_q = reference::log_softmax(&rows.student, temperature)?;
        let log_m = reference::log_mixture(&log_p, alpha, &log_q, 1.0 - alpha)?;
        let inner = || Ok((log_p.exp()?, log_q.exp()?, (log_p - &log_m)?.exp()?));
        let (p, q, slopes) = inner().ok_or_internal()?;
        let value = (reference::divergence(&p, &log_m)? * temperature.powi(2)).ok_or_internal()?;
        Ok((value, reference::bend(&q, &slopes, -temperature * (1.0 - alpha))?))
    }
}

struct Term {
    pair: (Softmax, Softmax),
    temperature: f64,
    alpha: f64,
}

impl RowTerm for Term {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        let (t, (teacher, student)) = (self.temperature, self.pair);
        let (p, q) = (row.probabilities(teacher), row.probabilities(student));
        let [value, mean] = slopes::skew(q, p, self.alpha as f32, row.slopes());
        row.add_bent(student, mean * q.share, -t * (1.0 - self.alpha));
        t.powi(2) * LN_2 * value
    }
}
