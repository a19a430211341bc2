//! Numbers of one optimizer step, as losses, learners, proofs and reports pass them on.

use std::collections::BTreeMap;

/// Numbers of one step.
#[derive(Clone, Debug, Default)]
pub struct StepNumbers {
    pub loss: f64,
    pub rows: usize,
    pub terms: BTreeMap<&'static str, TermReport>,
    /// Global norm of the parameters' gradients before clipping, where it was asked for or clipping needs it.
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

/// One loss of one micro-batch, or by `add` of all micro-batches of an optimizer step.
#[derive(Clone, Debug, PartialEq)]
pub struct TermReport {
    /// Without its weight; over the step's denominator, so that micro-batches add up.
    pub value: f64,
    pub weight: f64,
    /// The norm of the term's weighted gradient at the student's outputs, where it was asked for.
    pub gradient_norm: Option<f64>,
    /// All rows had the weight 0: the value and the gradient are 0.
    pub no_rows: bool,
    /// What the loss counts in addition to its value: `openHinges`, a share of the rows.
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

/// What the losses of one optimizer step are divided by: for each loss, in the order of `Losses`, the sum of its row
/// weights over all micro-batches.
#[derive(Clone, Debug, PartialEq)]
pub struct Denominators(pub(crate) Vec<f64>);
