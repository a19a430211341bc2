//! Generalised Jensen–Shannon divergence between softened distributions: each is compared with their mixture.
//!
//! ```text
//! L = T² · mean over rows of b KL(p ‖ m) + (1 − b) KL(q ‖ m),   m = b p + (1 − b) q
//!     p = softmax(teacher / T),  q = softmax(student / T),  T = temperature,  b = beta
//! ∂L/∂z_k = T (1 − b) q_k (ln(q_k / m_k) − KL(q ‖ m)) / rows                      z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`. b = 0 is `kl` and b = 1 is `reverseKl`. These two are defined separately, because the
//! formula tends to 0 as b tends to 0 or 1. At b = ½ the loss is symmetric and at most T² ln 2. Source: Agarwal,
//! Vieillard, Zhou, Stanczyk, Ramos, Geist, Bachem, "On-Policy Distillation of Language Models", 2023,
//! arXiv:2306.13649, section 2. Where we differ: T², as in `kl`.

use std::f64::consts::LN_2;

use super::divergence::{self, Mixed};
use super::loss::{OfTeacher, RowLoss};
use super::need::{Need, Needs};
use super::plain;
use super::ranges;
use super::reference::{Plain, Reference};
use super::sweep::{Ask, Row, RowTerm, Softmax};
use super::tempered::tempered;
use crate::error::{Candle, Result};
use crate::kernels::cpu::slopes;
use crate::schedule::Scheduled;
use crate::targets::{Signal, Source};

fn default_beta() -> f64 {
    0.5
}

tempered! {
    /// Generalised Jensen–Shannon divergence of the softened distributions, times temperature². It equals `kl` at beta
    /// 0 and `reverseKl` at beta 1.
    ///
    /// Choose it when teacher and student disagree so strongly that `kl` makes training unstable: the value of `jsd` is
    /// bounded.
    ///
    /// ```js
    /// distill({ teacher, student, data, losses: { jsd: { beta: 0.5, temperature: 2 } } })
    /// ```
    ///
    /// See also: `kl`, `reverseKl`, `tvd`.
    pub struct Jsd {
        /// The teacher's share of the mixture that both distributions are compared with, from 0 (`kl`) to 1
        /// (`reverseKl`). Default 0.5.
        #[serde(default = "default_beta")]
        pub beta: f64,
    }
}

impl RowLoss for Jsd {
    fn validate(&self) -> Result<()> {
        ranges::share("beta", self.beta)
    }

    fn needs(&self) -> Needs {
        Needs::of(&[Need::TeacherLogits])
    }
}

impl OfTeacher for Jsd {
    fn temperature(&self) -> Option<&Scheduled> {
        Some(&self.temperature)
    }

    fn begin<'a>(&'a self, temperature: f64, source: Source<'a>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        Ok(match self.beta {
            0.0 => divergence::forward(temperature, source, ask),
            1.0 => divergence::reverse(temperature, source, ask),
            beta => {
                let pair = ask.slopes(source.teacher, temperature);
                Box::new(Term { pair, teacher: source.teacher, temperature, beta })
            }
        })
    }

    fn reference(&self, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
        let beta = self.beta;
        if beta == 0.0 {
            return divergence::forward_reference(temperature, rows, teacher);
        }
        if beta == 1.0 {
            return divergence::reverse_reference(temperature, rows, teacher);
        }
        let Mixed { log_p, log_q, log_m } = Mixed::of(beta, temperature, rows, teacher)?;
        let (p, q) = log_p.exp().and_then(|p| Ok((p, log_q.exp()?))).ok_or_internal()?;
        let (from_p, from_q) = (plain::divergence(&p, &log_m)?, plain::divergence(&q, &log_m)?);
        let t = temperature.powi(2);
        let inner = || Ok((((from_p * (t * beta))? + (from_q * (t * (1.0 - beta)))?)?, (log_q - log_m)?));
        let (value, slopes) = inner().ok_or_internal()?;
        Ok((value, plain::bend(&q, &slopes, temperature * (1.0 - beta))?))
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
