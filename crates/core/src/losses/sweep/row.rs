//! What a row loss sees of the sweep: the softmaxes it asked for, and a gradient to add to.
//!
//! Losses that ask for the same softmax share it. The gradient is kept as coefficients of rows that are in
//! cache anyway (exponentials, logits, a constant) and single classes, and is written once, at the end.

use std::f64::consts::{LN_2, LOG2_E};
use std::ops::Range;

use super::Rows;
use super::layout::Exponentials;
use super::statistics::ahead;
use crate::kernels::cpu::rows::{self, Polynomial};
use crate::kernels::cpu::slopes::{self, Exponents, Probabilities};

/// Whose logits: the student's, or those of one of the teachers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Student,
    Teacher(usize),
}

/// One softmax of every row, asked for before the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Softmax(usize);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spec {
    pub side: Side,
    pub temperature: f64,
    /// Of the row's z-scores instead of its logits.
    pub standardize: bool,
    /// Its exponentials are kept as they are, not as a power of others.
    pub stored: bool,
    /// The sum that makes its divergence from the student's softmax of the same kind.
    pub across: bool,
}

/// The softmaxes that the losses of a step read.
#[derive(Default)]
pub(crate) struct Ask {
    pub(super) specs: Vec<Spec>,
    /// Whether a loss works with slopes.
    pub(super) slopes: bool,
}

impl Ask {
    fn find(&mut self, side: Side, temperature: f64, standardize: bool) -> usize {
        let same = |spec: &Spec| (spec.side, spec.temperature, spec.standardize) == (side, temperature, standardize);
        self.specs.iter().position(same).unwrap_or_else(|| {
            self.specs.push(Spec { side, temperature, standardize, stored: standardize, across: false });
            self.specs.len() - 1
        })
    }

    /// softmax(logits / temperature).
    pub fn softmax(&mut self, side: Side, temperature: f64) -> Softmax {
        Softmax(self.find(side, temperature, false))
    }

    /// A teacher's softmax and the student's of the same temperature, with their divergence. With
    /// `standardize` of the rows' z-scores.
    pub fn pair(&mut self, teacher: usize, temperature: f64, standardize: bool) -> (Softmax, Softmax) {
        let student = self.find(Side::Student, temperature, standardize);
        let teacher = self.find(Side::Teacher(teacher), temperature, standardize);
        self.specs[teacher].across = true;
        self.specs[teacher].stored = true;
        (Softmax(teacher), Softmax(student))
    }

    /// Lets the softmax's exponentials be read as numbers, by `Row::exponentials`.
    pub fn stored(&mut self, softmax: Softmax) -> Softmax {
        self.specs[softmax.0].stored = true;
        softmax
    }

    /// A teacher's softmax and the student's of one temperature, as numbers, and a row for slopes.
    pub fn slopes(&mut self, teacher: usize, temperature: f64) -> (Softmax, Softmax) {
        let student = self.softmax(Side::Student, temperature);
        let teacher = self.softmax(Side::Teacher(teacher), temperature);
        self.slopes = true;
        (self.stored(teacher), self.stored(student))
    }

    /// A row for slopes or for exponentials of a loss's own.
    pub fn scratch(&mut self) {
        self.slopes = true;
    }
}

/// What the sweep knows of one softmax of the current row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stats {
    pub max: f32,
    /// 1 / temperature, for z-scores also over the row's deviation.
    pub scale: f64,
    /// Σ of the exponentials, the largest being 1.
    pub sum: f64,
    /// Its logarithm.
    pub log_sum: f64,
    /// Σ p (d − d_student), in powers of two, before the division by `sum`.
    pub across: f64,
    /// Of the row's logits (without masked classes), and unbiased; only where z-scores are asked for.
    pub mean: f64,
    pub deviation: f64,
}

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

/// Slopes that are no gradient yet.
#[derive(Clone, Copy)]
pub(super) enum Pending {
    /// scale · q_i (g_i − mean), q one of the student's softmaxes.
    Bent { softmax: usize, mean: f32, scale: f32 },
    /// scale · g_i.
    Plain { scale: f32 },
}

