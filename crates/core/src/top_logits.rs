//! The k largest logits of a teacher for each row, as data sets and batches store them.
//!
//! ```text
//! without a tail:  ρ_i = e^(v_i / T) / Σ_top e^(v / T) on the k classes, 0 elsewhere
//! with a tail:     ρ_i = e^(v_i / T − l) on the k classes, (1 − Σ_top ρ) / (classes − k) elsewhere
//! ```
//!
//! v are the stored logits, T is the temperature, l is the log-sum-exp of all classes at T. A tail applies only to the
//! temperature at which it was computed; at other temperatures the k classes are renormalised.

use crate::blocks;
use crate::error::{Error, Result};

/// The largest logits of each row, in any order.
#[derive(Clone, Debug)]
pub struct TopLogits {
    /// Number of logits per row.
    pub k: usize,
    /// The classes of the logits, `[rows, k]`; the classes of one row are all different.
    pub classes: Vec<u32>,
    /// `[rows, k]`.
    pub logits: Vec<f32>,
    pub tail: Option<Tail>,
}

/// ln Σ over all classes of e^(logit / T), per row, at one temperature T. It gives the total probability of the classes
/// that are not stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    pub temperature: f64,
    pub log_sum_exp: Vec<f32>,
}

impl TopLogits {
    pub fn rows(&self) -> usize {
        self.classes.len() / self.k
    }

    /// Rejects values that cannot be the largest logits of this number of classes.
    pub fn check(&self, classes: usize) -> Result<()> {
        let TopLogits { k, classes: ids, logits, tail } = self;
        let k = *k;
        if k == 0 || k > classes || !ids.len().is_multiple_of(k) || ids.len() != logits.len() {
            let message = format!(
                "expected 1 to {classes} classes per row and as many logits, got k = {k}, {} classes and {} logits in total",
                ids.len(),
                logits.len()
            );
            return Err(Error::data("teacherTopK", message));
        }
        if let Some(tail) = tail
            && tail.log_sum_exp.len() != self.rows()
        {
            let message = format!("expected {} numbers, one per row, got {}", self.rows(), tail.log_sum_exp.len());
            return Err(Error::data("teacherTopK.logSumExp", message));
        }
        different(ids, k, Some(classes))?;
        if let Some(at) = logits.iter().position(|x| !x.is_finite()) {
            let message = format!("expected finite numbers, got {} in row {}", logits[at], at / k);
            return Err(Error::data("teacherTopK.logits", message));
        }
        Ok(())
    }

    /// The tail, if it was computed at this temperature and if there are classes that are not stored.
    pub fn tail_at(&self, temperature: f64, classes: usize) -> Option<&Tail> {
        self.tail.as_ref().filter(|tail| tail.temperature == temperature && self.k < classes)
    }

    /// ρ of the k stored classes of each row, `[rows, k]`, and ρ of each other class, `[rows]`.
    pub fn shares(&self, temperature: f64, classes: usize) -> (Vec<f64>, Vec<f64>) {
        let (mut top, mut others) = (blocks::empty(self.logits.len()), blocks::empty(self.rows()));
        for (row, logits) in self.logits.chunks_exact(self.k).enumerate() {
            let scaled = || logits.iter().map(|logit| f64::from(*logit) / temperature);
            let max = scaled().fold(f64::NEG_INFINITY, f64::max);
            let kept = max + scaled().map(|logit| (logit - max).exp()).sum::<f64>().ln();
            let tail = self.tail_at(temperature, classes);
            let all = tail.map_or(kept, |tail| f64::from(tail.log_sum_exp[row]).max(kept));
            top.extend(scaled().map(|logit| (logit - all).exp()));
            others.push(-(kept - all).exp_m1() / (classes - self.k).max(1) as f64);
        }
        (top, others)
    }

    /// ρ of all classes at a temperature, `[rows, classes]`.
    pub fn probabilities(&self, temperature: f64, classes: usize) -> Vec<f64> {
        let (top, others) = self.shares(temperature, classes);
        let mut all = blocks::empty(others.len() * classes);
        for (row, other) in others.iter().enumerate() {
            all.resize(all.len() + classes, *other);
            for at in row * self.k..(row + 1) * self.k {
                all[row * classes + self.classes[at] as usize] = top[at];
            }
        }
        all
    }

    /// The class of the largest logit of each row; among equal logits the first.
    pub fn choices(&self) -> Vec<u32> {
        let largest = |row: &[f32]| (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best });
        let rows = self.logits.chunks_exact(self.k).zip(self.classes.chunks_exact(self.k));
        rows.map(|(logits, classes)| classes[largest(logits)]).collect()
    }
}

/// Rejects a class that occurs twice in one row, or is not below `below`.
pub(crate) fn different(classes: &[u32], k: usize, below: Option<usize>) -> Result<()> {
    let mut sorted = Vec::new();
    for (row, classes) in classes.chunks_exact(k).enumerate() {
        sorted.clear();
        sorted.extend_from_slice(classes);
        sorted.sort_unstable();
        let far = below.is_some_and(|below| sorted[k - 1] as usize >= below);
        if far || sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            let below = below.map_or(String::new(), |below| format!(" below {below}"));
            let message = format!("expected classes{below} that are all different, got {classes:?}");
            return Err(Error::data(format!("teacherTopK.classes[{row}]"), message));
        }
    }
    Ok(())
}
