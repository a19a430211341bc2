//! A distribution that depends only on the row's label: ρ = table[label], the same at every temperature.
//!
//! The table has rows only for labels that occur in the batch, because a table of all labels would have classes²
//! numbers.

use std::collections::BTreeMap;

use super::soft::Soft;
use crate::error::{Candle, Error, Result};
use crate::losses::sweep::{Ask, Row, Side, Softmax};
use crate::tensor::{DType, Tensor, from_vec};

/// The table's rows of one batch.
#[derive(Clone, Debug)]
pub struct Table {
    classes: usize,
    /// For each row of the batch, its row in this table.
    index: Vec<usize>,
    rows: Vec<f64>,
    /// The same rows in f32 for the sweep, and Σ ρ ln ρ of each row.
    single: Vec<f32>,
    negative_entropy: Vec<f64>,
}

impl Table {
    /// `make` returns the distribution over `classes` for one label, and is called once per label.
    pub fn new(labels: &[u32], classes: usize, mut make: impl FnMut(u32) -> Result<Vec<f64>>) -> Result<Table> {
        let mut known = BTreeMap::new();
        let mut table =
            Table { classes, index: Vec::new(), rows: Vec::new(), single: Vec::new(), negative_entropy: Vec::new() };
        for label in labels {
            if !known.contains_key(label) {
                let row = make(*label)?;
                if row.len() != classes {
                    let message = format!("expected {classes} classes for label {label}, got {}", row.len());
                    return Err(Error::shape("table", message));
                }
                known.insert(*label, known.len());
                table.negative_entropy.push(row.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum());
                table.single.extend(row.iter().map(|p| *p as f32));
                table.rows.extend(row);
            }
            table.index.push(known[label]);
        }
        Ok(table)
    }

    pub(super) fn dims(&self) -> (usize, usize) {
        (self.index.len(), self.classes)
    }

    pub(super) fn probabilities(&self, dtype: DType) -> Result<Tensor> {
        let rows = self.index.iter().flat_map(|at| &self.rows[at * self.classes..(at + 1) * self.classes]);
        from_vec(rows.copied().collect(), self.dims())?.to_dtype(dtype).ok_or_internal()
    }
}

struct ByLabel<'a> {
    table: &'a Table,
    student: Softmax,
}

impl<'a> ByLabel<'a> {
    fn row(&self, row: usize) -> &'a [f32] {
        let at = self.table.index[row];
        &self.table.single[at * self.table.classes..(at + 1) * self.table.classes]
    }
}

impl Soft for ByLabel<'_> {
    fn divergence(&self, row: &Row) -> f64 {
        self.table.negative_entropy[self.table.index[row.index]] - row.mean_log_under(self.student, self.row(row.index))
    }

    fn add<'t>(&'t self, row: &mut Row<'t, '_, '_>, coefficient: f64) {
        row.add_row(self.row(row.index), coefficient)
    }
}

pub(super) fn soft<'a>(table: &'a Table, temperature: f64, ask: &mut Ask) -> (Box<dyn Soft + 'a>, Softmax) {
    let student = ask.softmax(Side::Student, temperature);
    (Box::new(ByLabel { table, student }), student)
}