/// Rows of scratch memory for losses that work with slopes.
pub(super) struct Slopes<'w> {
    /// Slopes, or exponentials of a loss's own.
    pub row: &'w mut [f32],
    /// What stands in `row` and is left to the last pass, which reads the student's exponentials anyway.
    pub pending: Option<Pending>,
    /// What slopes became: a part of the gradient that has a row of its own.
    pub bent: &'w mut [f32],
    /// Whether anything stands in `bent`.
    pub filled: bool,
}

impl Slopes<'_> {
    pub fn bent(&self) -> Option<&[f32]> {
        self.filled.then_some(&*self.bent)
    }

    /// Makes what is pending a part of `bent`.
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

/// One row while it is in cache.
pub(crate) struct Row<'a, 'g, 'w> {
    /// Its number in the batch.
    pub index: usize,
    /// The student's logits.
    pub student: &'a [f32],
    /// Its class, where the batch has one a row; in range.
    pub label: Option<u32>,
    pub(super) scratch: &'g mut Slopes<'w>,
    pub(super) rows: &'a Rows<'a>,
    pub(super) mean: f64,
    /// The student's largest logit.
    pub max: f32,
    pub(super) stats: &'g [Stats],
    pub(super) exponentials: Exponentials<'g>,
    pub(super) gradient: &'g mut Gradient<'a>,
    /// The term's weight × the row's weight ÷ the sum of all rows' weights.
    pub(super) scale: f64,
}

