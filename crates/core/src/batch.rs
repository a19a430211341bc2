//! A batch: the inputs for the models, and the labels and teacher outputs for the losses, keyed by sample id.

use crate::blocks::{collected, copied};
use crate::error::{Candle, Result};
use crate::labels::Labels;
use crate::tensor::{Tensor, contiguous, read};
use crate::top_logits::TopLogits;

/// The inputs of a batch.
#[derive(Clone, Debug)]
pub enum Features {
    /// Numbers, `[rows, …]`, f32 (f64 in tests).
    Dense(Tensor),
    /// The same number of ids (tokens, categories) in every row, `[rows, length]`, u32.
    Ids(Tensor),
    /// A different number of ids in each row: row `r` has `ids[offsets[r]..offsets[r + 1]]`; each id may have a weight.
    Ragged { ids: Vec<u32>, offsets: Vec<u32>, weights: Option<Vec<f32>> },
}

/// A teacher's logits for the rows of a batch, from a column of the data.
#[derive(Clone, Debug)]
pub enum TeacherLogits {
    /// Logits of all classes, `[rows, classes]`.
    All(Tensor),
    /// The k largest logits of each row.
    Top(TopLogits),
}

#[derive(Clone, Debug)]
pub struct Batch {
    /// The sample id of each row, independent of its position; random numbers and teacher rows are keyed by it.
    pub ids: Vec<u64>,
    pub epoch: u64,
    pub inputs: Features,
    pub labels: Labels,
    /// Row weights of the losses, `[rows]`; `None` means that all are 1. A weight of 0 masks a row.
    pub row_weights: Option<Vec<f32>>,
    /// Teacher logits, if the data have such a column.
    pub teacher_logits: Option<TeacherLogits>,
    /// For every row a sample of another class, if a loss needs it.
    pub pair: Option<Box<Batch>>,
}

impl Batch {
    pub fn rows(&self) -> usize {
        self.ids.len()
    }
}

/// The inputs of a batch as plain numbers.
#[derive(Clone, Debug, Default)]
pub struct RawFeatures {
    pub numbers: Option<Vec<f32>>,
    pub ids: Option<Vec<u32>>,
    pub offsets: Option<Vec<u32>>,
    pub id_weights: Option<Vec<f32>>,
}

impl Features {
    /// Rows `start` to `start + count − 1`.
    pub(crate) fn part(&self, start: usize, count: usize) -> Result<Features> {
        let narrow = |tensor: &Tensor| contiguous(&tensor.narrow(0, start, count).ok_or_internal()?);
        Ok(match self {
            Features::Dense(tensor) => Features::Dense(narrow(tensor)?),
            Features::Ids(tensor) => Features::Ids(narrow(tensor)?),
            Features::Ragged { ids, offsets, weights } => {
                let (first, last) = (offsets[start], offsets[start + count]);
                let part = first as usize..last as usize;
                Features::Ragged {
                    ids: copied(&ids[part.clone()]),
                    weights: weights.as_ref().map(|weights| copied(&weights[part])),
                    offsets: collected(offsets[start..=start + count].iter().map(|offset| offset - first)),
                }
            }
        })
    }

    /// A copy as plain numbers, for teachers outside limbeck.
    pub fn raw(&self) -> Result<RawFeatures> {
        Ok(match self {
            Features::Dense(tensor) => {
                RawFeatures { numbers: Some(copied(&read::<f32>(tensor)?)), ..RawFeatures::default() }
            }
            Features::Ids(tensor) => RawFeatures { ids: Some(copied(&read::<u32>(tensor)?)), ..RawFeatures::default() },
            Features::Ragged { ids, offsets, weights } => RawFeatures {
                ids: Some(copied(ids)),
                offsets: Some(copied(offsets)),
                id_weights: weights.as_deref().map(copied),
                numbers: None,
            },
        })
    }
}
