//! The row engine: one sweep over the rows runs all row losses while a row is in cache.
//!
//! A row's largest logits come first, then the exponentials of each softmax that was asked for, then every
//! loss's value and coefficients, and the gradient last, in one pass. It is made in the forward pass and
//! kept. Of the student's softmaxes the one of the largest temperature stands in the gradient's own row, and
//! those whose temperature divides it are its powers: e^(x/1) = (e^(x/2))². So two losses at two temperatures
//! read and write 12 bytes a logit, and a thread needs one scratch row, whatever the number of losses.
//!
//! A loss whose gradient is no sum of softmaxes writes its slopes ∂/∂q into a scratch row. The last pass makes them a part
//! of the gradient; with several such losses those of the others are summed in one more row before.
//!
//! Rows are split into fixed blocks, values are summed in row order: equal bits for any number of threads. Norms
//! of single losses are measured beside the gradient, in scratch memory: asking for them changes no bit of it.

pub(crate) mod columns;
mod layout;
pub(crate) mod others;
mod row;
mod statistics;
mod write;

use std::cell::RefCell;

pub(crate) use row::{Ask, Dense, Row, Side, Softmax};

use super::loss::RowTerm;
use crate::error::{Code, Error, Result};
use crate::kernels::cpu::rows::{self, Polynomial};
use crate::pool;
use layout::{Exponentials, Layout};
use row::{Gradient, Pending, Slopes, Stats};
use statistics::{finite, masked, open, prepare};

/// Logits of one task.
const TASK: usize = 16 * 1024;

/// One loss (against one teacher) at one step.
pub(super) struct Term<'a> {
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
    fn row_weight(&self, row: usize) -> f64 {
        self.row_weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    /// The row's part of the mean.
    fn part(&self, row: usize) -> f64 {
        if self.denominator == 0.0 { 0.0 } else { self.row_weight(row) / self.denominator }
    }

    /// What the gradient of the row's value is multiplied by.
    fn scale(&self, row: usize) -> f64 {
        self.weight * self.share * self.part(row)
    }
}

/// What a sweep reads: all rows of equal length, one after the other.
pub(crate) struct Rows<'a> {
    pub classes: usize,
    pub student: &'a [f32],
    pub teachers: Vec<&'a [f32]>,
    /// Several labels or real numbers; empty where there are none.
    pub targets: &'a [f32],
    pub labels: Option<&'a [u32]>,
}

impl Rows<'_> {
    pub fn count(&self) -> usize {
        self.student.len() / self.classes.max(1)
    }

    /// One row of a teacher, of as many classes as it has.
    pub fn teacher(&self, index: usize, row: usize) -> &[f32] {
        let classes = self.teachers[index].len() / self.count().max(1);
        &self.teachers[index][row * classes..(row + 1) * classes]
    }
}

/// By group: Σ of the rows' weighted values over the denominator, and the square of the gradient's norm.
pub(super) struct Swept {
    pub values: Vec<f64>,
    pub squares: Vec<f64>,
}

/// What a task needs while it goes through its rows, reused from row to row.
struct Work<'a> {
    stats: Vec<Stats>,
    /// Of the group whose norm is measured, then of all terms together.
    gradient: Gradient<'a>,
    /// By base.
    polynomials: Vec<Polynomial>,
}

thread_local! {
    /// Rows of exponentials, all but the one that stands in the gradient, and what else is asked for.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

struct Task<'t> {
    first_row: usize,
    gradient: &'t mut [f32],
    /// By row and term; the squares by row and group.
    values: &'t mut [f64],
    squares: &'t mut [f64],
    result: Result<()>,
}

/// Runs all terms, ordered by group, over all rows; `gradient` is written, never read before.
pub(super) fn sweep<'a>(
    ask: Ask,
    terms: &[Term<'a>],
    groups: usize,
    rows: &Rows<'a>,
    gradient: &mut [f32],
    norms: bool,
) -> Result<Swept> {
    let layout = Layout::new(ask.specs);
    let count = rows.count();
    let mut values = vec![0.0; count * terms.len()];
    let mut squares = vec![0.0; if norms { count * groups } else { 0 }];
    let task_rows = if rows.student.len() <= 4 * TASK { count } else { TASK.div_ceil(rows.classes) }.max(1);
    let mut tasks: Vec<Task> = Vec::with_capacity(count.div_ceil(task_rows));
    {
        let mut rest = (gradient, values.as_mut_slice(), squares.as_mut_slice());
        let mut first_row = 0;
        while first_row < count {
            let here = task_rows.min(count - first_row);
            let (gradient, more_gradient) = rest.0.split_at_mut(here * rows.classes);
            let (values, more_values) = rest.1.split_at_mut(here * terms.len());
            let (squares, more_squares) = rest.2.split_at_mut(if norms { here * groups } else { 0 });
            tasks.push(Task { first_row, gradient, values, squares, result: Ok(()) });
            rest = (more_gradient, more_values, more_squares);
            first_row += here;
        }
    }
    pool::pieces(&mut tasks, 1, |_, task| {
        for task in task {
            task.result = SCRATCH.with_borrow_mut(|scratch| run(&layout, ask.slopes, terms, rows, task, scratch));
        }
    });
    for task in tasks {
        task.result?;
    }
    let mut swept = Swept { values: vec![0.0; groups], squares: vec![0.0; groups] };
    for row in values.chunks_exact(terms.len().max(1)) {
        terms.iter().zip(row).for_each(|(term, value)| swept.values[term.group] += value);
    }
    for row in squares.chunks_exact(groups.max(1)) {
        swept.squares.iter_mut().zip(row).for_each(|(sum, square)| *sum += square);
    }
    Ok(swept)
}

