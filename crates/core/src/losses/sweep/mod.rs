//! The row engine: one sweep over the rows runs all row losses while a row is in cache.
//!
//! What one row goes through:
//!
//! ```text
//! 1 statistics   largest logit, exponentials and sums of every requested softmax             statistics.rs
//!                (the student's softmax with the largest temperature is stored in the
//!                gradient's own row, the others in separate rows)                            layout.rs
//!                        │ Stats, Exponentials
//!                        ▼
//! 2 values       each loss reads them and returns the row's value; it leaves coefficients    term.rs, row.rs
//!                of softmaxes, logits and single classes, or writes slopes into the scratch
//!                row and registers how they enter the gradient: they are pending
//!                        │ Gradient (coefficients), Slopes (one row pending, earlier ones settled in `bent`)
//!                        ▼
//! 3 gradient     one pass turns the exponentials in the gradient's row into the gradient,    write.rs
//!                and adds the pending slopes                                                 gradient.rs
//!                        │
//!                        ▼
//! 4 dense        losses that are functions of the whole row add value and gradient           term.rs
//! ```
//!
//! The gradient is computed in the forward pass and kept. If a temperature divides that of the base, its softmax is a
//! power of the base: e^(x/1) = (e^(x/2))². Therefore two losses at two such temperatures read and write 12 bytes per
//! logit, and a thread needs one scratch row for any number of losses.
//!
//! Rows are split into fixed blocks and values are summed in row order, so the bits are equal for any number of
//! threads. Norms of single losses are measured in scratch memory, so measuring them changes no bit of the gradient.

pub(crate) mod columns;
mod gradient;
mod layout;
pub(crate) mod others;
mod row;
mod rows;
mod softmax;
mod statistics;
mod term;
mod write;

use std::cell::RefCell;

pub(crate) use row::{Dense, Row};
pub(crate) use rows::{Rows, check_finite, check_teacher};
pub(crate) use softmax::{Ask, Side, Softmax};
pub(crate) use term::{RowTerm, Term};

use crate::error::{Code, Error, Result};
use crate::kernels::cpu::rows::{Polynomial, sum_of_squares};
use crate::pool;
use gradient::{Gradient, Pending, Slopes};
use layout::{Exponentials, Layout, Stored};
use rows::check_open;
use softmax::Stats;
use write::{Sources, write};

/// Logits per task.
const TASK: usize = 16 * 1024;

/// For each group, Σ of the rows' weighted values over the denominator, and the square of the gradient's norm.
pub(super) struct Swept {
    pub values: Vec<f64>,
    pub squares: Vec<f64>,
}

/// The buffers of a task, reused from row to row.
struct Work<'t, 'w> {
    stats: Vec<Stats>,
    /// The gradient of the group whose norm is measured, then of all terms together.
    gradient: Gradient<'t>,
    slopes: Slopes<'w>,
    /// One for each base.
    polynomials: Vec<Polynomial>,
}

thread_local! {
    /// Rows of exponentials, except the one in the gradient's row, and other requested rows.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

struct Task<'t> {
    first_row: usize,
    gradient: &'t mut [f32],
    /// For each row and term; the squares are for each row and group.
    values: &'t mut [f64],
    squares: &'t mut [f64],
    result: Result<()>,
}

/// All terms of a step, ordered by group, and the rows that they read.
pub(super) struct Sweep<'s, 'a> {
    pub terms: &'s [Term<'a>],
    pub groups: usize,
    pub rows: &'s Rows<'a>,
    /// Whether the norm of each group's gradient is measured.
    pub norms: bool,
}

