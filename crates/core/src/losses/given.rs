//! What a run has to give to its losses.

use crate::labels::LabelKind;
use crate::targets::Form;

/// What a run has to give to its losses.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// The width of the student's outputs.
    pub classes: usize,
    /// The width of the teacher's, where there is one.
    pub teacher_classes: Option<usize>,
    /// What the teacher gives of a row.
    pub teacher_form: Form,
    /// Whether the teacher shows the weight of its last linear layer.
    pub teacher_head: bool,
    pub labels: LabelKind,
    /// Whether the data can give for every row one of a different class.
    pub pairs: bool,
    /// The rows of a micro-batch, where they are known.
    pub batch: Option<usize>,
}
