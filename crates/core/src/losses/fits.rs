//! Checks that a run and its batches provide what the losses need.

use super::apply::Losses;
use super::given::Given;
use super::need::{Need, Needs};
use super::rows::rows_of;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::labels::{Labels, UNLABELLED};
use crate::targets::{Form, Signal};

impl Losses {
    /// Rejects a run that cannot provide what a loss needs.
    pub fn check(&self, given: &Given) -> Result<()> {
        for (name, need) in self.needs() {
            if let Some(kind) = need.lacks(given.labels) {
                let (got, remedy) = (given.labels.words(), given.labels.remedy(kind));
                let message = format!("expected {} in the data, got {got}{remedy}", kind.words());
                return Err(Error::config(name, message));
            }
            match need {
                Need::Labels | Need::Distribution | Need::SeveralLabels | Need::RealLabels => {}
                Need::Pair if given.pairs => {}
                Need::Pair => {
                    let message = "expected a data set with rows of two or more classes, so that each row can be paired with one of another class, got none: use tripletBatch, whose negatives are rows of the batch";
                    return Err(Error::config(name, message));
                }
                _ => match given.teacher_classes {
                    None => return Err(Error::config(name, "expected a teacher, got none: pass one to distill")),
                    Some(classes) if classes != given.classes && need != Need::TeacherLogitsOfAnyWidth => {
                        let message = format!(
                            "expected a teacher with the student's {} classes, got one with {classes}",
                            given.classes
                        );
                        return Err(Error::shape(name, message));
                    }
                    Some(_) if !Needs::of(&[need]).met_by(given.teacher_form) => {
                        return Err(without_logits(name, given.teacher_form));
                    }
                    Some(_) if need == Need::TeacherHead && !given.teacher_head => {
                        let message = "expected a teacher whose last linear layer can be read, got one with outputs only: pass the model itself";
                        return Err(Error::config(name, message));
                    }
                    Some(_) => {}
                },
            }
        }
        for row in &self.rows {
            let (name, loss) = (row.name, row.loss.row());
            if given.classes < loss.classes() {
                let message = format!("expected at least {} classes, got {}", loss.classes(), given.classes);
                return Err(Error::shape(name, message));
            }
            loss.check(given).map_err(|error| error.at(name))?;
            if let Some(option) = loss.couples_rows().filter(|_| given.batch == Some(1)) {
                let message =
                    "expected 0 with a batchSize of 1, because there is no other row to compare with, got more";
                return Err(Error::config(format!("{name}.{option}"), message));
            }
        }
        Ok(())
    }

    /// Checks the forms of the teachers' signals, which may change from batch to batch in a stream.
    pub(super) fn check_forms(&self, teachers: &[Signal]) -> Result<()> {
        for (name, needs) in self.all_needs().filter(|(_, needs)| needs.teacher()) {
            let mut forms = teachers.iter().map(|teacher| teacher.target.form());
            if let Some(form) = forms.find(|form| !needs.met_by(*form)) {
                return Err(without_logits(name, form).at("losses"));
            }
        }
        Ok(())
    }

    /// Checks the labels of a batch, which may change from batch to batch in a stream. A label out of range would read
    /// past its row. Rows of weight 0 may have any label, and losses on labels skip rows without a label.
    pub(super) fn check_labels(&self, batch: &Batch, classes: usize) -> Result<()> {
        let (got, rows) = (batch.labels.kind(), rows_of(batch));
        for (name, need) in self.needs() {
            if let Some(kind) = need.lacks(got) {
                let message = format!("expected {} for {name}, got {}{}", kind.words(), got.words(), got.remedy(kind));
                return Err(Error::data("labels", message));
            }
        }
        if let Some(targets) = self.targets(batch)
            && targets.elem_count() != rows * classes
        {
            let message = format!("expected {rows} rows of {classes} numbers, got the shape {:?}", targets.dims());
            return Err(Error::shape("labels", message));
        }
        for row in &self.rows {
            row.loss.row().check_batch(batch)?;
        }
        let Labels::Single(labels) = &batch.labels else { return Ok(()) };
        if labels.len() != rows {
            return Err(Error::shape("labels", format!("expected {rows} labels, one per row, got {}", labels.len())));
        }
        for (row, label) in labels.iter().enumerate() {
            if *label as usize >= classes
                && *label != UNLABELLED
                && batch.row_weights.as_ref().is_none_or(|weights| weights[row] != 0.0)
            {
                let message = format!("expected a class from 0 to {}, got {label} in row {row}", classes - 1);
                return Err(Error::data("labels", message));
            }
        }
        Ok(())
    }
}

fn without_logits(name: &str, form: Form) -> Error {
    let got = match form {
        Form::Top(k) => {
            format!("one with the {k} largest (teacherTopK): use kl, or kdTopk with missing: 'renormalize'")
        }
        _ => "one with only probabilities (label smoothing, combine: 'probabilities'): use kl".into(),
    };
    Error::config(name, format!("expected a teacher with the logits of all classes, got {got}"))
}