impl Sweep<'_, '_> {
    /// Runs all terms over all rows; `gradient` is overwritten, so its old content does not matter.
    pub fn run(&self, ask: Ask, gradient: &mut [f32]) -> Result<Swept> {
        let Sweep { terms, rows, .. } = self;
        let layout = Layout::new(ask.specs);
        let (count, groups) = (rows.count(), if self.norms { self.groups } else { 0 });
        let mut values = vec![0.0; count * terms.len()];
        let mut squares = vec![0.0; count * groups];
        let task_rows = if rows.student.len() <= 4 * TASK { count } else { TASK.div_ceil(rows.classes) }.max(1);
        let mut tasks: Vec<Task> = Vec::with_capacity(count.div_ceil(task_rows));
        {
            let mut rest = (gradient, values.as_mut_slice(), squares.as_mut_slice());
            let mut first_row = 0;
            while first_row < count {
                let here = task_rows.min(count - first_row);
                let (gradient, more_gradient) = rest.0.split_at_mut(here * rows.classes);
                let (values, more_values) = rest.1.split_at_mut(here * terms.len());
                let (squares, more_squares) = rest.2.split_at_mut(here * groups);
                tasks.push(Task { first_row, gradient, values, squares, result: Ok(()) });
                rest = (more_gradient, more_values, more_squares);
                first_row += here;
            }
        }
        pool::pieces(&mut tasks, 1, |_, task| {
            for task in task {
                task.result = SCRATCH.with_borrow_mut(|scratch| self.task(&layout, ask.slopes, task, scratch));
            }
        });
        for task in tasks {
            task.result?;
        }
        let mut swept = Swept { values: vec![0.0; self.groups], squares: vec![0.0; self.groups] };
        for row in values.chunks_exact(terms.len().max(1)) {
            terms.iter().zip(row).for_each(|(term, value)| swept.values[term.group] += value);
        }
        for row in squares.chunks_exact(self.groups.max(1)) {
            swept.squares.iter_mut().zip(row).for_each(|(sum, square)| *sum += square);
        }
        Ok(swept)
    }

    /// Computes all rows of one task.
    fn task(&self, layout: &Layout, with_slopes: bool, task: &mut Task, scratch: &mut Vec<f32>) -> Result<()> {
        let Sweep { terms, rows, .. } = *self;
        let (len, groups) = (rows.classes, if self.norms { self.groups } else { 0 });
        let rows_of = |wanted: bool| if wanted { len } else { 0 };
        let (apart, each) = (layout.apart() * len, rows_of(with_slopes));
        let room = apart + 2 * each + rows_of(groups > 1);
        if scratch.len() < room {
            scratch.resize(room, 0.0);
        }
        let (others, rest) = scratch[..room].split_at_mut(apart);
        let (slopes, rest) = rest.split_at_mut(each);
        let (bent, own) = rest.split_at_mut(each);
        let mut work = Work {
            stats: vec![Stats::default(); layout.specs.len()],
            gradient: Gradient { softmaxes: vec![0.0; layout.specs.len()], ..Gradient::default() },
            slopes: Slopes { row: slopes, pending: None, bent, filled: false },
            polynomials: vec![Polynomial::default(); layout.bases.len()],
        };
        for (index, first) in task.gradient.chunks_exact_mut(len).enumerate() {
            let at = task.first_row + index;
            let values = &mut task.values[index * terms.len()..(index + 1) * terms.len()];
            if terms.iter().all(|term| term.row_weight(at) == 0.0) {
                first.fill(0.0);
                continue;
            }
            for teacher in 0..rows.teachers.len() {
                check_open(rows.teacher(teacher, at), at)?;
            }
            let stored = Stored { first: &mut *first, others: &mut *others };
            let (max, mean) = statistics::prepare(layout, rows, at, stored, &mut work.stats)?;
            let here = At { terms, rows, at, mean, max };
            if groups > 1 {
                for (group, square) in task.squares[index * groups..(index + 1) * groups].iter_mut().enumerate() {
                    let exponentials = Exponentials { layout, first, others, len };
                    here.values(Some(group), exponentials, &mut work, |_, _| {});
                    // Base 0 is in the gradient's row, which the next group reads again.
                    own.copy_from_slice(first);
                    here.write(exponentials, &mut work, own);
                    here.dense(Some(group), own, |_, _| {});
                    *square = sum_of_squares(own);
                }
            }
            let exponentials = Exponentials { layout, first, others, len };
            here.values(None, exponentials, &mut work, |number, value| values[number] = value);
            here.write(Exponentials { layout, first: &[], others, len }, &mut work, first);
            here.dense(None, first, |number, value| values[number] += value);
            if groups == 1 {
                task.squares[index] = sum_of_squares(first);
            }
            here.finite(values)?;
            for (value, term) in values.iter_mut().zip(terms) {
                *value *= term.share * term.part(at);
            }
        }
        Ok(())
    }
}

