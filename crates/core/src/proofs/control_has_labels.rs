//! The control run learns from as many rows as the student.

use super::evidence::Ended;
use super::finding::Findings;
use super::proof::Proof;
use crate::error::Result;

pub(crate) struct ControlHasLabels;

impl Proof for ControlHasLabels {
    const NAME: &'static str = "controlHasLabels";
    const MEANING: &'static str = "At the end of a run with `control: true` over a stream: fewer than half of the rows \
        in the control run's batches had a label. The control run learns only from labels, so it had fewer rows per \
        step than the student, and the comparison favours the teacher. Compare with `train` on batches of labelled \
        rows. With a data set the control run has separate batches in which every row has a label.";
    const EXAMPLE: &'static str = "control: 152 of 608 rows in the control run's batches had a label: it learnt from \
        fewer rows per step than the student, so the comparison favours the teacher; compare with train on labelled \
        rows";

    fn end(ended: &Ended, findings: &mut Findings) -> Result<()> {
        let rows = ended.control_rows;
        if 2 * rows.labelled >= rows.all {
            return Ok(());
        }
        let message = format!(
            "{} of {} rows in the control run's batches had a label: it learnt from fewer rows per step than the \
             student, so the comparison favours the teacher; compare with train on labelled rows",
            rows.labelled, rows.all
        );
        findings.add::<Self>("control", message)
    }
}
