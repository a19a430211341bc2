//! The rows that a sweep reads, and the refusal of rows that hold no usable numbers.

use crate::error::{Code, Error, Result};

/// Longest row whose successor is fetched while the row is worked on.
const AHEAD: usize = 40_000;

/// All rows of equal length, one after the other.
pub(crate) struct Rows<'a> {
    pub classes: usize,
    pub student: &'a [f32],
    pub teachers: Vec<&'a [f32]>,
    /// Numbers as labels, one for each logit; empty where there are none.
    pub targets: &'a [f32],
    pub labels: Option<&'a [u32]>,
}

impl<'a> Rows<'a> {
    pub fn count(&self) -> usize {
        self.student.len() / self.classes.max(1)
    }

    pub fn student(&self, row: usize) -> &'a [f32] {
        &self.student[row * self.classes..(row + 1) * self.classes]
    }

    /// One row of a teacher, of as many classes as it has.
    pub fn teacher(&self, index: usize, row: usize) -> &'a [f32] {
        let classes = self.teachers[index].len() / self.count().max(1);
        &self.teachers[index][row * classes..(row + 1) * classes]
    }

    pub fn targets(&self, row: usize) -> &'a [f32] {
        &self.targets[row * self.classes..(row + 1) * self.classes]
    }
}

/// The next row, where it fits into the second-level cache together with this one and all its companions.
pub(super) fn ahead(all: &[f32], end: usize, len: usize) -> &[f32] {
    if len <= AHEAD { all.get(end..end + len).unwrap_or(&[]) } else { &[] }
}

/// Refuses a teacher's row with a number that is not finite, except for masked classes, or with no class left.
pub(crate) fn check_teacher<F: Copy + Into<f64>>(logits: &[F], row: usize) -> Result<()> {
    check_finite(logits, row, "teacher.logits", true)?;
    check_open(logits, row)
}

/// Refuses a teacher's row with no class left.
pub(super) fn check_open<F: Copy + Into<f64>>(logits: &[F], row: usize) -> Result<()> {
    if logits.iter().all(|x| (*x).into() == f64::NEG_INFINITY) {
        let message = format!("expected one class that is not masked, got -∞ for all of row {row}");
        return Err(Error::new(Code::NotFinite, "teacher.logits", message));
    }
    Ok(())
}

/// Names the first number that is not finite, if there is one; -∞ may mask a class.
pub(crate) fn check_finite<F: Copy + Into<f64>>(logits: &[F], row: usize, path: &str, masks: bool) -> Result<()> {
    let good = |x: f64| x.is_finite() || (masks && x == f64::NEG_INFINITY);
    match logits.iter().position(|x| !good((*x).into())) {
        None => Ok(()),
        Some(class) => {
            let got: f64 = logits[class].into();
            let message = format!("expected finite numbers, got {got} in row {row}, class {class}");
            Err(Error::new(Code::NotFinite, path, message))
        }
    }
}
