//! One row, as a row loss sees it: methods to read its numbers, and to write its gradient.

use std::f64::consts::{LN_2, LOG2_E};

use super::gradient::{Gradient, Pending, Slopes};
use super::layout::Exponentials;
use super::rows::{Rows, ahead};
use super::softmax::{Softmax, Stats};
use crate::kernels::cpu::rows;
use crate::kernels::cpu::slopes::{Exponents, Probabilities};

/// One row while it is in cache.
pub(crate) struct Row<'a, 'g, 'w> {
    /// Its number in the batch.
    pub index: usize,
    /// The student's logits.
    pub student: &'a [f32],
    /// Its class, if the batch has one class per row; in range.
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

/// Reading: logits, labels, and the requested softmaxes.
impl<'a, 'g> Row<'a, 'g, '_> {
    /// A teacher's logits, one for each of its classes.
    pub fn teacher(&self, index: usize) -> &'a [f32] {
        self.rows.teacher(index, self.index)
    }

    /// The teacher's logits of the next row, for prefetching; empty after the last row, and if rows are long.
    pub fn next_teacher(&self, index: usize) -> &'a [f32] {
        let all = self.rows.teachers[index];
        let len = self.teacher(index).len();
        ahead(all, (self.index + 1) * len, len)
    }

    /// The same for the student's logits.
    pub fn next_student(&self) -> &'a [f32] {
        ahead(self.rows.student, (self.index + 1) * self.classes(), self.classes())
    }

    /// The row's class, for losses that need labels.
    pub fn label(&self) -> usize {
        self.label.map_or(0, |label| label as usize)
    }

    /// The class of the next row.
    pub fn next_label(&self) -> Option<usize> {
        self.rows.labels?.get(self.index + 1).map(|label| *label as usize)
    }

    /// The row's labels if they are numbers, else empty.
    pub fn targets(&self) -> &'a [f32] {
        if self.rows.targets.is_empty() { &[] } else { self.rows.targets(self.index) }
    }

    pub fn classes(&self) -> usize {
        self.student.len()
    }

    /// ln of the probability that a softmax gives to this logit.
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

    /// Σ ρ ln softmax(student / T), where ρ adds up to 1.
    pub fn mean_log_under(&self, softmax: Softmax, p: &[f32]) -> f64 {
        let stats = &self.stats[softmax.0];
        rows::dot(self.student, stats.max, p) * stats.scale - stats.log_sum
    }

    /// KL(teacher ‖ student) of two softmaxes that were requested as a pair.
    pub fn divergence(&self, (teacher, student): (Softmax, Softmax)) -> f64 {
        let (p, q) = (&self.stats[teacher.0], &self.stats[student.0]);
        LN_2 * p.across / p.sum - p.log_sum + q.log_sum
    }

    /// The row's mean, and its unbiased deviation + 1e-7, for a softmax of z-scores. The deviation is `None` for a
    /// constant row, whose scores are 0.
    pub fn spread(&self, softmax: Softmax) -> (f64, Option<f64>) {
        let stats = &self.stats[softmax.0];
        (stats.mean, (stats.deviation > 0.0).then_some(stats.deviation + 1e-7))
    }

    /// The exponentials of a stored softmax, and the factor that turns them into probabilities.
    pub fn exponentials(&self, softmax: Softmax) -> (&'g [f32], f64) {
        self.exponentials.of(softmax.0, self.stats)
    }

    /// The same, as probabilities.
    pub fn probabilities(&self, softmax: Softmax) -> Probabilities<'g> {
        let (exponentials, share) = self.exponentials(softmax);
        Probabilities { exponentials, share }
    }

    /// A row of logits as exponents of two, minus the largest, for the temperature of this softmax.
    pub fn exponents<'x>(&self, softmax: Softmax, logits: &'x [f32]) -> Exponents<'x> {
        let stats = &self.stats[softmax.0];
        Exponents { logits, max: stats.max, scale: (stats.scale * LOG2_E) as f32 }
    }

    /// ln Σ exp(x / T), minus the largest x / T.
    pub fn log_sum(&self, softmax: Softmax) -> f64 {
        self.stats[softmax.0].log_sum
    }

    /// Σ p (z − mean), where p is the softmax and z are the student's logits.
    pub fn mean_logit(&self, softmax: Softmax, mean: f64) -> f64 {
        let (exponentials, share) = self.exponentials(softmax);
        rows::dot(self.student, mean as f32, exponentials) * share
    }
}

/// Writing: coefficients of the gradient, or slopes and how they enter the gradient. These methods do not write into
/// the gradient's row yet.
impl<'a> Row<'a, '_, '_> {
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

    /// A scratch row for slopes, one number per class, if the loss requested it; its content is undefined. Pending
    /// slopes of an earlier loss become part of the gradient first.
    pub fn slopes(&mut self) -> &mut [f32] {
        self.scratch.settle(self.exponentials);
        self.scratch.row
    }

    /// Adds `coefficient` · q_i (g_i − mean), where g are the slopes and q is the student's softmax.
    pub fn add_bent(&mut self, student: Softmax, mean: f64, coefficient: f64) {
        let (_, share) = self.exponentials(student);
        let scale = (self.scale * coefficient * share) as f32;
        self.scratch.pending = Some(Pending::Bent { softmax: student.0, mean: mean as f32, scale });
    }

    /// Adds `coefficient` · the row of slopes.
    pub fn add_slopes(&mut self, coefficient: f64) {
        self.scratch.pending = Some(Pending::Plain { scale: (self.scale * coefficient) as f32 });
    }

    /// Adds `coefficient` · a row of numbers.
    pub fn add_row(&mut self, row: &'a [f32], coefficient: f64) {
        self.gradient.dense.push((row, self.scale * coefficient));
    }
}

/// One row whose gradient already contains the softmaxes and slopes.
pub(crate) struct Dense<'b> {
    pub(super) rows: &'b Rows<'b>,
    pub(super) at: usize,
    /// Losses add to it.
    pub gradient: &'b mut [f32],
    /// The factor of the gradient of the row's value.
    pub scale: f64,
}

impl<'b> Dense<'b> {
    pub fn student(&self) -> &'b [f32] {
        self.rows.student(self.at)
    }

    /// The row's labels, if they are numbers.
    pub fn targets(&self) -> &'b [f32] {
        self.rows.targets(self.at)
    }

    pub fn teacher(&self, index: usize) -> &'b [f32] {
        self.rows.teacher(index, self.at)
    }

    pub fn classes(&self) -> usize {
        self.rows.classes
    }
}
