//! Forward Kullback–Leibler divergence between softened distributions.
//!
//! ```text
//! L = T² · mean over rows of Σ_k p_k (ln p_k − ln q_k)
//!     p = softmax(teacher / T),  q = softmax(student / T),  T = temperature
//! ∂L/∂z_k = T · (q_k − p_k) / rows                      z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`. The factor T² keeps the size of the gradient roughly the same when T changes. A class
//! to which the teacher gives the probability 0 contributes 0. With `standardize` the logits of each row are first
//! replaced by their z-scores s = (z − μ) / (σ + 1e-7) on both sides, with unbiased σ; then
//!
//! ```text
//! ∂L/∂z_i = g_i / d − (z_i − μ) · Σ_j g_j (z_j − μ) / ((K − 1) σ d²),   g = T (q − p),  d = σ + 1e-7
//! ```
//!
//! Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531, section 2;
//! standardize: Sun, Ren, Li, Wang, Cao, "Logit Standardization in Knowledge Distillation", 2024, arXiv:2403.01427.
//! Where we differ: the z-scores of a teacher ignore its masked classes (-∞); a constant row has the scores 0 and the
//! gradient 0.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::divergence;
use super::loss::{OfTeacher, RowLoss};
use super::need::{Need, Needs};
use super::plain;
use super::reference::{Plain, Reference};
use super::sweep::{Ask, Row, RowTerm, Softmax};
use crate::error::{Candle, Result};
use crate::schedule::Scheduled;
use crate::targets::{Signal, Source};
use crate::tensor::Tensor;

/// Forward Kullback–Leibler divergence KL(teacher ‖ student) of the softened distributions, times temperature².
///
/// Choose it first: it is the usual loss for distillation. A temperature from 2 to 8 raises the teacher's
/// probabilities of the wrong classes, so that the student learns how the teacher ranks them.
///
/// ```js
/// distill({ teacher, student, data, losses: { kl: { temperature: 4 }, crossEntropy: { weight: 0.1 } } })
/// ```
///
/// See also: `reverseKl`, `jsd`, `dkd`, `dist`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kl {
    /// Weight of this loss in the total; must be ≥ 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub weight: Scheduled,
    /// Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
    #[serde(default = "Scheduled::one")]
    pub temperature: Scheduled,
    /// Compares the z-scores of each row instead of its logits. Default false.
    #[serde(default)]
    pub standardize: bool,
}

impl RowLoss for Kl {
    fn needs(&self) -> Needs {
        Needs::of(&[if self.standardize { Need::TeacherLogits } else { Need::Teacher }])
    }
}

impl OfTeacher for Kl {
    fn temperature(&self) -> Option<&Scheduled> {
        Some(&self.temperature)
    }

    fn reads_mixtures(&self) -> bool {
        // The z-scores of a mixture would not be those of any teacher.
        !self.standardize
    }

    fn begin<'a>(&'a self, temperature: f64, source: Source<'a>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        if self.standardize {
            let pair = ask.pair(source.teacher, temperature, true);
            return Ok(Box::new(Standardized { pair, temperature }));
        }
        Ok(divergence::forward(temperature, source, ask))
    }

    fn reference(&self, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
        if self.standardize {
            return self.standardized_reference(temperature, rows, teacher);
        }
        divergence::forward_reference(temperature, rows, teacher)
    }
}

impl Kl {
    fn standardized_reference(&self, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
        let (teacher_scores, ..) = scores(&rows.teacher(teacher)?)?;
        let (student_scores, centred, sigma) = scores(&rows.student)?;
        let p = plain::softmax(&teacher_scores, temperature)?;
        let log_q = plain::log_softmax(&student_scores, temperature)?;
        let value = plain::divergence(&p, &log_q)?;
        let inner = || {
            let g = ((log_q.exp()? - p)? * temperature)?;
            let d = (&sigma + 1e-7)?;
            let along = (&g * &centred)?.sum_keepdim(1)?;
            let divisor = ((&sigma * (rows.classes() - 1) as f64)? * d.sqr()?)?;
            let open = sigma.gt(&sigma.zeros_like()?)?;
            let along = open.where_cond(&along.div(&divisor)?, &sigma.zeros_like()?)?;
            let gradient = (g.broadcast_div(&d)? - centred.broadcast_mul(&along)?)?;
            let open = open.broadcast_as(gradient.shape())?;
            Ok(((value * temperature.powi(2))?, open.where_cond(&gradient, &gradient.zeros_like()?)?))
        };
        inner().ok_or_internal()
    }
}

/// For each row the z-scores, the differences from the mean, and σ `[rows, 1]`; masked classes stay masked.
fn scores(x: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let inner = || {
        let zero = x.zeros_like()?;
        let open = x.gt(&zero.affine(0.0, f64::from(f32::MIN))?)?;
        let count = open.to_dtype(x.dtype())?.sum_keepdim(1)?;
        let mean = open.where_cond(x, &zero)?.sum_keepdim(1)?.div(&count)?;
        let centred = x.broadcast_sub(&mean)?;
        let squares = open.where_cond(&centred, &zero)?.sqr()?.sum_keepdim(1)?;
        let sigma = squares.div(&(count - 1.0)?)?.sqrt()?;
        Ok((centred.broadcast_div(&(&sigma + 1e-7)?)?, centred, sigma))
    };
    inner().ok_or_internal()
}

struct Standardized {
    pair: (Softmax, Softmax),
    temperature: f64,
}

impl RowTerm for Standardized {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        let (teacher, student) = self.pair;
        // A softmax of z-scores is a softmax of the logits at the temperature T · d.
        if let (mean, Some(d)) = row.spread(student) {
            let g = self.temperature / d;
            row.add_softmax(student, g);
            row.add_softmax(teacher, -g);
            let along = self.temperature * (row.mean_logit(student, mean) - row.mean_logit(teacher, mean));
            row.add_logits(mean, -along / ((row.classes() - 1) as f64 * (d - 1e-7) * d.powi(2)));
        }
        self.temperature.powi(2) * row.divergence(self.pair)
    }
}
