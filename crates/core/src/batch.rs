//! One batch, keyed by sample id: what the models read and what the losses compare with.

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
    /// Ids (tokens, categories) of equal count in every row, `[rows, length]`, u32.
    Ids(Tensor),
    /// Ids of different count: row `r` has `ids[offsets[r]..offsets[r + 1]]`, each with a weight where there are any.
    Ragged { ids: Vec<u32>, offsets: Vec<u32>, weights: Option<Vec<f32>> },
}

/// A teacher's answers to the rows of a batch, as a column of the data stores them.
#[derive(Clone, Debug)]
pub enum TeacherLogits {
    /// Of all classes, `[rows, classes]`.
    All(Tensor),
    /// The largest of each row.
    Top(TopLogits),
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
    /// Teacher logits, where the data have such a column.
    pub teacher_logits: Option<TeacherLogits>,
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

    /// A copy as plain numbers, for teachers outside.
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
