//! For each class, the sum of the weights of the rows in which it is true, predicted, and both.

use super::rows::{Rows, Truth};

/// The logit of probability ½: a class of a multi-label row is predicted if its logit is above this.
const EVEN: f64 = 0.0;

#[derive(Clone, Debug)]
pub(super) struct Confusion {
    pub both: Vec<f64>,
    pub predicted: Vec<f64>,
    pub true_: Vec<f64>,
}

impl Confusion {
    pub fn new(classes: usize) -> Confusion {
        let zeros = || vec![0.0; classes];
        Confusion { both: zeros(), predicted: zeros(), true_: zeros() }
    }

    /// Single-label rows: the class with the largest logit is predicted. Multi-label rows: every class with a
    /// probability above ½ is predicted.
    pub fn add(&mut self, rows: &Rows<'_>) {
        match rows.truth() {
            Truth::Single(_) | Truth::Probabilities(_) => {
                for (row, (label, best)) in rows.labels().iter().zip(rows.best()).enumerate() {
                    let weight = rows.weight(row);
                    self.true_[*label] += weight;
                    self.predicted[*best] += weight;
                    self.both[*label] += weight * f64::from(label == best);
                }
            }
            Truth::Several(_) => self.add_several(rows, EVEN),
            Truth::None | Truth::Real(_) => {}
        }
    }

    pub fn add_several(&mut self, rows: &Rows<'_>, threshold: f64) {
        for (row, (logits, labels)) in rows.numbered().enumerate() {
            let weight = rows.weight(row);
            for (class, (logit, label)) in logits.iter().zip(labels).enumerate() {
                let (predicted, true_) = (*logit > threshold, *label >= 0.5);
                self.predicted[class] += weight * f64::from(predicted);
                self.true_[class] += weight * f64::from(true_);
                self.both[class] += weight * f64::from(predicted && true_);
            }
        }
    }
}

/// The ratio, or 0 if the denominator is 0.
pub(super) fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

/// 2 · both / (predicted + true): the harmonic mean of precision and recall.
pub(super) fn f1(both: f64, predicted: f64, true_: f64) -> f64 {
    ratio(2.0 * both, predicted + true_)
}
