//! A row loss at one step.

use super::row::{Dense, Row};
use super::rows::Rows;
use crate::error::Result;

/// What the sweep calls, row by row.
pub(crate) trait RowTerm: Sync {
    /// Called once before the rows, with all of them and their weights: for what no row decides alone.
    fn look(&mut self, _rows: &Rows, _weights: Option<&[f64]>) -> Result<()> {
        Ok(())
    }
    /// The row's value, without weights; adds the row's gradient as far as softmaxes and slopes make it.
    fn row<'t>(&'t self, _row: &mut Row<'t, '_, '_>) -> f64 {
        0.0
    }
    /// Whether `dense` has to be called.
    fn is_dense(&self) -> bool {
        false
    }
    /// The rest of both, with the whole row at hand and its gradient written so far. Adds to the gradient;
    /// returns what it adds to the row's value.
    fn dense(&self, _row: &mut Dense) -> f64 {
        0.0
    }
}

/// One loss (against one teacher) at one step, with its weights.
pub(crate) struct Term<'a> {
    pub loss: Box<dyn RowTerm + 'a>,
    pub name: &'static str,
    /// The number of its loss: terms against several teachers are reported together.
    pub group: usize,
    /// What multiplies its value in the total.
    pub weight: f64,
    /// The teacher's share of the loss.
    pub share: f64,
    /// By row; `None` where all are 1.
    pub row_weights: Option<Vec<f64>>,
    /// The sum of the row weights over the optimizer step; 0 where there are no rows.
    pub denominator: f64,
}

impl Term<'_> {
    pub(super) fn row_weight(&self, row: usize) -> f64 {
        self.row_weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    /// The row's part of the mean.
    pub(super) fn part(&self, row: usize) -> f64 {
        if self.denominator == 0.0 { 0.0 } else { self.row_weight(row) / self.denominator }
    }

    /// What the gradient of the row's value is multiplied by.
    pub(super) fn scale(&self, row: usize) -> f64 {
        self.weight * self.share * self.part(row)
    }
}
