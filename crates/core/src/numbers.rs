//! The numbers of one optimizer step, which losses, learners, proofs and reports share.

use std::collections::BTreeMap;

/// Numbers of one step.
#[derive(Clone, Debug, Default)]
pub struct StepNumbers {
    pub loss: f64,
    pub rows: usize,
    pub terms: BTreeMap<&'static str, TermReport>,
    /// Global norm of the parameters' gradients before clipping; only if it was requested or clipping needs it.
    pub gradient_norm: Option<f64>,
}

impl StepNumbers {
    /// Adds a micro-batch: its rows, Σ weight · value, and its terms.
    pub fn add(&mut self, rows: usize, total: f64, terms: BTreeMap<&'static str, TermReport>) {
        self.loss += total;
        self.rows += rows;
        for (name, term) in terms {
            match self.terms.get_mut(name) {
                None => drop(self.terms.insert(name, term)),
                Some(sum) => sum.add(&term),
            }
        }
    }
}

/// The numbers of one loss in one micro-batch; after `add`, in all micro-batches of an optimizer step.
#[derive(Clone, Debug, PartialEq)]
pub struct TermReport {
    /// The value without the weight, divided by the denominator of the whole step, so that micro-batches can be added.
    pub value: f64,
    pub weight: f64,
    /// The norm of the term's weighted gradient at the student's outputs, if it was requested.
    pub gradient_norm: Option<f64>,
    /// Whether all rows had weight 0; value and gradient are then 0.
    pub no_rows: bool,
    /// Further numbers of the loss, such as `openHinges`, a share of the rows.
    pub details: BTreeMap<&'static str, f64>,
}

impl TermReport {
    /// Adds another micro-batch of the same optimizer step.
    pub fn add(&mut self, other: &TermReport) {
        self.value += other.value;
        self.gradient_norm = self.gradient_norm.zip(other.gradient_norm).map(|(a, b)| a.hypot(b));
        self.no_rows &= other.no_rows;
        for (name, share) in &other.details {
            *self.details.entry(name).or_default() += share;
        }
    }
}

/// The denominators of the losses in one optimizer step: for each loss, in the order of `Losses`, the sum of its row
/// weights over all micro-batches.
#[derive(Clone, Debug, PartialEq)]
pub struct Denominators(pub(crate) Vec<f64>);
