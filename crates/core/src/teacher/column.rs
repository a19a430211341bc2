//! The column of teacher logits in the data, of all classes or the largest of each row, found by sample id.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::teach::{Asking, Offers, Teach, Teacher};
use crate::batch::{Batch, TeacherLogits};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::models::Network;
use crate::targets::{self, Form, Target, TopK};

/// The column of teacher logits in the data.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "bool")]
#[schemars(with = "bool")]
pub struct Column;

impl TryFrom<bool> for Column {
    type Error = &'static str;

    fn try_from(given: bool) -> std::result::Result<Column, &'static str> {
        if given { Ok(Column) } else { Err("expected true, got false") }
    }
}

impl Column {
    pub(super) fn teacher(self) -> Result<Teacher> {
        Ok(self.into())
    }
}

impl Teach for Column {
    fn offers(&self, student: &Network, data: Option<&Dataset>) -> Result<Offers> {
        let all = Offers { classes: student.classes(), form: Form::Logits };
        let Some(data) = data else { return Ok(all) };
        if let Some(classes) = data.teacher_classes() {
            return Ok(Offers { classes, ..all });
        }
        match data.teacher_top() {
            None => {
                let message = "expected a teacher, or data with a teacherLogits or teacherTopK column, got neither";
                Err(Error::config("", message))
            }
            Some((_, end)) if end > all.classes => {
                let message = format!("expected classes below {}, got {}", all.classes, end - 1);
                Err(Error::data("teacherTopK.classes", message))
            }
            Some((k, _)) => Ok(Offers { form: Form::Top(k), ..all }),
        }
    }

    fn answer(&self, batch: &Batch, asking: &Asking) -> Result<targets::Signal> {
        match &batch.teacher_logits {
            Some(TeacherLogits::All(logits)) => Ok(targets::Signal::logits(logits.clone())),
            Some(TeacherLogits::Top(top)) => {
                let top = TopK::new(asking.student.network.classes(), top.clone())?;
                Ok(targets::Signal::new(Target::TopK(top), 1.0))
            }
            None => {
                let message = "expected a column of teacher logits in this batch, got none";
                Err(Error::data("teacherLogits", message))
            }
        }
    }

    fn fingerprint(&self) -> Result<Json> {
        Ok(json!("column"))
    }

    fn reads_column(&self) -> bool {
        true
    }
}
