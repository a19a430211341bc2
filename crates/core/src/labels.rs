//! The labels of a batch or a data set: none, single-label, multi-label or regression targets.

use crate::tensor::Tensor;

/// Marks a row without a label in single-label data: its class is not known, but a teacher may have outputs for it.
pub const UNLABELLED: u32 = u32::MAX;

/// The labels of the rows of a batch.
#[derive(Clone, Debug)]
pub enum Labels {
    None,
    /// One class per row, or `UNLABELLED`.
    Single(Vec<u32>),
    /// Several classes per row: `[rows, classes]` in 0…1.
    Several(Tensor),
    /// Probabilities of the classes: `[rows, classes]` in 0…1; each row sums to 1.
    Probabilities(Tensor),
    /// Regression: `[rows, outputs]`.
    Real(Tensor),
}

/// Largest allowed difference between 1 and the sum of a row's probabilities.
const ROUNDING: f64 = 1e-3;

/// The remedy for rows of probabilities that do not sum to 1.
pub(crate) const NOT_ONE: &str = "for several labels per row use binaryCrossEntropy";

/// The first row whose numbers do not sum to 1, and their sum.
pub(crate) fn not_one<F: Copy + Into<f64>>(values: &[F], classes: usize) -> Option<(usize, f64)> {
    let sums = values.chunks(classes.max(1)).map(|row| row.iter().map(|y| (*y).into()).sum::<f64>());
    sums.enumerate().find(|(_, sum)| (sum - 1.0).abs() > ROUNDING)
}

/// The kind of labels of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelKind {
    None,
    Single,
    Several,
    Probabilities,
    Real,
}

impl LabelKind {
    /// Whether each row belongs to exactly one class, which is known or given by probabilities. A softmax over the
    /// outputs predicts such labels.
    pub(crate) fn is_one_class(self) -> bool {
        matches!(self, LabelKind::Single | LabelKind::Probabilities)
    }

    pub fn name(self) -> &'static str {
        match self {
            LabelKind::None => "none",
            LabelKind::Single => "single",
            LabelKind::Several => "several",
            LabelKind::Probabilities => "probabilities",
            LabelKind::Real => "real",
        }
    }

    /// The end of a message: how to turn labels of this kind into `wanted`; empty if that is not possible.
    pub fn remedy(self, wanted: LabelKind) -> &'static str {
        match (self, wanted) {
            (LabelKind::Real, LabelKind::Single) => {
                ": give integers (a Uint32Array or an array), or create the data set with labels: 'single'"
            }
            (LabelKind::Several, LabelKind::Single) => {
                ": pass one class index per row (for one-hot rows, the index of the 1), or use a loss for several labels (binaryCrossEntropy)"
            }
            (LabelKind::Real, LabelKind::Several) => ": create the data set with labels: 'several'",
            (LabelKind::Several | LabelKind::Probabilities | LabelKind::Single, LabelKind::Real) => {
                ": create the data set with labels: 'real'"
            }
            (LabelKind::Probabilities, LabelKind::Single) => {
                ": give each row's most probable class, or use crossEntropy alone"
            }
            (LabelKind::Probabilities, LabelKind::Several) => ": create the data set with labels: 'several'",
            (LabelKind::Single, LabelKind::Several) => {
                ": give an array of arrays, or create the data set with labels: 'several'"
            }
            _ => "",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            LabelKind::None => "no labels",
            LabelKind::Single => "one label per row",
            LabelKind::Several => "several labels per row",
            LabelKind::Probabilities => "probabilities of the classes",
            LabelKind::Real => "real numbers as labels",
        }
    }
}

impl Labels {
    /// Whether the label of a row is known; false only for `UNLABELLED` rows of single-label data.
    pub(crate) fn known(&self, row: usize) -> bool {
        !matches!(self, Labels::Single(labels) if labels.get(row) == Some(&UNLABELLED))
    }

    pub fn kind(&self) -> LabelKind {
        match self {
            Labels::None => LabelKind::None,
            Labels::Single(_) => LabelKind::Single,
            Labels::Several(_) => LabelKind::Several,
            Labels::Probabilities(_) => LabelKind::Probabilities,
            Labels::Real(_) => LabelKind::Real,
        }
    }
}
