//! Decoupled distillation: the probability of the label and the ranking of the other classes are weighted separately.
//!
//! ```text
//! L = T² · mean over rows of a · TCKD + b · NCKD
//!     TCKD = KL of the two-way distributions (p_t, 1 − p_t) and (q_t, 1 − q_t)
//!     NCKD = KL(p' ‖ q'),  p' and q' the softmaxes over the classes that are not the label
//!     p = softmax(teacher / T),  q = softmax(student / T),  T = temperature,  t the label,  a = alpha,  b = beta
//! ∂L/∂z_t = T a (q_t − p_t) / rows                       z: the student's logits
//! ∂L/∂z_k = T (b (q'_k − p'_k) − a (q_t − p_t) q'_k) / rows     for k ≠ t
//! ```
//!
//! Logits are `[rows, classes]`, labels `[rows]`. KL(p ‖ q) = TCKD + (1 − p_t) NCKD. Source: Zhao, Cui, Song, Qiu,
//! Liang, "Decoupled Knowledge Distillation", 2022, arXiv:2203.08679, section 3. Where we differ: 1 − p_t is computed
//! as a sum over the other classes, so that it stays precise if p_t is near 1; the paper's warm-up of the loss is a
//! schedule of `weight`; if the teacher masks every other class, NCKD is 0.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::loss::{OfTeacher, RowLoss};
use super::need::{Need, Needs};
use super::plain;
use super::ranges;
use super::reference::{Plain, Reference};
use super::sweep::others::{self, Others};
use super::sweep::{Ask, Row, RowTerm};
use crate::error::{Candle, Result};
use crate::schedule::Scheduled;
use crate::targets::{Signal, Source};
use crate::tensor::Tensor;

fn default_alpha() -> f64 {
    1.0
}

fn default_beta() -> f64 {
    8.0
}

fn default_temperature() -> Scheduled {
    Scheduled::Constant(4.0)
}

/// Decoupled knowledge distillation (DKD): one divergence for the probability of the label and one for the ranking of
/// the other classes, each with its own weight, times temperature².
///
/// Choose it when the teacher is so confident that `kl` hardly transfers its ranking of the other classes.
///
/// ```js
/// distill({ teacher, student, data, losses: { dkd: { alpha: 1, beta: 8 }, crossEntropy: {} } })
/// ```
///
/// See also: `kl`, `kdPt`, `dist`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dkd {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
    /// Weight of the divergence for the label; must be ≥ 0. Default 1.
    #[serde(default = "default_alpha")]
    pub alpha: f64,
    /// Weight of the divergence for the other classes; must be ≥ 0, and > 0 if alpha is 0. Default 8.
    #[serde(default = "default_beta")]
    pub beta: f64,
    /// Temperature applied to student and teacher logits before the softmax; must be > 0. Default 4.
    #[serde(default = "default_temperature")]
    pub temperature: Scheduled,
}

impl RowLoss for Dkd {
    fn validate(&self) -> Result<()> {
        ranges::weights([("alpha", self.alpha), ("beta", self.beta)])
    }

    fn needs(&self) -> Needs {
        Needs::of(&[Need::TeacherLogits, Need::Labels])
    }
}

impl OfTeacher for Dkd {
    fn temperature(&self) -> Option<&Scheduled> {
        Some(&self.temperature)
    }

