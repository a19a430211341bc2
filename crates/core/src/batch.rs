//! One batch, keyed by sample id: what the models read and what the losses compare with.

use crate::dataset::Columns;
use crate::error::{Candle, Result};
use crate::tensor::{Tensor, read};

/// The inputs of a batch.
#[derive(Clone, Debug)]
pub enum Features {
    /// Numbers, `[rows, …]`, f32 (f64 in tests).
    Dense(Tensor),
    /// Ids (tokens, categories) of equal count in every row, `[rows, length]`, u32.
    Ids(Tensor),
    /// Ids of different count: row `r` has `ids[offsets[r]..offsets[r + 1]]`.
    Ragged { ids: Vec<u32>, offsets: Vec<u32> },
}

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
                ": give each row's class as a whole number (of a one-hot row the place of its 1), or use a loss over several labels (binaryCrossEntropy)"
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

#[derive(Clone, Debug)]
pub struct Batch {
    /// Who each row is, wherever it stands: random numbers and teacher rows are keyed by it.
    pub ids: Vec<u64>,
    pub epoch: u64,
    pub inputs: Features,
    pub labels: Labels,
    /// Row weights of the losses, `[rows]`; all 1 where there are none. 0 masks a row.
    pub row_weights: Option<Vec<f32>>,
    /// Cached teacher logits `[rows, classes]`, where the teacher is a column of the data.
    pub teacher_logits: Option<Tensor>,
    /// For every row a sample of another class, where a loss wants it.
    pub pair: Option<Box<Batch>>,
}

impl Batch {
    pub fn rows(&self) -> usize {
        self.ids.len()
    }
}

/// Plain numbers of some inputs.
#[derive(Clone, Debug, Default)]
pub struct RawFeatures {
    pub numbers: Option<Vec<f32>>,
    pub ids: Option<Vec<u32>>,
    pub offsets: Option<Vec<u32>>,
}

impl Features {
    /// The inputs of all rows of some columns, and how many rows there are.
    pub fn of_columns(columns: Columns) -> Result<(Features, usize)> {
        let batch = Batch::from_columns(columns, 0, 0)?;
        Ok((batch.inputs, batch.ids.len()))
    }

    /// Rows `start` to `start + count − 1`.
    pub(crate) fn part(&self, start: usize, count: usize) -> Result<Features> {
        let narrow =
            |tensor: &Tensor| tensor.narrow(0, start, count).and_then(|part| part.contiguous()).ok_or_internal();
        Ok(match self {
            Features::Dense(tensor) => Features::Dense(narrow(tensor)?),
            Features::Ids(tensor) => Features::Ids(narrow(tensor)?),
            Features::Ragged { ids, offsets } => {
                let (first, last) = (offsets[start], offsets[start + count]);
                Features::Ragged {
                    ids: ids[first as usize..last as usize].to_vec(),
                    offsets: offsets[start..=start + count].iter().map(|offset| offset - first).collect(),
                }
            }
        })
    }

    /// A copy as plain numbers, for teachers outside.
    pub fn raw(&self) -> Result<RawFeatures> {
        Ok(match self {
            Features::Dense(tensor) => {
                RawFeatures { numbers: Some(read::<f32>(tensor)?.to_vec()), ..RawFeatures::default() }
            }
            Features::Ids(tensor) => RawFeatures { ids: Some(read::<u32>(tensor)?.to_vec()), ..RawFeatures::default() },
            Features::Ragged { ids, offsets } => {
                RawFeatures { ids: Some(ids.clone()), offsets: Some(offsets.clone()), numbers: None }
            }
        })
    }
}
