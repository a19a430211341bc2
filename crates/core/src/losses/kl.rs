//! Forward Kullback–Leibler divergence between softened distributions.
//!
//! ```text
//! L = T² · mean over rows of Σ_k p_k (ln p_k − ln q_k)
//!     p = softmax(teacher / T),  q = softmax(student / T),  T = temperature
//! ∂L/∂z_k = T · (q_k − p_k) / rows                      z: the student's logits
//! ```
//!
//! Logits are `[rows, classes]`. T² keeps the size of the gradient when T changes. A class of probability 0
//! adds 0. With `standardize` both sides' logits are first made z-scores of their row, s = (z − μ) / (σ + 1e-7)
//! with unbiased σ; then
//!
//! ```text
//! ∂L/∂z_i = g_i / d − (z_i − μ) · Σ_j g_j (z_j − μ) / ((K − 1) σ d²),   g = T (q − p),  d = σ + 1e-7
//! ```
//!
//! Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531,
//! section 2; standardize: Sun, Ren, Li, Wang, Cao, "Logit Standardization in Knowledge Distillation", 2024,
//! arXiv:2403.01427. Where we differ: masked classes (-∞) of a teacher do not count in its z-scores; a
//! constant row has the score 0 and the gradient 0.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::loss::{Need, RowLoss, RowTerm};
use super::reference::{self, Reference};
use super::sweep::{Ask, Row, Softmax};
use super::{default_temperature, default_weight};
use crate::error::{Candle, Error, Result};
use crate::schedule::Scheduled;
use crate::targets::{self, Soft, Source, Teacher};
use crate::tensor::Tensor;

/// Forward Kullback–Leibler divergence KL(teacher ‖ student) between softened logits, times temperature².
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kl {
    /// What the loss is multiplied by in the total; 0 or more. Default 1.
    #[serde(default = "default_weight")]
    pub weight: Scheduled,
    /// What both sides' logits are divided by before the softmax; above 0. Default 1.
    #[serde(default = "default_temperature")]
    pub temperature: Scheduled,
    /// Compares the z-scores of each row instead of its logits. Default false.
    #[serde(default)]
    pub standardize: bool,
}

impl RowLoss for Kl {
    fn weight(&self) -> &Scheduled {
        &self.weight
    }

    fn validate(&self) -> Result<()> {
        self.temperature.validate("temperature", "a number above 0", |temperature| temperature > 0.0)
    }

    fn needs(&self) -> Vec<Need> {
        vec![if self.standardize { Need::TeacherLogits } else { Need::Teacher }]
    }

    fn mixed_temperature(&self, step: u64) -> Option<f64> {
        // z-scores of a mixture would be those of no teacher.
        (!self.standardize).then(|| self.temperature.at(step))
    }

    fn begin<'a>(&'a self, step: u64, teacher: Option<Source<'a>>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        let temperature = self.temperature.at(step);
        let source = teacher.ok_or_else(|| Error::internal("kl without a teacher"))?;
        if self.standardize {
            let pair = ask.pair(source.teacher, temperature, true);
            return Ok(Box::new(Standardized { pair, temperature }));
        }
        Ok(plain(source, temperature, ask))
    }

    fn reference(&self, step: u64, rows: &Reference, teacher: Option<&Teacher>) -> Result<(Tensor, Tensor)> {
        let temperature = self.temperature.at(step);
        if self.standardize {
            return self.standardized_reference(temperature, rows, teacher);
        }
        plain_reference(temperature, rows, teacher)
    }
}

/// `kl` of one temperature: what others are at the ends of their ranges.
pub(super) fn plain<'a>(source: Source<'a>, temperature: f64, ask: &mut Ask) -> Box<dyn RowTerm + 'a> {
    let (target, student) = targets::soft(source, temperature, ask);
    Box::new(Plain { target, student, temperature })
}

pub(super) fn plain_reference(
    temperature: f64,
    rows: &Reference,
    teacher: Option<&Teacher>,
) -> Result<(Tensor, Tensor)> {
    let teacher = teacher.ok_or_else(|| Error::internal("kl without a teacher"))?;
    reference::towards(&teacher.target.probabilities(temperature, rows.dtype())?, rows, temperature)
}

impl Kl {
    fn standardized_reference(
        &self,
        temperature: f64,
        rows: &Reference,
        teacher: Option<&Teacher>,
    ) -> Result<(Tensor, Tensor)> {
        let (teacher_scores, ..) = scores(&rows.teacher(teacher)?)?;
        let (student_scores, centred, sigma) = scores(&rows.student)?;
        let p = reference::softmax(&teacher_scores, temperature)?;
        let log_q = reference::log_softmax(&student_scores, temperature)?;
        let value = reference::divergence(&p, &log_q)?;
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

/// z-scores by row, what is above the mean, and σ `[rows, 1]`; masked classes stay masked.
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

struct Plain<'a> {
    target: Box<dyn Soft + 'a>,
    student: Softmax,
    temperature: f64,
}

impl RowTerm for Plain<'_> {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        row.add_softmax(self.student, self.temperature);
        self.target.add(row, -self.temperature);
        self.temperature.powi(2) * self.target.divergence(row)
    }
}

struct Standardized {
    pair: (Softmax, Softmax),
    temperature: f64,
}

impl RowTerm for Standardized {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        let (teacher, student) = self.pair;
        // A softmax of z-scores is one of the logits at the temperature T · d.
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
