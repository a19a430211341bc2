//! The teacher's numbers are logits.

use super::evidence::Teaching;
use super::finding::Findings;
use super::proof::Proof;
use crate::error::Result;

pub(crate) struct TeacherGivesLogits;

impl Proof for TeacherGivesLogits {
    const NAME: &'static str = "teacherGivesLogits";
    const MEANING: &'static str = "Before the first step, or within the first 2,048 rows of a stream: every row of a \
        column or function of teacher logits is 0 or more and sums to 1, as probabilities do. A softmax of probabilities \
        is nearly uniform. Give the numbers before the softmax, or the logarithm of each probability.";
    const EXAMPLE: &'static str = "teacher: the teacher's rows are 0 or more and sum to 1, as probabilities do, but \
        logits are expected: give the numbers before softmax, or ln p of each probability";

    fn teacher(teacher: &Teaching, findings: &mut Findings) -> Result<()> {
        if teacher.probabilities {
            let message = "the teacher's rows are 0 or more and sum to 1, as probabilities do, but logits are \
                           expected: give the numbers before softmax, or ln p of each probability";
            findings.add::<Self>(teacher.path, message)?;
        }
        Ok(())
    }
}
