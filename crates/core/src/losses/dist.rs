//! Correlation instead of equality: the probabilities of each row are correlated over the classes, those of each class
//! over the batch.
//!
//! ```text
//! L = T² · ( inter · (1 − mean over rows of ρ(q_r, p_r)) + intra · (1 − mean over classes of ρ(q_k, p_k)) )
//!     p = softmax(teacher / T),  q = softmax(student / T),  T = temperature
//!     ρ Pearson's correlation: of a row r over the classes, of a class k over the rows
//! ∂ρ/∂a = (b'/‖b'‖ − ρ a'/‖a'‖) / ‖a'‖,   a' = a − mean(a),  b' = b − mean(b),  then ∂L/∂z through the softmax
//! ```
//!
//! Logits are `[rows, classes]`. Row weights apply to the mean over rows, and to the means, deviations and products
//! over a column. The second term couples the rows of a batch: with accumulation it is computed for each micro-batch,
//! so four micro-batches of 16 rows do not equal a batch of 64. Source: Huang, You, Wang, Qian, Xu, "Knowledge
//! Distillation from A Stronger Teacher", 2022, arXiv:2205.10536, section 3. Where we differ: there is no 1e-8 in the
//! denominator: a constant row or column has correlation 0 and gradient 0, and so has a column whose weighted deviation
//! is at most 1e-20; for a single row the second term is left out; T² always applies, while the authors use it only in
//! some settings.

use super::loss::{OfTeacher, RowLoss};
use super::need::{Need, Needs};
use super::plain;
use super::ranges;
use super::reference::{Plain, Reference};
use super::sweep::columns::{self, Columns};
use super::sweep::{Ask, Row, RowTerm, Rows, Softmax};
use super::tempered::tempered;
use crate::error::{Candle, Result};
use crate::kernels::cpu::{rows, slopes};
use crate::schedule::Scheduled;
use crate::targets::{Signal, Source};
use crate::tensor::Tensor;

fn one() -> f64 {
    1.0
}

tempered! {
    /// Pearson correlation of the softened distributions, per row over the classes and per class over the batch
    /// (DIST), times temperature².
    ///
    /// Choose it when the teacher is so much larger that the student cannot match its exact probabilities.
    ///
    /// ```js
    /// distill({ teacher, student, data, losses: { dist: { inter: 1, intra: 1 }, crossEntropy: {} } })
    /// ```
    ///
    /// See also: `kl`, `dkd`, `similarity`.
    pub struct Dist {
        /// Weight of the correlation of each row over the classes; must be ≥ 0. Default 1.
        #[serde(default = "one")]
        pub inter: f64,
        /// Weight of the correlation of each class over the rows of the batch; must be ≥ 0, and > 0 if inter is 0.
        /// Needs batches of at least two rows. Default 1.
        #[serde(default = "one")]
        pub intra: f64,
    }
}

impl RowLoss for Dist {
    fn validate(&self) -> Result<()> {
        ranges::weights([("inter", self.inter), ("intra", self.intra)])
    }

    fn needs(&self) -> Needs {
        Needs::of(&[Need::TeacherLogits])
    }

    fn couples_rows(&self) -> Option<&'static str> {
        (self.intra > 0.0).then_some("intra")
    }
}

impl OfTeacher for Dist {
    fn temperature(&self) -> Option<&Scheduled> {
        Some(&self.temperature)
    }

    fn begin<'a>(&'a self, temperature: f64, source: Source<'a>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>> {
        let pair = ask.slopes(source.teacher, temperature);
        Ok(Box::new(Term { options: self, pair, teacher: source.teacher, temperature, columns: None }))
    }

    fn reference(&self, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
        let q = plain::softmax(&rows.student, temperature)?;
        let p = plain::softmax(&rows.teacher(teacher)?, temperature)?;
        let count = rows.weights.iter().filter(|weight| **weight != 0.0).count();
        let inner = || {
            let (across, mut slopes) = correlate(&q, &p, &q.ones_like()?)?;
            slopes = (slopes * -self.inter)?;
            let mut value = ((1.0 - across)? * self.inter)?.squeeze(1)?;
            if self.intra > 0.0 && count > 1 {
                // A row of weight 0 may contain any numbers.
                let weights = Tensor::new(rows.weights.as_slice(), q.device())?.to_dtype(q.dtype())?;
                let weights = weights.unsqueeze(1)?.broadcast_as(q.shape())?.contiguous()?;
                let open = weights.gt(0.0)?;
                let turned = |x: &Tensor| open.where_cond(x, &x.zeros_like()?)?.t()?.contiguous();
                let (down, more) = correlate(&turned(&q)?, &turned(&p)?, &weights.t()?.contiguous()?)?;
                let total: f64 = rows.weights.iter().sum();
                let factor = -self.intra * total / rows.classes() as f64;
                slopes = (slopes + (more.t()? * factor)?)?;
                value = value.broadcast_add(&((1.0 - down.mean_all()?)? * self.intra)?)?;
            }
            Ok((value * temperature.powi(2), slopes))
        };
        let (value, slopes) = inner().ok_or_internal()?;
        Ok((value.ok_or_internal()?, plain::bend(&q, &slopes, temperature)?))
    }
}

