//! The data's own column of teacher logits, found by sample id.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Asking, Offers, Teach, Teacher};
use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::models::Network;
use crate::targets;
use crate::tensor::Tensor;

/// The data's own column of teacher logits.
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
        let missing = || Error::config("", "expected a teacher, or data with a teacherLogits column, got neither");
        let classes = match data {
            Some(data) => data.teacher_classes().ok_or_else(missing)?,
            None => student.classes(),
        };
        Ok(Offers { classes, dense: true })
    }

    fn answer(&self, batch: &Batch, _asking: &Asking) -> Result<targets::Teacher> {
        Ok(targets::Teacher::logits(of_batch(batch)?.into_owned()))
    }

    fn fingerprint(&self) -> Result<Json> {
        Ok(json!("column"))
    }

    fn reads_column(&self) -> bool {
        true
    }
}

/// The column of a batch.
pub(super) fn of_batch(batch: &Batch) -> Result<Cow<'_, Tensor>> {
    let missing = || Error::data("teacherLogits", "expected a column of teacher logits in this batch, got none");
    batch.teacher_logits.as_ref().map(Cow::Borrowed).ok_or_else(missing)
}
