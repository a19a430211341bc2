//! The rows that a sweep reads, and the checks of their numbers.

use crate::error::{Code, Error, Result};

/// The longest row for which the next row is prefetched.
const AHEAD: usize = 40_000;

/// All rows of equal length, one after the other.
pub(crate) struct Rows<'a> {
    pub classes: usize,
    pub student: &'a [f32],
    pub teachers: Vec<&'a [f32]>,
    /// Labels that are numbers, one for each logit; empty if there are none.
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

    /// One row of a teacher, one number for each of its classes.
    pub fn teacher(&self, index: usize, row: usize) -> &'a [f32] {
        let classes = self.teachers[index].len() / self.count().max(1);
        &self.teachers[index][row * classes..(row + 1) * classes]
    }

    pub fn targets(&self, row: usize) -> &'a [f32] {
        &self.targets[row * self.classes..(row + 1) * self.classes]
    }
}

/// The next row, if it fits into the second-level cache together with this row and its scratch rows.
pub(super) fn ahead(all: &[f32], end: usize, len: usize) -> &[f32] {
    if len <= AHEAD { all.get(end..end + len).unwrap_or(&[]) } else { &[] }
}

/// Rejects a teacher's row that contains a number that is not finite (except -∞ for masked classes) or in which all
/// classes are masked.
pub(crate) fn check_teacher<F: Copy + Into<f64>>(logits: &[F], row: usize) -> Result<()> {
    check_finite(logits, row, "teacher.logits", true)?;
    check_open(logits, row)
}

/// Rejects a teacher's row in which all classes are masked.
pub(super) fn check_open<F: Copy + Into<f64>>(logits: &[F], row: usize) -> Result<()> {
    if logits.iter().all(|x| (*x).into() == f64::NEG_INFINITY) {
        let message = format!("expected at least one class that is not masked, got -∞ for all classes of row {row}");
        return Err(Error::new(Code::NotFinite, "teacher.logits", message));
    }
    Ok(())
}

/// Rejects numbers that are not finite and names the first one; with `masks`, -∞ is allowed and masks a class.
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
