//! The teacher's confidence in a row's label, which kdPt and kdPtSim use.

use super::plain;
use super::reference::Reference;
use super::sweep::{Ask, Row, Side, Softmax};
use crate::error::{Candle, Result};
use crate::kernels::cpu::rows;
use crate::targets::{Signal, Source};
use crate::tensor::Tensor;

/// r in plain tensor calls, `[rows, classes]`.
pub(super) fn confidences(rows: &Reference, teacher: &Signal, temperature: f64) -> Result<Tensor> {
    let p = plain::softmax(&rows.teacher(teacher)?, temperature)?;
    let one = rows.one_hot()?;
    let inner = || {
        let own = (&p * &one)?;
        // The probability of the other classes is summed, because 1 − p_t would lose its digits.
        let others = ((&p - &own)?.sum_keepdim(1)? / (rows.classes() - 1) as f64)?;
        own + (1.0 - &one)?.broadcast_mul(&others)?
    };
    inner().ok_or_internal()
}

/// The teacher's confidence in a row's label.
pub(super) struct Confidence {
    softmax: Softmax,
    teacher: usize,
}

impl Confidence {
    pub fn new(source: Source, temperature: f64, ask: &mut Ask) -> Confidence {
        let softmax = ask.softmax(Side::Teacher(source.teacher), temperature);
        Confidence { softmax: ask.stored(softmax), teacher: source.teacher }
    }

    /// ln p_t, and the sum of the other classes' probabilities.
    pub fn of(&self, row: &Row) -> (f64, f64) {
        let label = row.label();
        let log = row.log_share(self.softmax, row.teacher(self.teacher)[label]);
        if log < -0.7 {
            return (log, -log.exp_m1());
        }
        // If p_t is large, 1 − p_t would lose digits, so the other classes are summed.
        let (exponentials, share) = row.exponentials(self.softmax);
        let (before, after) = (&exponentials[..label], &exponentials[label + 1..]);
        (log, (rows::power_sum(before, 1) + rows::power_sum(after, 1)) * share)
    }
}

/// p · log, and 0 if p is 0.
pub(super) fn entropy(p: f64, log: f64) -> f64 {
    if p > 0.0 { p * log } else { 0.0 }
}
