//! What a run provides to its losses.

use crate::labels::LabelKind;
use crate::targets::Form;

/// What a run provides to its losses.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// The width of the student's outputs.
    pub classes: usize,
    /// The width of the teacher's outputs, if there is a teacher.
    pub teacher_classes: Option<usize>,
    /// The form of the teacher's signal.
    pub teacher_form: Form,
    /// Whether the weight of the teacher's last linear layer is known.
    pub teacher_head: bool,
    pub labels: LabelKind,
    /// Whether the data can provide a row of a different class for every row.
    pub pairs: bool,
    /// The number of rows of a micro-batch, if it is known.
    pub batch: Option<usize>,
}
