//! The teacher is the same from the first step to the last.

use super::proof::Proof;

pub(crate) struct TeacherFrozen;

impl TeacherFrozen {
    /// The caller gave the teacher other parameters while the run was going.
    pub const REPLACED: &'static str =
        "the teacher was changed during the run; the run goes on with the teacher that it began with";
    /// Its bytes are not those of the first step.
    pub const WRITTEN: &'static str = "the teacher's parameters changed during the run: something wrote into them";
}

impl Proof for TeacherFrozen {
    const NAME: &'static str = "teacherFrozen";
    const MEANING: &'static str = "During the run and at its end: the teacher was given other parameters (`copyFrom`, \
        training) while a run uses it, or its bytes changed. The run goes on with the parameters of its start; change \
        the teacher before or after it.";
    const EXAMPLE: &'static str =
        "teacher: the teacher was changed during the run; the run goes on with the teacher that it began with";
}
