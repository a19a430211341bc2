//! Every configured loss has a weight above 0.

use super::evidence::Student;
use super::finding::Findings;
use super::proof::Proof;
use crate::error::Result;

pub(crate) struct TermHasWeight;

impl Proof for TermHasWeight {
    const NAME: &'static str = "termHasWeight";
    const MEANING: &'static str = "Before the first step: a loss has the weight 0 in every step, so it does not change \
        the student. Leave it out or give it a weight.";
    const EXAMPLE: &'static str =
        "losses.kl: the weight is 0: this loss teaches the student nothing; leave it out or give it a weight";

    fn student(student: &Student, findings: &mut Findings) -> Result<()> {
        for name in student.losses.without_weight() {
            let message = "the weight is 0: this loss teaches the student nothing; leave it out or give it a weight";
            findings.add::<Self>(format!("losses.{name}"), message)?;
        }
        Ok(())
    }
}
