//! The largest logits of a teacher as soft labels: `top_logits.rs` has their formula.

use std::borrow::Cow;
use std::f64::consts::{LN_2, LOG2_E};

use super::soft::Soft;
use crate::blocks;
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::rows as kernels;
use crate::losses::sweep::{Ask, Row, Side, Softmax};
use crate::pool;
use crate::tensor::{DType, Tensor, from_vec};
use crate::top_logits::TopLogits;

/// Rows per task.
const ROWS: usize = 16;

/// The largest logits of each row of a batch, and the number of classes.
#[derive(Clone, Debug)]
pub struct TopK {
    classes: usize,
    top: TopLogits,
}

impl TopK {
    pub fn new(classes: usize, top: TopLogits) -> Result<TopK> {
        top.check(classes)?;
        Ok(TopK { classes, top })
    }

    pub(super) fn dims(&self) -> (usize, usize) {
        (self.top.rows(), self.classes)
    }

    /// How many logits there are per row.
    pub(crate) fn k(&self) -> usize {
        self.top.k
    }

    /// The k largest of the stored logits, renormalised; of equal logits the lower class.
    pub(crate) fn largest(&self, k: usize) -> Result<TopK> {
        let own = &self.top;
        if k > own.k {
            let message = format!("expected at most the {} classes that teacherTopK holds per row, got {k}", own.k);
            return Err(Error::config("losses.kdTopk.k", message));
        }
        let (mut classes, mut logits) = (blocks::empty(k * own.rows()), blocks::empty(k * own.rows()));
        for (ids, row) in own.classes.chunks(own.k).zip(own.logits.chunks(own.k)) {
            let mut order: Vec<usize> = (0..own.k).collect();
            order.sort_by(|a, b| row[*b].total_cmp(&row[*a]).then(ids[*a].cmp(&ids[*b])));
            classes.extend(order[..k].iter().map(|at| ids[*at]));
            logits.extend(order[..k].iter().map(|at| row[*at]));
        }
        Ok(TopK { classes: self.classes, top: TopLogits { k, classes, logits, tail: None } })
    }

    /// The soft labels of this target, which they own.
    pub(crate) fn soft<'a>(self, temperature: f64, ask: &mut Ask) -> (Box<dyn Soft + 'a>, Softmax) {
        soft(Cow::Owned(self), temperature, ask)
    }

    /// Writes the exponentials of a row into `out`, and returns its statistics.
    fn held(&self, row: usize, temperature: f64, out: &mut [f32]) -> Held {
        let (k, scale) = (self.top.k, (LOG2_E / temperature) as f32);
        let logits = &self.top.logits[row * k..][..k];
        let max = kernels::max_and_sum(logits).0;
        // With scale 0 for the second row, `across` is Σ e · exponent.
        let [sum, across] = kernels::exponentials_across(logits, max, scale, logits, max, 0.0, out, &[]);
        let (log_sum, tail) = (sum.ln(), self.top.tail_at(temperature, self.classes));
        let kept = f64::from(max) / temperature + log_sum;
        let below = kept - tail.map_or(kept, |tail| f64::from(tail.log_sum_exp[row]).max(kept));
        let (inside, outside) = (below.exp(), self.classes - k);
        Held {
            share: inside / sum,
            other: if below < 0.0 { -below.exp_m1() / outside.max(1) as f64 } else { 0.0 },
            negative_entropy: inside * (LN_2 * across / sum - log_sum + below),
        }
    }

    pub(crate) fn probabilities(&self, temperature: f64, dtype: DType) -> Result<Tensor> {
        let all = self.top.probabilities(temperature, self.classes);
        from_vec(all, self.dims())?.to_dtype(dtype).ok_or_internal()
    }
}

/// One row of a batch, ready for the sweep.
#[derive(Clone, Copy, Default)]
struct Held {
    /// The normalising factor of its exponentials.
    share: f64,
    /// The probability of each class that is not stored.
    other: f64,
    /// Σ p ln p over the k classes.
    negative_entropy: f64,
}

struct Few<'a> {
    target: Cow<'a, TopK>,
    student: Softmax,
    /// e^((v − largest) / T), `k` per row.
    exponentials: Vec<f32>,
    rows: Vec<Held>,
}

impl<'a> Few<'a> {
    fn new(target: Cow<'a, TopK>, temperature: f64, student: Softmax) -> Few<'a> {
        let (k, count) = (target.top.k, target.top.rows());
        let (mut exponentials, mut rows) = (blocks::filled(count * k, 0.0), blocks::filled(count, Held::default()));
        let tasks = exponentials.chunks_mut(ROWS * k).zip(rows.chunks_mut(ROWS)).collect();
        pool::each(tasks, |task, (exponentials, rows): (&mut [f32], &mut [Held])| {
            for (at, (out, held)) in exponentials.chunks_exact_mut(k).zip(rows).enumerate() {
                *held = target.held(task * ROWS + at, temperature, out);
            }
        });
        Few { target, student, exponentials, rows }
    }

    fn entries(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        let k = self.target.top.k;
        let range = row * k..(row + 1) * k;
        let (ids, share) = (&self.target.top.classes[range.clone()], self.rows[row].share);
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
        let count = (self.target.classes - self.target.top.k) as f64;
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

pub(super) fn soft<'a>(target: Cow<'a, TopK>, temperature: f64, ask: &mut Ask) -> (Box<dyn Soft + 'a>, Softmax) {
    let student = ask.softmax(Side::Student, temperature);
    (Box::new(Few::new(target, temperature, student)), student)
}
