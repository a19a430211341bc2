//! Every training row is used by at least one loss.

use super::evidence::Student;
use super::finding::Findings;
use super::proof::Proof;
use crate::error::Result;
use crate::labels::LabelKind;

pub(crate) struct RowsAreUsed;

impl Proof for RowsAreUsed {
    const NAME: &'static str = "rowsAreUsed";
    const MEANING: &'static str = "Before the first step: some rows have no label, and every loss needs one, so these \
        rows do not change the student. Add a loss that only compares with the teacher (`kl`, …), or leave the rows \
        out.";
    const EXAMPLE: &'static str = "data: 300 of 600 rows have no label, and every loss needs one: they teach the student \
        nothing; add a loss that only compares with the teacher (kl, …) or leave them out";

    fn student(student: &Student, findings: &mut Findings) -> Result<()> {
        let Some(data) = student.data else { return Ok(()) };
        let unlabelled = data.rows() - data.labelled().count();
        if data.label_kind() != LabelKind::Single || unlabelled == 0 || !student.losses.needs_labels_in_each() {
            return Ok(());
        }
        let message = format!(
            "{unlabelled} of {} rows have no label, and every loss needs one: they teach the student nothing; add a loss \
             that only compares with the teacher (kl, …) or leave them out",
            data.rows()
        );
        findings.add::<Self>("data", message)
    }
}