/// One row, for all losses or for the losses of one group.
struct At<'t, 'a> {
    terms: &'t [Term<'a>],
    rows: &'t Rows<'a>,
    at: usize,
    mean: f64,
    max: f32,
}

impl<'t, 'a> At<'t, 'a> {
    fn open(&self, group: Option<usize>) -> impl Iterator<Item = (usize, &'t Term<'a>)> {
        let at = self.at;
        let wanted = move |term: &Term| group.is_none_or(|group| group == term.group) && term.row_weight(at) != 0.0;
        self.terms.iter().enumerate().filter(move |(_, term)| wanted(term))
    }

    /// Computes the value of each loss; writes the gradient's coefficients and slopes into `work`.
    fn values(
        &self,
        group: Option<usize>,
        exponentials: Exponentials,
        work: &mut Work<'t, '_>,
        mut value: impl FnMut(usize, f64),
    ) {
        work.gradient.clear();
        work.slopes.clear();
        for (number, term) in self.open(group) {
            let mut row = Row {
                index: self.at,
                student: self.rows.student(self.at),
                label: self.rows.labels.map(|labels| labels[self.at]),
                scratch: &mut work.slopes,
                rows: self.rows,
                mean: self.mean,
                max: self.max,
                stats: &work.stats,
                exponentials,
                gradient: &mut work.gradient,
                scale: term.scale(self.at),
            };
            value(number, term.loss.row(&mut row));
        }
        // The last pass reads only the gradient's row of the student, so slopes for another softmax are settled now.
        if let Some(Pending::Bent { softmax, .. }) = work.slopes.pending
            && exponentials.layout.places[softmax].base != 0
        {
            work.slopes.settle(exponentials);
        }
    }

    /// Writes the gradient into `out`, over the exponentials of base 0.
    fn write(&self, exponentials: Exponentials, work: &mut Work, out: &mut [f32]) {
        let exponentials = Exponentials { first: &[], ..exponentials };
        let student = self.rows.student(self.at);
        let sources = Sources { exponentials, student, gradient: &work.gradient, slopes: &work.slopes };
        write(&sources, out, &mut work.polynomials);
    }

    fn dense(&self, group: Option<usize>, gradient: &mut [f32], mut value: impl FnMut(usize, f64)) {
        for (number, term) in self.open(group).filter(|(_, term)| term.loss.is_dense()) {
            let mut row = Dense { rows: self.rows, at: self.at, gradient: &mut *gradient, scale: term.scale(self.at) };
            value(number, term.loss.dense(&mut row));
        }
    }

    /// Rejects values that are not finite; the error names the cause.
    fn finite(&self, values: &[f64]) -> Result<()> {
        let Some(number) = values.iter().position(|value| !value.is_finite()) else { return Ok(()) };
        for teacher in 0..self.rows.teachers.len() {
            check_teacher(self.rows.teacher(teacher, self.at), self.at)?;
        }
        if !self.rows.targets.is_empty() {
            check_finite(self.rows.targets(self.at), self.at, "labels", false)?;
        }
        let message = format!("expected a finite loss, got {} in row {}", values[number], self.at);
        Err(Error::new(Code::NotFinite, self.terms[number].name, message))
    }
}
