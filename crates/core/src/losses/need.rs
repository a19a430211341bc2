//! What a loss needs; a run that cannot provide it is rejected before its first step.

use crate::labels::LabelKind;
use crate::targets::Form;

/// One thing that a loss needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A teacher's side of each row, in any form (`Target`).
    Teacher,
    /// A teacher's dense logits, for the student's classes.
    TeacherLogits,
    /// A teacher's largest logits; dense logits contain them.
    TeacherTop,
    /// A teacher's dense logits, for any number of classes.
    TeacherLogitsOfAnyWidth,
    /// The weight of a teacher's last linear layer: its class templates.
    TeacherHead,
    /// One class per row.
    Labels,
    /// One class per row, or probabilities of the classes.
    Distribution,
    /// Several labels at once, `[rows, classes]` in 0…1.
    SeveralLabels,
    /// Real numbers, `[rows, outputs]`.
    RealLabels,
    /// For every row, another row of a different class.
    Pair,
}

impl Need {
    const ALL: [Need; 10] = [
        Need::Teacher,
        Need::TeacherLogits,
        Need::TeacherTop,
        Need::TeacherLogitsOfAnyWidth,
        Need::TeacherHead,
        Need::Labels,
        Need::Distribution,
        Need::SeveralLabels,
        Need::RealLabels,
        Need::Pair,
    ];

    /// The kind of labels that is needed, if labels are.
    pub fn label_kind(self) -> Option<LabelKind> {
        match self {
            Need::Labels | Need::Distribution => Some(LabelKind::Single),
            Need::SeveralLabels => Some(LabelKind::Several),
            Need::RealLabels => Some(LabelKind::Real),
            _ => None,
        }
    }

    /// Whether it needs a teacher.
    pub(crate) fn is_teacher(self) -> bool {
        Needs::of(&[self]).teacher()
    }

    /// The needed kind of labels, if labels of the kind `given` do not satisfy the need.
    pub(super) fn lacks(self, given: LabelKind) -> Option<LabelKind> {
        let soft = self == Need::Distribution && matches!(given, LabelKind::Several | LabelKind::Probabilities);
        self.label_kind().filter(|kind| *kind != given && !soft)
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Need::Labels => "labels",
            Need::Distribution => "labels or probabilities of the classes",
            Need::SeveralLabels => "several labels per row",
            Need::RealLabels => "real numbers as labels",
            Need::Teacher => "teacher",
            Need::TeacherLogits => "teacher's logits",
            Need::TeacherTop => "teacher's largest logits",
            Need::TeacherLogitsOfAnyWidth => "teacher's logits, of any number of classes",
            Need::TeacherHead => "teacher's last linear layer",
            Need::Pair => "rows of two or more classes",
        }
    }
}

/// All needs of a loss, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs(u16);

impl Needs {
    pub const fn of(needs: &[Need]) -> Needs {
        let (mut bits, mut at) = (0, 0);
        while at < needs.len() {
            bits |= 1 << needs[at] as u8;
            at += 1;
        }
        Needs(bits)
    }

    /// These needs, and one more if `wanted`.
    pub const fn and(self, need: Need, wanted: bool) -> Needs {
        if wanted { Needs(self.0 | 1 << need as u8) } else { self }
    }

    pub const fn union(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }

    pub const fn has(self, need: Need) -> bool {
        self.any(&[need])
    }

    pub const fn any(self, of: &[Need]) -> bool {
        self.0 & Needs::of(of).0 != 0
    }

    /// Whether a row without its single label does not contribute to the loss.
    pub const fn labelled(self) -> bool {
        self.any(&[Need::Labels, Need::Distribution, Need::Pair])
    }

    /// Whether a teacher's logits are needed.
    pub const fn logits(self) -> bool {
        self.any(&[Need::TeacherLogits, Need::TeacherTop, Need::TeacherLogitsOfAnyWidth])
    }

    /// Whether a teacher of this form satisfies the needs.
    pub(super) fn met_by(self, form: Form) -> bool {
        match form {
            Form::Logits => true,
            Form::Top(_) => !self.any(&[Need::TeacherLogits, Need::TeacherLogitsOfAnyWidth]),
            Form::Distribution => !self.logits(),
        }
    }

    /// Whether a teacher with as many classes as the student is needed.
    pub const fn classes(self) -> bool {
        self.any(&[Need::Teacher, Need::TeacherLogits, Need::TeacherTop, Need::TeacherHead])
    }

    /// Whether it needs a teacher.
    pub const fn teacher(self) -> bool {
        self.logits() || self.any(&[Need::Teacher, Need::TeacherHead])
    }

    /// Whether labels that are numbers, one per output of each row, can satisfy a need.
    pub const fn targets(self) -> bool {
        self.any(&[Need::Distribution, Need::SeveralLabels, Need::RealLabels])
    }

    /// The needs in order; those of a teacher come first.
    pub fn iter(self) -> impl Iterator<Item = Need> {
        Need::ALL.into_iter().filter(move |need| self.has(*need))
    }
}
