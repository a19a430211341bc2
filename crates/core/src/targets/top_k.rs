//! The largest logits of a teacher, `k` a row, as they are stored or sent.
//!
//! ```text
//! without a tail:  ρ_i = e^(v_i / T) / Σ_top e^(v / T) on the k classes, 0 elsewhere
//! with a tail:     ρ_i = e^(v_i / T − l) on the k classes, (1 − Σ_top ρ) / (classes − k) elsewhere
//! ```
//!
//! v the stored logits, T the temperature, l the log-sum-exp of all classes at T. A tail is known only at the
//! temperature it was stored for; at others the k classes are renormalised.

use super::Soft;
use crate::error::{Candle, Error, Result};
use crate::losses::sweep::{Ask, Row, Side, Softmax};
use crate::tensor::{DType, Tensor, from_vec};

/// The largest logits of each row of a batch.
#[derive(Clone, Debug)]
pub struct TopK {
    classes: usize,
    k: usize,
    ids: Vec<u32>,
    logits: Vec<f32>,
    tail: Option<Tail>,
}

/// ln Σ over all classes of e^(v / T), by row, at one temperature.
#[derive(Clone, Debug)]
pub struct Tail {
    pub temperature: f64,
    pub log_sum_exp: Vec<f64>,
}

impl TopK {
    /// `ids` and `logits` hold `k` entries a row; a row's ids are different classes.
    pub fn new(classes: usize, k: usize, ids: Vec<u32>, logits: Vec<f32>, tail: Option<Tail>) -> Result<TopK> {
        if k == 0 || k > classes || !ids.len().is_multiple_of(k) || ids.len() != logits.len() {
            let message = format!(
                "expected k from 1 to {classes} and k ids and logits a row, got k {k}, {} ids, {} logits",
                ids.len(),
                logits.len()
            );
            return Err(Error::data("topK", message));
        }
        if let Some(tail) = &tail
            && tail.log_sum_exp.len() != ids.len() / k
        {
            let message = format!("expected {} numbers, one a row, got {}", ids.len() / k, tail.log_sum_exp.len());
            return Err(Error::data("topK.tail", message));
        }
        for (row, ids) in ids.chunks_exact(k).enumerate() {
            let mut sorted = ids.to_vec();
            sorted.sort_unstable();
            let twice = sorted.windows(2).any(|pair| pair[0] == pair[1]);
            if twice || sorted[k - 1] as usize >= classes {
                let message = format!("expected different classes below {classes} in row {row}, got {ids:?}");
                return Err(Error::data("topK.ids", message));
            }
        }
        if let Some(at) = logits.iter().position(|x| !x.is_finite()) {
            let message = format!("expected finite numbers, got {} in row {}", logits[at], at / k);
            return Err(Error::data("topK.logits", message));
        }
        Ok(TopK { classes, k, ids, logits, tail })
    }

    pub(super) fn dims(&self) -> (usize, usize) {
        (self.ids.len() / self.k, self.classes)
    }

    /// ρ on the k classes of each row, and on each other class.
    fn shares(&self, temperature: f64) -> (Vec<f64>, Vec<f64>) {
        let (mut top, mut others) = (Vec::with_capacity(self.ids.len()), Vec::new());
        for (row, logits) in self.logits.chunks_exact(self.k).enumerate() {
            let scaled = || logits.iter().map(|logit| f64::from(*logit) / temperature);
            let max = scaled().fold(f64::NEG_INFINITY, f64::max);
            let kept = max + scaled().map(|logit| (logit - max).exp()).sum::<f64>().ln();
            let all = match &self.tail {
                Some(tail) if tail.temperature == temperature && self.k < self.classes => {
                    tail.log_sum_exp[row].max(kept)
                }
                _ => kept,
            };
            top.extend(scaled().map(|logit| (logit - all).exp()));
            others.push(-(kept - all).exp_m1() / (self.classes - self.k).max(1) as f64);
        }
        (top, others)
    }

    pub(super) fn probabilities(&self, temperature: f64, dtype: DType) -> Result<Tensor> {
        let (top, others) = self.shares(temperature);
        let mut all = Vec::with_capacity(others.len() * self.classes);
        for (row, other) in others.iter().enumerate() {
            all.resize(all.len() + self.classes, *other);
            for at in row * self.k..(row + 1) * self.k {
                all[row * self.classes + self.ids[at] as usize] = top[at];
            }
        }
        from_vec(all, self.dims())?.to_dtype(dtype).ok_or_internal()
    }
}

struct Few<'a> {
    target: &'a TopK,
    student: Softmax,
    top: Vec<f64>,
    others: Vec<f64>,
}

impl Few<'_> {
    fn entries(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        let range = row * self.target.k..(row + 1) * self.target.k;
        self.target.ids[range.clone()].iter().map(|id| *id as usize).zip(self.top[range].iter().copied())
    }
}

impl Soft for Few<'_> {
    fn divergence(&self, row: &Row) -> f64 {
        let (mut sum, mut top_log) = (0.0, 0.0);
        for (class, p) in self.entries(row.index) {
            let log_q = row.log_probability(self.student, class);
            sum += if p > 0.0 { p * (p.ln() - log_q) } else { 0.0 };
            top_log += log_q;
        }
        let (other, count) = (self.others[row.index], (self.target.classes - self.target.k) as f64);
        if other > 0.0 {
            let all_log = row.mean_log_probability(self.student) * row.classes() as f64;
            sum += other * (count * other.ln() - (all_log - top_log));
        }
        sum
    }

    fn add<'t>(&'t self, row: &mut Row<'t, '_, '_>, coefficient: f64) {
        let other = self.others[row.index];
        row.add_everywhere(coefficient * other);
        for (class, p) in self.entries(row.index) {
            row.add_class(class, coefficient * (p - other));
        }
    }
}

pub(super) fn soft<'a>(target: &'a TopK, temperature: f64, ask: &mut Ask) -> (Box<dyn Soft + 'a>, Softmax) {
    let student = ask.softmax(Side::Student, temperature);
    let (top, others) = target.shares(temperature);
    (Box::new(Few { target, student, top, others }), student)
}
