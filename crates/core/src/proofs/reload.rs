//! The student can be saved.

use super::evidence::Ended;
use super::finding::Findings;
use super::proof::Proof;
use super::sample::is_copy;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::models::Model;
use crate::tensor::digest;

pub(crate) struct Reload;

impl Proof for Reload {
    const NAME: &'static str = "reload";
    const MEANING: &'static str = "At the end: the student is written to bytes and read again, and both are compared \
        by their outputs on some validation rows (without validation data: by their parameters). They differ only \
        because of a defect in limbeck or in the machine: please report it.";
    const EXAMPLE: &'static str = "student: the saved student gives different outputs after it is read again";

    fn end(ended: &Ended, findings: &mut Findings) -> Result<()> {
        if ended.reloaded {
            return Ok(());
        }
        let path = if ended.place.is_empty() { "student" } else { "" };
        findings.add::<Self>(path, "the saved student gives different outputs after it is read again")
    }
}

/// Writes the student to bytes, reads them again, and compares the outputs on some rows.
pub(crate) fn reloads(model: &Model, rows: Option<&Dataset>) -> Result<bool> {
    let again = Model::from_file(model.to_file()?)?;
    let Some(dataset) = rows else { return is_copy(model, &again) };
    let rows = dataset.rows().min(model.rows_at_once());
    let batch = dataset.batch(&(0..rows as u32).collect::<Vec<_>>(), 0)?;
    let logits = |model: &Model| model.logits(&batch.inputs, &batch.ids).and_then(|logits| digest(&logits));
    Ok(logits(model)? == logits(&again)?)
}
