//! The teacher is the same from the first step to the last.

use super::proof::Proof;

pub(crate) struct TeacherFrozen;

impl TeacherFrozen {
    /// The caller gave the teacher other parameters during the run.
    pub const REPLACED: &'static str =
        "the teacher was changed during the run; the run continues with the parameters from its start";
    /// The teacher's bytes differ from those of the first step.
    pub const WRITTEN: &'static str = "the teacher's parameters changed during the run: something wrote into them";
}

impl Proof for TeacherFrozen {
    const NAME: &'static str = "teacherFrozen";
    const MEANING: &'static str = "During the run and at its end: the teacher got other parameters (by `copyFrom` or \
        training) during the run, or its bytes changed. The run continues with the parameters from its start; change \
        the teacher before or after a run.";
    const EXAMPLE: &'static str =
        "teacher: the teacher was changed during the run; the run continues with the parameters from its start";
}
