//! The divergences between two softened distributions that `kl`, `reverseKl`, `jsd`, `skewKl` and `skewReverseKl`
//! share. At the ends of their ranges the last three equal one of the first two.

use std::f64::consts::LN_2;

use super::plain;
use super::reference::{Plain, Reference, towards};
use super::sweep::{Ask, Row, RowTerm, Softmax};
use crate::error::{Candle, Result};
use crate::kernels::cpu::slopes;
use crate::targets::{self, Signal, Soft, Source};
use crate::tensor::Tensor;

/// T² KL(p ‖ q), p the teacher's softmax at the temperature T and q the student's.
pub(super) fn forward<'a>(temperature: f64, source: Source<'a>, ask: &mut Ask) -> Box<dyn RowTerm + 'a> {
    forward_to(targets::soft(source, temperature, ask), temperature)
}

/// The same with any soft labels.
pub(super) fn forward_to<'a>(
    (target, student): (Box<dyn Soft + 'a>, Softmax),
    temperature: f64,
) -> Box<dyn RowTerm + 'a> {
    Box::new(Forward { target, student, temperature })
}

pub(super) fn forward_reference(temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
    towards(&teacher.target.probabilities(temperature, rows.dtype())?, rows, temperature)
}

struct Forward<'a> {
    target: Box<dyn Soft + 'a>,
    student: Softmax,
    temperature: f64,
}

impl RowTerm for Forward<'_> {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        row.add_softmax(self.student, self.temperature);
        self.target.add(row, -self.temperature);
        self.temperature.powi(2) * self.target.divergence(row)
    }
}

/// T² KL(q ‖ p).
pub(super) fn reverse<'a>(temperature: f64, source: Source<'a>, ask: &mut Ask) -> Box<dyn RowTerm + 'a> {
    Box::new(Reverse { pair: ask.slopes(source.teacher, temperature), teacher: source.teacher, temperature })
}

pub(super) fn reverse_reference(temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Plain> {
    let log_p = plain::log_softmax(&rows.teacher(teacher)?, temperature)?;
    let log_q = plain::log_softmax(&rows.student, temperature)?;
    let inner = || {
        let q = log_q.exp()?;
        // If q is 0, the distance may be infinite.
        let distance = q.gt(0.0)?.where_cond(&(log_q - log_p)?, &q.zeros_like()?)?;
        Ok(((&q * &distance)?.sum(1)?, q, distance))
    };
    let (mean, q, distance) = inner().ok_or_internal()?;
    let value = (mean * temperature.powi(2)).ok_or_internal()?;
    Ok((value, plain::bend(&q, &distance, temperature)?))
}

struct Reverse {
    pair: (Softmax, Softmax),
    teacher: usize,
    temperature: f64,
}

impl RowTerm for Reverse {
    fn row<'t>(&'t self, row: &mut Row<'t, '_, '_>) -> f64 {
        let (t, (teacher, student)) = (self.temperature, self.pair);
        let (exponentials, share) = row.exponentials(student);
        let (a, b) = (row.exponents(student, row.student), row.exponents(teacher, row.teacher(self.teacher)));
        let mean = slopes::reverse(exponentials, a, b, row.slopes()) * share;
        row.add_bent(student, mean, t * LN_2);
        t.powi(2) * (LN_2 * mean - row.log_sum(student) + row.log_sum(teacher))
    }
}

/// ln p, ln q and ln m of the mixture m = a p + (1 − a) q, for the references.
pub(super) struct Mixed {
    pub log_p: Tensor,
    pub log_q: Tensor,
    pub log_m: Tensor,
}

impl Mixed {
    /// `share` is a, the teacher's share.
    pub fn of(share: f64, temperature: f64, rows: &Reference, teacher: &Signal) -> Result<Mixed> {
        let log_p = plain::log_softmax(&rows.teacher(teacher)?, temperature)?;
        let log_q = plain::log_softmax(&rows.student, temperature)?;
        let log_m = plain::log_mixture(&log_p, share, &log_q, 1.0 - share)?;
        Ok(Mixed { log_p, log_q, log_m })
    }
}

/// The default share alpha of a skewed divergence.
pub(super) fn default_alpha() -> f64 {
    0.1
}
