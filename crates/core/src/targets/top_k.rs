//! The largest logits of a teacher, `k` a row, as they are stored or sent.
//!
//! ```text
//! without a tail:  ρ_i = e^(v_i / T) / Σ_top e^(v / T) on the k classes, 0 elsewhere
//! with a tail:     ρ_i = e^(v_i / T − l) on the k classes, (1 − Σ_top ρ) / (classes − k) elsewhere
//! ```
//!
//! v the stored logits, T the temperature, l the log-sum-exp of all classes at T. A tail is known only at the
//! temperature it was stored for; at others the k classes are renormalised.

use std::f64::consts::{LN_2, LOG2_E};

use super::soft::Soft;
use crate::blocks;
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::rows as kernels;
use crate::losses::sweep::{Ask, Row, Side, Softmax};
use crate::pool;
use crate::tensor::{DType, Tensor, from_vec};

/// Rows of one task.
const ROWS: usize = 16;

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

    fn tail_at(&self, temperature: f64) -> Option<&Tail> {
        self.tail.as_ref().filter(|tail| tail.temperature == temperature && self.k < self.classes)
    }

    /// Its exponentials into `out`.
    fn held(&self, row: usize, temperature: f64, out: &mut [f32]) -> Held {
        let (scale, outside) = ((LOG2_E / temperature) as f32, self.classes - self.k);
        let logits = &self.logits[row * self.k..][..self.k];
        let max = kernels::max_and_sum(logits).0;
        // Beside a row of the scale 0: Σ e · exponent.
        let [sum, across] = kernels::exponentials_across(logits, max, scale, logits, max, 0.0, out, &[]);
        let (log_sum, tail) = (sum.ln(), self.tail_at(temperature));
        let kept = f64::from(max) / temperature + log_sum;
        let below = kept - tail.map_or(kept, |tail| tail.log_sum_exp[row].max(kept));
        let inside = below.exp();
        Held {
            share: inside / sum,
            other: if below < 0.0 { -below.exp_m1() / outside.max(1) as f64 } else { 0.0 },
            negative_entropy: inside * (LN_2 * across / sum - log_sum + below),
        }
    }

    /// ρ on the k classes of each row, and on each other class.
    fn shares(&self, temperature: f64) -> (Vec<f64>, Vec<f64>) {
        let (mut top, mut others) = (blocks::empty(self.ids.len()), Vec::new());
        for (row, logits) in self.logits.chunks_exact(self.k).enumerate() {
            let scaled = || logits.iter().map(|logit| f64::from(*logit) / temperature);
            let max = scaled().fold(f64::NEG_INFINITY, f64::max);
            let kept = max + scaled().map(|logit| (logit - max).exp()).sum::<f64>().ln();
            let all = self.tail_at(temperature).map_or(kept, |tail| tail.log_sum_exp[row].max(kept));
            top.extend(scaled().map(|logit| (logit - all).exp()));
            others.push(-(kept - all).exp_m1() / (self.classes - self.k).max(1) as f64);
        }
        (top, others)
    }

    pub(super) fn probabilities(&self, temperature: f64, dtype: DType) -> Result<Tensor> {
        let (top, others) = self.shares(temperature);
        let mut all = blocks::empty(others.len() * self.classes);
        for (row, other) in others.iter().enumerate() {
            all.resize(all.len() + self.classes, *other);
            for at in row * self.k..(row + 1) * self.k {
                all[row * self.classes + self.ids[at] as usize] = top[at];
            }
        }
        from_vec(all, self.dims())?.to_dtype(dtype).ok_or_internal()
    }
}

/// What one row of a batch holds, ready for the sweep.
#[derive(Clone, Copy, Default)]
struct Held {
    /// What makes probabilities of its exponentials.
    share: f64,
    /// The probability of each other class.
    other: f64,
    /// Σ p ln p over the k classes.
    negative_entropy: f64,
}

struct Few<'a> {
    target: &'a TopK,
    student: Softmax,
    /// e^((v − largest) / T), `k` a row.
    exponentials: Vec<f32>,
    rows: Vec<Held>,
}

impl<'a> Few<'a> {
    fn new(target: &'a TopK, temperature: f64, student: Softmax) -> Few<'a> {
        let (k, count) = (target.k, target.logits.len() / target.k);
        let (mut exponentials, mut rows) =
            (blocks::filled(target.logits.len(), 0.0), blocks::filled(count, Held::default()));
        let tasks = exponentials.chunks_mut(ROWS * k).zip(rows.chunks_mut(ROWS)).collect();
        pool::each(tasks, |task, (exponentials, rows): (&mut [f32], &mut [Held])| {
            for (at, (out, held)) in exponentials.chunks_exact_mut(k).zip(rows).enumerate() {
                *held = target.held(task * ROWS + at, temperature, out);
            }
        });
        Few { target, student, exponentials, rows }
    }

    fn entries(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        let range = row * self.target.k..(row + 1) * self.target.k;
        let (ids, share) = (&self.target.ids[range.clone()], self.rows[row].share);
        ids.iter().zip(&self.exponentials[range]).map(move |(id, e)| (*id as usize, f64::from(*e) * share))
    }
}

impl Soft for Few<'_> {
    fn divergence(&self, row: &Row) -> f64 {
        let Held { other, negative_entropy, .. } = self.rows[row.index];
        let (mut sum, mut top_log) = (negative_entropy, 0.0);
        for (class, p) in self.entries(row.index) {
            let log_q = row.log_probability(self.student, class);
            sum -= p * log_q;
            top_log += log_q;
        }
        let count = (self.target.classes - self.target.k) as f64;
        if other > 0.0 {
            let all_log = row.mean_log_probability(self.student) * row.classes() as f64;
            sum += other * (count * other.ln() - (all_log - top_log));
        }
        sum
    }

    fn add<'t>(&'t self, row: &mut Row<'t, '_, '_>, coefficient: f64) {
        let other = self.rows[row.index].other;
        row.add_everywhere(coefficient * other);
        row.add_classes(self.entries(row.index).map(|(class, p)| (class, coefficient * (p - other))));
    }
}

pub(super) fn soft<'a>(target: &'a TopK, temperature: f64, ask: &mut Ask) -> (Box<dyn Soft + 'a>, Softmax) {
    let student = ask.softmax(Side::Student, temperature);
    (Box::new(Few::new(target, temperature, student)), student)
}
