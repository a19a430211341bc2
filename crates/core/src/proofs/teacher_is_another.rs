//! The teacher is not a copy of the student.

use super::evidence::Teaching;
use super::finding::Findings;
use super::proof::Proof;
use crate::error::Result;

pub(crate) struct TeacherIsAnother;

impl Proof for TeacherIsAnother {
    const NAME: &'static str = "teacherIsAnother";
    const MEANING: &'static str = "Before the first step: the teacher has the student's architecture and the same \
        numbers in every tensor, so there is nothing to learn from it. Pass the trained teacher, or another student.";
    const EXAMPLE: &'static str =
        "teacher: the teacher has the same parameters as the student: there is nothing to learn from it";

    fn teacher(teacher: &Teaching, findings: &mut Findings) -> Result<()> {
        if teacher.copied {
            let message = "the teacher has the same parameters as the student: there is nothing to learn from it";
            findings.add::<Self>(teacher.path, message)?;
        }
        Ok(())
    }
}
