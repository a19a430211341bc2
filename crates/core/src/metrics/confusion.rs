//! Per class: how often it was true, predicted, and both.

use super::{Rows, Truth};

/// The logit of probability ½: above it a class of several is predicted.
const EVEN: f64 = 0.0;

#[derive(Clone, Debug)]
pub(super) struct Confusion {
    pub both: Vec<u64>,
    pub predicted: Vec<u64>,
    pub true_: Vec<u64>,
}

impl Confusion {
    pub fn new(classes: usize) -> Confusion {
        let zeros = || vec![0; classes];
        Confusion { both: zeros(), predicted: zeros(), true_: zeros() }
    }

    /// A single label is predicted by the largest logit, each of several by a probability above ½.
    pub fn add(&mut self, rows: &Rows<'_>) {
        match rows.truth() {
            Truth::Single(_) | Truth::Probabilities(_) => {
                for (label, best) in rows.labels().iter().zip(rows.best()) {
                    self.true_[*label] += 1;
                    self.predicted[*best] += 1;
                    self.both[*label] += u64::from(label == best);
                }
            }
            Truth::Several(_) => self.add_several(rows, EVEN),
            Truth::None | Truth::Real(_) => {}
        }
    }

    pub fn add_several(&mut self, rows: &Rows<'_>, threshold: f64) {
        for (logits, labels) in rows.numbered() {
            for (class, (logit, label)) in logits.iter().zip(labels).enumerate() {
                let (predicted, true_) = (*logit > threshold, *label >= 0.5);
                self.predicted[class] += u64::from(predicted);
                self.true_[class] += u64::from(true_);
                self.both[class] += u64::from(predicted && true_);
            }
        }
    }
}

/// 0 where there is nothing to divide by.
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// 2 · both / (predicted + true): the harmonic mean of precision and recall.
pub(super) fn f1(both: u64, predicted: u64, true_: u64) -> f64 {
    ratio(2 * both, predicted + true_)
}
