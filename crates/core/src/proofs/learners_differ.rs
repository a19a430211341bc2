//! Students that teach each other start with different parameters.

use super::evidence::Student;
use super::finding::Findings;
use super::proof::Proof;
use crate::error::Result;

pub(crate) struct LearnersDiffer;

impl Proof for LearnersDiffer {
    const NAME: &'static str = "learnersDiffer";
    const MEANING: &'static str = "Before the first step of mutual learning: two students start with the same \
        parameters, so they would never differ and could not teach each other. Create one of them with another seed.";
    const EXAMPLE: &'static str = "students[1]: starts with the same weights as students[0], so the two would never \
        differ; create it with another seed";

    fn student(student: &Student, findings: &mut Findings) -> Result<()> {
        let Some(other) = student.copy_of else { return Ok(()) };
        let message = format!(
            "starts with the same weights as {other}, so the two would never differ; create it with another seed"
        );
        findings.add::<Self>("", message)
    }
}