impl<'a, 'g> Row<'a, 'g, '_> {
    /// A teacher's logits; as many as it has classes.
    pub fn teacher(&self, index: usize) -> &'a [f32] {
        self.rows.teacher(index, self.index)
    }

    /// Those of the next row, to be fetched; empty behind the last, and where rows are long.
    pub fn next_teacher(&self, index: usize) -> &'a [f32] {
        let all = self.rows.teachers[index];
        let len = self.teacher(index).len();
        ahead(all, (self.index + 1) * len, len)
    }

    /// The student's logits of the next row, in the same way.
    pub fn next_student(&self) -> &'a [f32] {
        ahead(self.rows.student, (self.index + 1) * self.classes(), self.classes())
    }

    /// The class of a loss that needs labels.
    pub fn label(&self) -> usize {
        self.label.map_or(0, |label| label as usize)
    }

    /// That of the next row.
    pub fn next_label(&self) -> Option<usize> {
        self.rows.labels?.get(self.index + 1).map(|label| *label as usize)
    }

    pub fn classes(&self) -> usize {
        self.student.len()
    }

    /// ln of what a softmax gives to one of its logits.
    pub fn log_share(&self, softmax: Softmax, logit: f32) -> f64 {
        let stats = &self.stats[softmax.0];
        (f64::from(logit) - f64::from(stats.max)) * stats.scale - stats.log_sum
    }

    /// ln softmax(student / T) of one class.
    pub fn log_probability(&self, softmax: Softmax, class: usize) -> f64 {
        self.log_share(softmax, self.student[class])
    }

    /// The mean over all classes of ln softmax(student / T).
    pub fn mean_log_probability(&self, softmax: Softmax) -> f64 {
        let stats = &self.stats[softmax.0];
        (self.mean - f64::from(stats.max)) * stats.scale - stats.log_sum
    }

    /// Σ ρ ln softmax(student / T), ρ a row of numbers that add up to 1.
    pub fn mean_log_under(&self, softmax: Softmax, p: &[f32]) -> f64 {
        let stats = &self.stats[softmax.0];
        rows::dot(self.student, stats.max, p) * stats.scale - stats.log_sum
    }

    /// KL(teacher ‖ student) of two softmaxes that were asked for as a pair.
    pub fn divergence(&self, (teacher, student): (Softmax, Softmax)) -> f64 {
        let (p, q) = (&self.stats[teacher.0], &self.stats[student.0]);
        LN_2 * p.across / p.sum - p.log_sum + q.log_sum
    }

    /// The row's mean and its unbiased deviation + 1e-7, for a softmax of z-scores; no deviation: a
    /// constant row, whose scores are 0.
    pub fn spread(&self, softmax: Softmax) -> (f64, Option<f64>) {
        let stats = &self.stats[softmax.0];
        (stats.mean, (stats.deviation > 0.0).then_some(stats.deviation + 1e-7))
    }

    /// The exponentials of a stored softmax and what makes them probabilities.
    pub fn exponentials(&self, softmax: Softmax) -> (&'g [f32], f64) {
        self.exponentials.of(softmax.0, self.stats)
    }

    /// The same, as probabilities.
    pub fn probabilities(&self, softmax: Softmax) -> Probabilities<'g> {
        let (exponentials, share) = self.exponentials(softmax);
        Probabilities { exponentials, share }
    }

    /// A row of logits as exponents of two, less the largest: those of a softmax at 1 / `scale`.
    pub fn exponents<'x>(&self, softmax: Softmax, logits: &'x [f32]) -> Exponents<'x> {
        let stats = &self.stats[softmax.0];
        Exponents { logits, max: stats.max, scale: (stats.scale * LOG2_E) as f32 }
    }

    /// ln Σ exp(x / T), less the largest x / T.
    pub fn log_sum(&self, softmax: Softmax) -> f64 {
        self.stats[softmax.0].log_sum
    }

    /// Σ p (z − mean of the row): the softmax's mean of the student's logits.
    pub fn mean_logit(&self, softmax: Softmax, mean: f64) -> f64 {
        let (exponentials, share) = self.exponentials(softmax);
        rows::dot(self.student, mean as f32, exponentials) * share
    }

    /// Adds `coefficient` · p to the gradient.
    pub fn add_softmax(&mut self, softmax: Softmax, coefficient: f64) {
        self.gradient.softmaxes[softmax.0] += self.scale * coefficient / self.stats[softmax.0].sum;
    }

    pub fn add_class(&mut self, class: usize, coefficient: f64) {
        self.gradient.classes.push((class, self.scale * coefficient));
    }

    pub fn add_classes(&mut self, all: impl Iterator<Item = (usize, f64)>) {
        let scale = self.scale;
        self.gradient.classes.extend(all.map(|(class, coefficient)| (class, scale * coefficient)));
    }

    pub fn add_everywhere(&mut self, coefficient: f64) {
        self.gradient.everywhere += self.scale * coefficient;
    }

    /// Adds `coefficient` · (z − mean).
    pub fn add_logits(&mut self, mean: f64, coefficient: f64) {
        self.gradient.logits += self.scale * coefficient;
        self.gradient.everywhere -= self.scale * coefficient * mean;
    }

    /// Numbers of a loss's own, one a class, where it asked for them; whatever was left there.
    pub fn slopes(&mut self) -> &mut [f32] {
        self.scratch.settle(self.exponentials);
        self.scratch.row
    }

    /// Adds `coefficient` · q_i (g_i − mean), g the slopes and q the student's softmax.
    pub fn add_bent(&mut self, student: Softmax, mean: f64, coefficient: f64) {
        let (_, share) = self.exponentials(student);
        let scale = (self.scale * coefficient * share) as f32;
        self.scratch.pending = Some(Pending::Bent { softmax: student.0, mean: mean as f32, scale });
    }

    /// Adds `coefficient` · the slopes' row as it is.
    pub fn add_slopes(&mut self, coefficient: f64) {
        self.scratch.pending = Some(Pending::Plain { scale: (self.scale * coefficient) as f32 });
    }

    /// Adds `coefficient` · a row of numbers.
    pub fn add_row(&mut self, row: &'a [f32], coefficient: f64) {
        self.gradient.dense.push((row, self.scale * coefficient));
    }
}

/// One row whose gradient has been written as far as the softmaxes and slopes make it.
pub(crate) struct Dense<'b> {
    pub(super) rows: &'b Rows<'b>,
    pub(super) at: usize,
    /// Added to, by losses.
    pub gradient: &'b mut [f32],
    /// What the gradient of the row's value is multiplied by.
    pub scale: f64,
}

impl<'b> Dense<'b> {
    fn range(&self) -> Range<usize> {
        self.at * self.rows.classes..(self.at + 1) * self.rows.classes
    }

    pub fn student(&self) -> &'b [f32] {
        &self.rows.student[self.range()]
    }

    /// Several labels or real numbers.
    pub fn targets(&self) -> &'b [f32] {
        &self.rows.targets[self.range()]
    }

    pub fn teacher(&self, index: usize) -> &'b [f32] {
        self.rows.teacher(index, self.at)
    }

    pub fn classes(&self) -> usize {
        self.rows.classes
    }
}
