//! The role of a member in its run.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The model that the run trains.
    Student,
    /// The same model with the same initial parameters, trained without a teacher.
    Control,
    /// A learner of mutual learning, with its number.
    Peer(usize),
}

impl Role {
    /// The name of its tensors and state in a checkpoint.
    pub fn group(self) -> String {
        match self {
            Role::Student | Role::Peer(0) => "student".into(),
            Role::Peer(number) => format!("student-{number}"),
            Role::Control => "control".into(),
        }
    }

    /// Its path in messages; empty if the run has only one student.
    pub fn path(self) -> String {
        match self {
            Role::Student | Role::Control => String::new(),
            Role::Peer(number) => format!("students[{number}]"),
        }
    }
}
