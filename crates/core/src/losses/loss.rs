//! What a loss is to the rest: its options, what it needs, and how it is computed.

use super::apply::Given;
use super::reference::Reference;
use super::sweep::{Ask, Dense, Row, Rows};
use crate::error::Result;
use crate::labels::LabelKind;
use crate::schedule::Scheduled;
use crate::targets::{Source, Teacher};
use crate::tensor::Tensor;

/// Something a loss compares with; a run that cannot give it is refused before its first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// One class a row.
    Labels,
    /// Several labels at once, `[rows, classes]` in 0…1.
    SeveralLabels,
    /// Real numbers, `[rows, outputs]`.
    RealLabels,
    /// A teacher's side of each row, in any form (`Target`).
    Teacher,
    /// A teacher's logits, dense.
    TeacherLogits,
    /// The same, of any number of classes.
    TeacherLogitsOfAnyWidth,
    /// The weight of a teacher's last linear layer: its class templates.
    TeacherHead,
    /// For every row one of a different class.
    Pair,
}

impl Need {
    /// The labels that it is, where it is labels.
    pub fn label_kind(self) -> Option<LabelKind> {
        match self {
            Need::Labels => Some(LabelKind::Single),
            Need::SeveralLabels => Some(LabelKind::Several),
            Need::RealLabels => Some(LabelKind::Real),
            Need::Teacher | Need::TeacherLogits | Need::TeacherLogitsOfAnyWidth | Need::TeacherHead | Need::Pair => {
                None
            }
        }
    }

    /// Whether a row without its single label has nothing to give here.
    pub fn is_of_labelled(self) -> bool {
        matches!(self, Need::Labels | Need::Pair)
    }

    /// Whether it is all logits of a teacher.
    pub fn is_dense(self) -> bool {
        matches!(self, Need::TeacherLogits | Need::TeacherLogitsOfAnyWidth)
    }

    /// Whether it is something of a teacher with as many classes as the student.
    pub fn is_of_classes(self) -> bool {
        matches!(self, Need::Teacher | Need::TeacherLogits | Need::TeacherHead)
    }

    /// Whether it is something of a teacher.
    pub fn is_teacher(self) -> bool {
        matches!(self, Need::Teacher | Need::TeacherLogits | Need::TeacherLogitsOfAnyWidth | Need::TeacherHead)
    }
}

/// A loss whose value is a mean over rows of something that one row decides.
pub(crate) trait RowLoss: Send + Sync {
    fn weight(&self) -> &Scheduled;
    /// Errors name the option, not the loss. Its weight has been looked at.
    fn validate(&self) -> Result<()> {
        Ok(())
    }
    fn needs(&self) -> Vec<Need>;
    /// The least number of outputs that it means something for.
    fn classes(&self) -> usize {
        2
    }
    /// What the run decides about the options; what it needs has been looked at.
    fn check(&self, _given: &Given) -> Result<()> {
        Ok(())
    }
    /// What multiplies the row's own weight, in the sum and in its denominator.
    fn row_weight(&self, _label: Option<u32>) -> f64 {
        1.0
    }
    /// The option by which rows change each other's value: then micro-batches do not add up to the large batch.
    fn couples_rows(&self) -> Option<&'static str> {
        None
    }
    /// The temperature at which several teachers are mixed as probabilities, for a loss that reads logits; `None` for one
    /// that reads no softmax of them.
    fn mixed_temperature(&self, _step: u64) -> Option<f64> {
        None
    }
    /// The loss at one step: asks for the softmaxes that its rows will read.
    fn begin<'a>(&'a self, step: u64, teacher: Option<Source<'a>>, ask: &mut Ask) -> Result<Box<dyn RowTerm + 'a>>;
    /// The value of each row, `[rows]`, and its gradient at the student's logits, `[rows, classes]`, in plain
    /// tensor calls of any float type: what the kernels are tested against.
    fn reference(&self, step: u64, rows: &Reference, teacher: Option<&Teacher>) -> Result<(Tensor, Tensor)>;
}

/// A row loss at one step.
pub(crate) trait RowTerm: Sync {
    /// Called once before the rows, with all of them and their weights: for what no row decides alone.
    fn look(&mut self, _rows: &Rows, _weights: Option<&[f64]>) -> Result<()> {
        Ok(())
    }
    /// The row's value, without weights; adds the row's gradient as far as softmaxes and slopes make it.
    fn row<'t>(&'t self, _row: &mut Row<'t, '_, '_>) -> f64 {
        0.0
    }
    /// Whether `dense` has to be called.
    fn is_dense(&self) -> bool {
        false
    }
    /// The rest of both, with the whole row at hand and its gradient written so far. Adds to the gradient,
    /// gives what it adds to the row's value.
    fn dense(&self, _row: &mut Dense) -> f64 {
        0.0
    }
}
