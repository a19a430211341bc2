//! Generalised Jensen–Shannon divergence between softened distributions: both compared with their mixture.
//!
//! ```text
//! L = T² · mean over rows of b KL(p ‖ m) + (1 − b) KL(q ‖ m),   m = b p + (1 − b) q
//!     p = softmax(teacher / T),  q = softmax(student / T),  T = temperature,  b = beta
//! ∂L/∂z_k = T (1 − b) q_k (ln(q_k / m_k) − KL(q ‖ m)) / rows                      z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`. b = 0 is `kl` and b = 1 `reverseKl`: special cases, not limits, since the form tends
//! to 0 at both ends. At b = ½ it is symmetric and at most T² ln 2. Source: Agarwal, Vieillard, Zhou, Stanczyk, Ramos,
//! Geist, Bachem, "On-Policy Distillation of Language Models", 2023, arXiv:2306.13649, section 2. Where we differ: T²,
//! as in `kl`.

use std::f64::consts::LN_2;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::loss::{Need, RowLoss, RowTerm};
use super::reference::{self, Reference};
use super::sweep::{Ask, Row, Softmax};
use super::{default_temperature, default_weight, kl, reverse_kl};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::slopes;
use crate::schedule::Scheduled;
use crate::targets::{Source, Teacher};
use crate::tensor::Tensor;

fn default_beta() -> f64 {
    0.5
}

/// Jensen–Shannon divergence between softened logits, times temperature²; between `kl` and `reverseKl`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Jsd {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
    /// The teacher's share of the mixture that both sides are compared with, from 0 (`kl`) to 1 (`reverseKl`).
    /// Default 0.5.
    #[serde(default = "default_beta")]
    pub beta: f64,
    /// What both sides' logits are divided by before the softmax; above 0. Default 1.
    #[serde(default = "default_temperature")]
    pub temperature: Scheduled,
}

impl RowLoss for Jsd {
    fn weight(&self) -> &Scheduled {
        &self.weight
    }

    fn validate(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.beta) {
            return Err(Error::config("beta", format!("expected a number from 0 to 1, got {}", self.beta)));
        }
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
        let source = teacher.ok_or_else(|| Error::internal("jsd without a teacher"))?;
        Ok(match self.beta {
            0.0 => kl::plain(source, temperature, ask),
            1.0 => reverse_kl::plain(source, temperature, ask),
            beta => {
                let pair = ask.slopes(source.teacher, temperature);
                Box::new(Term { pair, teacher: source.teacher, temperature, beta })
            }
        })
    }

    fn reference(&self, step: u64, rows: &Reference, teacher: Option<&Teacher>) -> Result<(Tensor, Tensor)> {
        let (temperature, beta) = (self.temperature.at(step), self.beta);
        if beta == 0.0 {
            return kl::plain_reference(temperature, rows, teacher);
        }
        if beta == 1.0 {
            return reverse_kl::plain_reference(temperature, rows, teacher);
        }
        let log_p = reference::log_softmax(&rows.teacher(teacher)?, temperature)?;
        let log_q = reference::log_softmax(&rows.student, temperature)?;
        let log_m = reference::log_mixture(&log_p, beta, &log_q, 1.0 - beta)?;
        let (p, q) = log_p.exp().and_then(|p| Ok((p, log_q.exp()?))).ok_or_internal()?;
        let (from_p, from_q) = (reference::divergence(&p, &log_m)?, reference::divergence(&q, &log_m)?);
        let t = temperature.powi(2);
        let inner = || Ok((((from_p * (t * beta))? + (from_q * (t * (1.0 - beta)))?)?, (log_q - log_m)?));
        let (value, slopes) = inner().ok_or_internal()?;
        Ok((value, reference::bend(&q, &slopes, temperature * (1.0 - beta))?))
    }
}

struct Term {
    pair: (Softmax, Softmax),
    teacher: usize,
    temperature: f64,
    beta: f64,
}

impl RowTerm for Term {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        let (t, beta, (teacher, student)) = (self.temperature, self.beta, self.pair);
        let (p, q) = (row.probabilities(teacher), row.probabilities(student));
        let (z, v) = (row.exponents(student, row.student), row.exponents(teacher, row.teacher(self.teacher)));
        let [from_p, from_q] = slopes::jensen_shannon(q, p, z, v, beta as f32, row.slopes());
        let from_q = from_q * q.share;
        row.add_bent(student, from_q, t * (1.0 - beta) * LN_2);
        t.powi(2) * LN_2 * (beta * from_p + (1.0 - beta) * from_q)
    }
}
