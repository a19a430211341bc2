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
    /// Regression: `[rows, outputs]`.
    Real(Tensor),
}

/// Which kind of labels a data set has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelKind {
    None,
    Single,
    Several,
    Real,
}

impl LabelKind {
    pub fn name(self) -> &'static str {
        match self {
            LabelKind::None => "none",
            LabelKind::Single => "single",
            LabelKind::Several => "several",
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
            (LabelKind::Several | LabelKind::Single, LabelKind::Real) => ": say labels: 'real' where the data are made",
            (LabelKind::Single, LabelKind::Several) => ": give an array of arrays, or say labels: 'several'",
            _ => "",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            LabelKind::None => "no labels",
            LabelKind::Single => "one label a row",
            LabelKind::Several => "several labels a row",
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
            Labels::Real(_) => LabelKind::Real,
        }
    }
}
