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

use super::divergence::{self, Mixed, default_alpha};
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

tempered! {
    /// Divergence KL(teacher ‖ mixture) of the softened distributions, times temperature². The mixture is alpha ·
    /// teacher + (1 − alpha) · student; the teacher's share in it bounds the loss.
    ///
    /// Choose it instead of `kl` when the student assigns almost no probability to classes that the teacher considers
    /// possible.
    ///
    /// ```js
    /// distill({ teacher, student, data, losses: { skewKl: { alpha: 0.1 } } })
    /// ```
    ///
    /// See also: `kl`, `skewReverseKl`, `jsd`.
    pub struct SkewKl {
        /// The teacher's share of the mixture; must be ≥ 0 and < 1. At 0 the loss is `kl`. Default 0.1.
        #[serde(default = "default_alpha")]
        pub alpha: f64,
    }
}

impl RowLoss for SkewKl {
    fn validate(&self) -> Result<()> {
        ranges::share_below_one("alpha", self.alpha)
    }

    fn needs(&self) -> Needs {
        Needs::of(&[Need::TeacherLogits])
    }
}

impl OfTeacher for SkewKl {
    fn temperature(&self) -> Option<&Scheduled> {
        Some(&self.temperature)
    }

    fn begin<'a>(&'a self, temperature: f64, source: Source<'a>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        Ok(match self.alpha {
            0.0 => divergence::forward(temperature, source, ask),
            alpha => Box::new(Term { pair: ask.slopes(source.teacher, temperature), temperature, alpha }),
        })
    }

    fn reference(&self, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
        let alpha = self.alpha;
        if alpha == 0.0 {
            return divergence::forward_reference(temperature, rows, teacher);
        }
        let Mixed { log_p, log_q, log_m } = Mixed::of(alpha, temperature, rows, teacher)?;
        let inner = || Ok((log_p.exp()?, log_q.exp()?, (log_p - &log_m)?.exp()?));
        let (p, q, slopes) = inner().ok_or_internal()?;
        let value = (plain::divergence(&p, &log_m)? * temperature.powi(2)).ok_or_internal()?;
        Ok((value, plain::bend(&q, &slopes, -temperature * (1.0 - alpha))?))
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