/// One row with what is known of it, to be asked by its losses: all of them, or those of one group.
struct At<'t, 'a> {
    terms: &'t [Term<'a>],
    rows: &'t Rows<'a>,
    at: usize,
    mean: f64,
    max: f32,
}

impl<'t, 'a> At<'t, 'a> {
    fn student(&self) -> &'t [f32] {
        &self.rows.student[self.at * self.rows.classes..(self.at + 1) * self.rows.classes]
    }

    fn open(&self, group: Option<usize>) -> impl Iterator<Item = (usize, &'t Term<'a>)> {
        let at = self.at;
        let wanted = move |term: &Term| group.is_none_or(|group| group == term.group) && term.row_weight(at) != 0.0;
        self.terms.iter().enumerate().filter(move |(_, term)| wanted(term))
    }

    fn rows(
        &self,
        group: Option<usize>,
        stats: &[Stats],
        exponentials: Exponentials,
        gradient: &mut Gradient<'t>,
        slopes: &mut Slopes,
        mut value: impl FnMut(usize, f64),
    ) {
        gradient.clear();
        (slopes.filled, slopes.pending) = (false, None);
        for (number, term) in self.open(group) {
            let mut row = Row {
                index: self.at,
                student: self.student(),
                label: self.rows.labels.map(|labels| labels[self.at]),
                scratch: &mut *slopes,
                rows: self.rows,
                mean: self.mean,
                max: self.max,
                stats,
                exponentials,
                gradient: &mut *gradient,
                scale: term.scale(self.at),
            };
            value(number, term.loss.row(&mut row));
        }
        // The last pass reads what stands in the gradient's row, and nothing else of the student.
        if let Some(Pending::Bent { softmax, .. }) = slopes.pending
            && exponentials.layout.places[softmax].base != 0
        {
            slopes.settle(exponentials);
        }
    }

    fn dense(&self, group: Option<usize>, gradient: &mut [f32], mut value: impl FnMut(usize, f64)) {
        for (number, term) in self.open(group).filter(|(_, term)| term.loss.is_dense()) {
            let mut row = Dense { rows: self.rows, at: self.at, gradient: &mut *gradient, scale: term.scale(self.at) };
            value(number, term.loss.dense(&mut row));
        }
    }
}

/// All rows of one task.
fn run(
    layout: &Layout,
    with_slopes: bool,
    terms: &[Term],
    rows: &Rows,
    task: &mut Task,
    scratch: &mut Vec<f32>,
) -> Result<()> {
    let len = rows.classes;
    let groups = task.squares.len() / (task.gradient.len() / len).max(1);
    let rows_of = |wanted: bool| if wanted { len } else { 0 };
    let (apart, each) = (layout.apart() * len, rows_of(with_slopes));
    let room = apart + 2 * each + rows_of(groups > 1);
    if scratch.len() < room {
        scratch.resize(room, 0.0);
    }
    let (others, rest) = scratch[..room].split_at_mut(apart);
    let (slopes, rest) = rest.split_at_mut(each);
    let (bent, own) = rest.split_at_mut(each);
    let mut slopes = Slopes { row: slopes, pending: None, bent, filled: false };
    let mut work = Work {
        stats: vec![Stats::default(); layout.specs.len()],
        gradient: Gradient { softmaxes: vec![0.0; layout.specs.len()], ..Gradient::default() },
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
            masked(rows.teacher(teacher, at), at)?;
        }
        let (max, mean) = prepare(layout, rows, at, first, others, &mut work.stats)?;
        let here = At { terms, rows, at, mean, max };
        let student = here.student();
        if groups > 1 {
            for (group, square) in task.squares[index * groups..(index + 1) * groups].iter_mut().enumerate() {
                let exponentials = Exponentials { layout, first, others, len };
                here.rows(Some(group), &work.stats, exponentials, &mut work.gradient, &mut slopes, |_, _| {});
                // Base 0 stands in the gradient's row, which the next group reads again.
                own.copy_from_slice(first);
                let kept = Exponentials { first: &[], ..exponentials };
                write::write(kept, student, &work.gradient, &slopes, own, &mut work.polynomials);
                here.dense(Some(group), own, |_, _| {});
                *square = rows::sum_of_squares(own);
            }
        }
        let exponentials = Exponentials { layout, first, others, len };
        let note = |number: usize, value: f64| values[number] = value;
        here.rows(None, &work.stats, exponentials, &mut work.gradient, &mut slopes, note);
        let kept = Exponentials { layout, first: &[], others, len };
        write::write(kept, student, &work.gradient, &slopes, first, &mut work.polynomials);
        here.dense(None, first, |number, value| values[number] += value);
        if groups == 1 {
            task.squares[index] = rows::sum_of_squares(first);
        }
        if let Some(number) = values.iter().position(|value| !value.is_finite()) {
            for teacher in 0..rows.teachers.len() {
                open(rows.teacher(teacher, at), at)?;
            }
            if !rows.targets.is_empty() {
                finite(&rows.targets[at * len..(at + 1) * len], at, "labels", false)?;
            }
            let message = format!("expected a finite loss, got {} in row {at}", values[number]);
            return Err(Error::new(Code::NotFinite, terms[number].name, message));
        }
        for (value, term) in values.iter_mut().zip(terms) {
            *value *= term.share * term.part(at);
        }
    }
    Ok(())
}