/// For each row of `a` and `b`, with weights: ρ, and ∂ρ/∂a divided by the weights; both are 0 if one side is constant.
fn correlate(a: &Tensor, b: &Tensor, weights: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
    let open = weights.gt(0.0)?;
    let total = weights.sum_keepdim(1)?;
    let centred = |x: &Tensor| {
        // A number that occurs in the row is subtracted first, so that a constant row becomes 0 without rounding.
        let low = (x.zeros_like()? - 1.0)?;
        let first = open.where_cond(x, &low)?.max_keepdim(1)?;
        let x = x.broadcast_sub(&first)?;
        let mean = (&x * weights)?.sum_keepdim(1)?.div(&total)?;
        x.broadcast_sub(&mean)
    };
    let (a, b) = (centred(a)?, centred(b)?);
    let norm = |x: &Tensor| (x.sqr()? * weights)?.sum_keepdim(1)?.sqrt();
    let (a_norm, b_norm) = (norm(&a)?, norm(&b)?);
    let moves =
        (a_norm.gt(columns::CONSTANT)?.to_dtype(a.dtype())? * b_norm.gt(columns::CONSTANT)?.to_dtype(a.dtype())?)?;
    // Two points always have the correlation 1 or −1, so its gradient is 0.
    let counted = open.to_dtype(a.dtype())?.sum_keepdim(1)?.gt(2.0)?.to_dtype(a.dtype())?;
    let safe = |norm: &Tensor| moves.gt(0.0)?.where_cond(norm, &norm.ones_like()?);
    let (a, b) = (a.broadcast_div(&safe(&a_norm)?)?, b.broadcast_div(&safe(&b_norm)?)?);
    let correlation = ((&a * &b)?.mul(weights)?.sum_keepdim(1)? * &moves)?;
    let slope = (b - a.broadcast_mul(&correlation)?)?.broadcast_div(&safe(&a_norm)?)?;
    Ok((correlation, slope.broadcast_mul(&(moves * counted)?)?))
}

struct Term<'a> {
    options: &'a Dist,
    pair: (Softmax, Softmax),
    teacher: usize,
    temperature: f64,
    columns: Option<Columns>,
}

impl RowTerm for Term<'_> {
    fn look(&mut self, rows: &Rows, weights: Option<&[f64]>) -> Result<()> {
        if self.options.intra > 0.0 {
            self.columns = Columns::of(rows, self.teacher, self.temperature, weights)?;
        }
        Ok(())
    }

    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        let (t, (teacher, student)) = (self.temperature, self.pair);
        let ((q, share), (p, _)) = (row.exponentials(student), row.exponentials(teacher));
        // The exponentials are proportional to the probabilities, so they have the same correlation.
        let ((_, q_mean, q_squares), (_, p_mean, p_squares)) = (rows::spread(q, q[0]), rows::spread(p, p[0]));
        let mut correlation = 0.0;
        let (mut a, mut b) = (0.0, 0.0);
        if q_squares > 0.0 && p_squares > 0.0 {
            let both = (q_squares * p_squares).sqrt();
            correlation = slopes::covariance(q, q_mean as f32, p, p_mean as f32) / both;
            if q.len() == 2 {
                // Two points always have the correlation 1 or −1, so its gradient is 0.
                correlation = correlation.signum();
            } else {
                let weight = self.options.inter / share;
                (a, b) = (weight * correlation / q_squares, -weight / both);
            }
        }
        let mut mean = slopes::linear(q, q_mean as f32, a as f32, p, p_mean as f32, b as f32, row.slopes());
        let mut value = self.options.inter * (1.0 - correlation);
        if let Some(columns) = &self.columns {
            let factor = self.options.intra * columns.weight / row.classes() as f64;
            let (q, p) = (row.probabilities(student), row.probabilities(teacher));
            // No slopes are pending yet, so these slopes are added to those above.
            mean = slopes::columns(q, p, columns.slices(), factor as f32, row.slopes());
            value += self.options.intra * (1.0 - columns.mean);
        }
        row.add_bent(student, mean * share, t);
        t.powi(2) * value
    }
}
