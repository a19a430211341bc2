//! The correlations of each class's probabilities over the rows of a batch, which depend on all rows.
//!
//! They are computed before the sweep from both sides' probabilities, for all rows with a weight other than 0. The
//! sweep then computes the same exponentials again, row by row, and reads the columns' means, deviations and
//! correlations. Tasks compute rows first, then columns, and each column is summed in row order, so the bits are equal
//! for any number of threads.

use std::f64::consts::LOG2_E;

use super::rows::{Rows, check_finite, check_teacher};
use crate::error::Result;
use crate::kernels::cpu::rows;
use crate::kernels::cpu::slopes::ColumnSlices;
use crate::pool;

/// A column with a weighted deviation √Σ w a² of at most this counts as constant, because f32 cannot hold its square.
pub(crate) const CONSTANT: f64 = 1e-20;
/// Columns per task.
const TASK: usize = 256;

#[derive(Clone, Copy, Debug, Default)]
struct Column {
    means: [f64; 2],
    /// 1 / √Σ w a² for the student and for the teacher; 0 if the column has no gradient.
    inverses: [f64; 2],
    correlation: f64,
}

/// The columns of a batch.
pub(crate) struct Columns {
    /// Σ of the row weights.
    pub weight: f64,
    /// The mean of the correlations.
    pub mean: f64,
    q_mean: Vec<f32>,
    q_inverse: Vec<f32>,
    p_mean: Vec<f32>,
    p_inverse: Vec<f32>,
    correlation: Vec<f32>,
}

impl Columns {
    /// `None` if fewer than two rows have a weight other than 0.
    pub fn of(rows: &Rows, teacher: usize, temperature: f64, weights: Option<&[f64]>) -> Result<Option<Columns>> {
        let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
        let open: Vec<usize> = (0..rows.count()).filter(|row| weight(*row) != 0.0).collect();
        if open.len() < 2 {
            return Ok(None);
        }
        let classes = rows.classes;
        let mut both = crate::blocks::filled(2 * open.len() * classes, 0.0f32);
        let mut tasks: Vec<(&mut [f32], Result<()>)> = both.chunks_mut(2 * classes).map(|out| (out, Ok(()))).collect();
        pool::pieces(&mut tasks, 1, |index, task| {
            for (out, result) in task {
                *result = probabilities(rows, teacher, open[index], temperature, out);
            }
        });
        tasks.into_iter().try_for_each(|(_, result)| result)?;
        let weighed: Vec<f64> = open.iter().map(|row| weight(*row)).collect();
        let mut columns = vec![Column::default(); classes];
        pool::pieces(&mut columns, TASK, |index, columns| correlate(&both, classes, index * TASK, &weighed, columns));
        let each = |number: fn(&Column) -> f64| columns.iter().map(|column| number(column) as f32).collect();
        Ok(Some(Columns {
            weight: weighed.iter().sum(),
            mean: columns.iter().map(|column| column.correlation).sum::<f64>() / classes as f64,
            q_mean: each(|column| column.means[0]),
            q_inverse: each(|column| column.inverses[0]),
            p_mean: each(|column| column.means[1]),
            p_inverse: each(|column| column.inverses[1]),
            correlation: each(|column| column.correlation),
        }))
    }

    pub fn slices(&self) -> ColumnSlices<'_> {
        ColumnSlices {
            q_mean: &self.q_mean,
            q_inverse: &self.q_inverse,
            p_mean: &self.p_mean,
            p_inverse: &self.p_inverse,
            correlation: &self.correlation,
        }
    }
}

/// Writes the student's and then the teacher's probabilities of one row.
fn probabilities(rows: &Rows, teacher: usize, row: usize, temperature: f64, out: &mut [f32]) -> Result<()> {
    let classes = rows.classes;
    let student = rows.student(row);
    let (own, other) = out.split_at_mut(classes);
    for (logits, out, path, masks) in
        [(student, own, "student.logits", false), (rows.teacher(teacher, row), other, "teacher.logits", true)]
    {
        let (max, _) = rows::max_and_sum(logits);
        let [sum, _] = rows::exponentials(logits, max, (LOG2_E / temperature) as f32, out, &[], 1);
        if !(sum.is_finite() && max > f32::NEG_INFINITY) {
            check_finite(logits, row, path, masks)?;
            check_teacher(logits, row)?;
        }
        let share = (1.0 / sum) as f32;
        out.iter_mut().for_each(|e| *e *= share);
    }
    Ok(())
}

fn correlate(both: &[f32], classes: usize, first: usize, weights: &[f64], columns: &mut [Column]) {
    let total: f64 = weights.iter().sum();
    let rows = || both.chunks_exact(2 * classes).zip(weights);
    let pair = |row: &[f32], column: usize| [f64::from(row[first + column]), f64::from(row[classes + first + column])];
    // The first row is subtracted, so that a constant column is 0 without rounding.
    let start = &both[..2 * classes];
    for (row, weight) in rows() {
        for (at, column) in columns.iter_mut().enumerate() {
            let (x, shift) = (pair(row, at), pair(start, at));
            (0..2).for_each(|side| column.means[side] += weight * (x[side] - shift[side]));
        }
    }
    for (at, column) in columns.iter_mut().enumerate() {
        let shift = pair(start, at);
        (0..2).for_each(|side| column.means[side] = shift[side] + column.means[side] / total);
    }
    let mut sums = vec![[0.0f64; 3]; columns.len()];
    for (row, weight) in rows() {
        for ((at, column), sums) in columns.iter().enumerate().zip(&mut sums) {
            let x = pair(row, at);
            let (a, b) = (x[0] - column.means[0], x[1] - column.means[1]);
            sums[0] += weight * a * a;
            sums[1] += weight * b * b;
            sums[2] += weight * a * b;
        }
    }
    for (column, [a, b, both]) in columns.iter_mut().zip(sums) {
        let (a, b) = (a.sqrt(), b.sqrt());
        if a > CONSTANT && b > CONSTANT {
            column.correlation = both / (a * b);
            // Two points always have the correlation 1 or −1, so its gradient is 0.
            if weights.len() > 2 {
                column.inverses = [1.0 / a, 1.0 / b];
            }
        }
    }
}
