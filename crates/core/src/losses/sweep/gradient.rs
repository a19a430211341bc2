//! The gradient of a row before it is written: coefficients, and slopes that are not yet part of it.

use super::layout::Exponentials;
use crate::kernels::cpu::rows::{self, Polynomial};
use crate::kernels::cpu::slopes;

/// The gradient of one term (or of all together) as coefficients, times the term's weight.
#[derive(Default)]
pub(super) struct Gradient<'a> {
    pub softmaxes: Vec<f64>,
    pub everywhere: f64,
    pub logits: f64,
    pub classes: Vec<(usize, f64)>,
    pub dense: Vec<(&'a [f32], f64)>,
}

impl Gradient<'_> {
    pub fn clear(&mut self) {
        self.softmaxes.fill(0.0);
        self.everywhere = 0.0;
        self.logits = 0.0;
        self.classes.clear();
        self.dense.clear();
    }
}

/// How pending slopes enter the gradient.
#[derive(Clone, Copy)]
pub(super) enum Pending {
    /// scale · q_i (g_i − mean), q one of the student's softmaxes.
    Bent { softmax: usize, mean: f32, scale: f32 },
    /// scale · g_i.
    Plain { scale: f32 },
}

/// Rows of scratch memory for losses that work with slopes.
pub(super) struct Slopes<'w> {
    /// Slopes, or a loss's own exponentials.
    pub row: &'w mut [f32],
    /// How the numbers in `row` enter the gradient. The last pass adds them, because it reads the student's
    /// exponentials anyway.
    pub pending: Option<Pending>,
    /// The part of the gradient from earlier slopes.
    pub bent: &'w mut [f32],
    /// Whether `bent` contains anything.
    pub filled: bool,
}

impl Slopes<'_> {
    pub fn clear(&mut self) {
        (self.filled, self.pending) = (false, None);
    }

    pub fn bent(&self) -> Option<&[f32]> {
        self.filled.then_some(&*self.bent)
    }

    /// Adds the pending slopes to `bent`.
    pub fn settle(&mut self, exponentials: Exponentials) {
        match self.pending.take() {
            None => return,
            Some(Pending::Bent { softmax, mean, scale }) => {
                slopes::bend(exponentials.of_softmax(softmax), self.row, mean, scale, self.bent, self.filled);
            }
            Some(Pending::Plain { scale }) => {
                if !self.filled {
                    self.bent.fill(0.0);
                }
                rows::add_row(self.bent, &Polynomial::linear(f64::from(scale)), self.row);
            }
        }
        self.filled = true;
    }
}
