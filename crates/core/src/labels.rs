//! The labels of a batch or a data set: none, single-label, multi-label or regression targets.

use crate::tensor::Tensor;

/// The single label of a row that has none: its class is not known, its teacher's answer may be.
pub const UNLABELLED: u32 = u32::MAX;

/// What a row is, if that is known.
#[derive(Clone, Debug)]
pub enum Labels {
    None,
    /// One class a row, or `UNLABELLED`.
    Single(Vec<u32>),
    /// Several classes at once: `[rows, classes]` in 0…1.
    Several(Tensor),
    /// How probable each class is: `[rows, classes]` in 0…1, each row adding up to 1.
    Probabilities(Tensor),
    /// Regression: `[rows, outputs]`.
    Real(Tensor),
}

/// How far the probabilities of a row may be from adding up to 1.
const ROUNDING: f64 = 1e-3;

/// The remedy for rows that do not.
pub(crate) const NOT_ONE: &str = "for several labels per row use binaryCrossEntropy";

/// The first row whose numbers do not add up to 1, and their sum.
pub(crate) fn not_one<F: Copy + Into<f64>>(values: &[F], classes: usize) -> Option<(usize, f64)> {
    let sums = values.chunks(classes.max(1)).map(|row| row.iter().map(|y| (*y).into()).sum::<f64>());
    sums.enumerate().find(|(_, sum)| (sum - 1.0).abs() > ROUNDING)
}

/// Which kind of labels a data set has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelKind {
    None,
    Single,
    Several,
    Probabilities,
    Real,
}

impl LabelKind {
    /// Whether each row belongs to one class, certain or not: what a softmax over the outputs predicts.
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

    /// What turns labels that were given as numbers of this kind into `wanted`, for a message; empty where nothing does.
    pub fn remedy(self, wanted: LabelKind) -> &'static str {
        match (self, wanted) {
            (LabelKind::Real, LabelKind::Single) => {
                ": give whole numbers (a Uint32Array, an array), or say labels: 'single' where the data are made"
            }
            (LabelKind::Several, LabelKind::Single) => {
                ": pass one class index per row (for one-hot rows, the index of the 1), or use a loss over several labels (binaryCrossEntropy)"
            }
            (LabelKind::Real, LabelKind::Several) => ": say labels: 'several' where the data are made",
            (LabelKind::Several | LabelKind::Probabilities | LabelKind::Single, LabelKind::Real) => {
                ": say labels: 'real' where the data are made"
            }
            (LabelKind::Probabilities, LabelKind::Single) => {
                ": give each row's most probable class, or use crossEntropy alone"
            }
            (LabelKind::Probabilities, LabelKind::Several) => ": say labels: 'several' where the data are made",
            (LabelKind::Single, LabelKind::Several) => ": give an array of arrays, or say labels: 'several'",
            _ => "",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            LabelKind::None => "no labels",
            LabelKind::Single => "one label a row",
            LabelKind::Several => "several labels a row",
            LabelKind::Probabilities => "probabilities of the classes",
            LabelKind::Real => "real numbers as labels",
        }
    }
}

impl Labels {
    /// Whether a row has the single label that a loss over labels needs; true where rows have other labels.
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
