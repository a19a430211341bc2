//! A row loss at one step.

use super::row::{Dense, Row};
use super::rows::Rows;
use crate::error::Result;

/// The methods that the sweep calls, row by row.
pub(crate) trait RowTerm: Sync {
    /// Called once before the rows, with all rows and their weights, for statistics that depend on all rows.
    fn look(&mut self, _rows: &Rows, _weights: Option<&[f64]>) -> Result<()> {
        Ok(())
    }
    /// Returns the row's value, without weights; adds the part of the row's gradient that consists of softmaxes and
    /// slopes.
    fn row<'t>(&'t self, _row: &mut Row<'t, '_, '_>) -> f64 {
        0.0
    }
    /// Whether `dense` has to be called.
    fn is_dense(&self) -> bool {
        false
    }
    /// The rest of value and gradient, computed from the whole row after its gradient is written so far. Adds to the
    /// gradient; returns the addition to the row's value.
    fn dense(&self, _row: &mut Dense) -> f64 {
        0.0
    }
}

/// One loss (against one teacher) at one step, with its weights.
pub(crate) struct Term<'a> {
    pub loss: Box<dyn RowTerm + 'a>,
    pub name: &'static str,
    /// The index of its loss; terms against several teachers are reported together.
    pub group: usize,
    /// The factor of its value in the total.
    pub weight: f64,
    /// The teacher's share of the loss.
    pub share: f64,
    /// One weight per row; `None` if all are 1.
    pub row_weights: Option<Vec<f64>>,
    /// The sum of the row weights over the optimizer step; 0 if there are no rows.
    pub denominator: f64,
}

impl Term<'_> {
    pub(super) fn row_weight(&self, row: usize) -> f64 {
        self.row_weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    /// The row's share of the mean.
    pub(super) fn part(&self, row: usize) -> f64 {
        if self.denominator == 0.0 { 0.0 } else { self.row_weight(row) / self.denominator }
    }

    /// The factor of the gradient of the row's value.
    pub(super) fn scale(&self, row: usize) -> f64 {
        self.weight * self.share * self.part(row)
    }
}