    fn begin<'a>(&'a self, temperature: f64, source: Source<'a>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        ask.scratch();
        Ok(Box::new(Term { options: self, teacher: source.teacher, temperature }))
    }

    fn reference(&self, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
        let (t, a, b) = (temperature, self.alpha, self.beta);
        let one = rows.one_hot()?;
        let (teacher, student) = (Split::of(&rows.teacher(teacher)?, &one, t)?, Split::of(&rows.student, &one, t)?);
        // The two-way distributions are the softmax of these logits and 0.
        let both = |split: &Split| split.label.pad_with_zeros(1, 0, 1).ok_or_internal();
        let (log_p, log_q) = (plain::log_softmax(&both(&teacher)?, 1.0)?, plain::log_softmax(&both(&student)?, 1.0)?);
        let p = log_p.exp().ok_or_internal()?;
        let target = plain::divergence(&p, &log_q)?;
        // With two classes, or if the teacher masks every other class, there is nothing to rank.
        let ranked = (&teacher.open * if rows.classes() > 2 { b } else { 0.0 }).ok_or_internal()?;
        let others = plain::divergence(&teacher.others, &student.log_others)?;
        let inner = || {
            let value = ((target * a)? + (others * ranked.squeeze(1)?)?)?;
            let towards = ((log_q.exp()? - &p)?.narrow(1, 0, 1)? * a)?;
            let ranking = (&student.others - &teacher.others)?.broadcast_mul(&ranked)?;
            let gradient = (one.broadcast_mul(&towards)? + ranking)? - student.others.broadcast_mul(&towards)?;
            Ok(((value * t.powi(2))?, (gradient? * t)?))
        };
        inner().ok_or_internal()
    }
}

/// The logits of one side in two parts: the label against all other classes together, and the softmax of the other
/// classes.
struct Split {
    /// ln(p_t / (1 − p_t)), `[rows, 1]`.
    label: Tensor,
    /// `[rows, classes]`, 0 at the label.
    others: Tensor,
    log_others: Tensor,
    /// 1 if any of the other classes is not masked, else 0, `[rows, 1]`.
    open: Tensor,
}

impl Split {
    fn of(x: &Tensor, one: &Tensor, temperature: f64) -> Result<Split> {
        let inner = || {
            // A masked class gets a logit far below all others, because the difference of two -∞ is not a number.
            let x = (x / temperature)?.maximum(plain::MASKED)?;
            let masked = one.gt(0.0)?.where_cond(&(x.zeros_like()? + plain::MASKED)?, &x)?;
            let max = masked.max_keepdim(1)?;
            let sum = masked.broadcast_sub(&max)?.exp()?.sum_keepdim(1)?;
            let log_sum = (&max + sum.log()?)?;
            let own = one.gt(0.0)?.where_cond(&x, &x.zeros_like()?)?.sum_keepdim(1)?;
            let log_others = masked.broadcast_sub(&log_sum)?;
            let open = max.gt(plain::MASKED / 2.0)?.to_dtype(x.dtype())?;
            let others = log_others.exp()?.broadcast_mul(&open)?.mul(&(1.0 - one)?)?;
            Ok(Split { label: (own - log_sum)?, others, log_others, open })
        };
        inner().ok_or_internal()
    }
}

struct Term<'a> {
    options: &'a Dkd,
    teacher: usize,
    temperature: f64,
}

impl RowTerm for Term<'_> {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        let (t, label, Dkd { alpha, beta, .. }) = (self.temperature, row.label(), self.options);
        let (z, v, without) = (row.student, row.teacher(self.teacher), [label]);
        let teacher = Others::across(v, z, &without, t, row.slopes());
        let ranks = teacher.sum > 0.0 && row.classes() > 2 && *beta > 0.0;
        if ranks {
            row.add_slopes(-t * beta / teacher.sum);
        }
        let student = Others::of(z, &without, t, row.slopes());
        let of_label = |logits: &[f32], others: Others| f64::from(logits[label]) / t - others.log_sum;
        let (p, q) = (of_label(v, teacher), of_label(z, student));
        let towards = alpha * others::sigmoid_difference(q, p);
        let ranking = if ranks { *beta } else { 0.0 };
        row.add_slopes(t * (ranking - towards) / student.sum);
        row.add_class(label, t * towards);
        let mut value = alpha * others::coin_divergence(p, q);
        if ranks {
            let across = std::f64::consts::LN_2 * teacher.across / teacher.sum;
            value += beta * (across - teacher.sum.ln() + student.sum.ln());
        }
        t.powi(2) * value
    }
}
