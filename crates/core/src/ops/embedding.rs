//! Rows of a table by id, and their mean over a row of ids.
//!
//! ```text
//! embedding:      y[r,p] = w[id(r,p)],                      ∂L/∂w[i] = Σ over (r,p) with id(r,p) = i of g[r,p]
//! embedding mean: y[r] = Σ_p w[id(r,p)] / length(r),        ∂L/∂w[i] = Σ over (r,p) with id(r,p) = i of g[r] / length(r)
//! ```
//!
//! Shapes: w `[ids, width]`; ids of any shape give `[…, width]`, ragged ids `[rows, width]`, a row without ids
//! zeros. Gradients of a repeated id are added in reading order, on any number of threads.
//!
//! Source: PyTorch's `embedding` and `embedding_bag(mode='mean')`. Where we differ: nowhere.

use serde_json::json;

use super::{Operation, Sample};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::embedding as kernel;
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{DType, Tensor, from_vec, read};

pub(crate) fn embedding(tape: &mut Tape, w: &Value, ids: &Tensor) -> Result<Value> {
    let flat: Vec<u32> = (ids.dtype() == DType::U32)
        .then(|| ids.flatten_all().and_then(|ids| ids.to_vec1()).ok_or_internal())
        .ok_or_else(|| Error::internal(format!("embedding.ids: expected u32, got {:?}", ids.dtype())))??;
    let width = check(w, &flat).map_err(|error| error.at("embedding"))?;
    let mut shape = ids.dims().to_vec();
    shape.push(width);
    tape.apply("embedding", &[w], Rows { w: w.clone(), ids: flat, shape })
}

struct Rows {
    w: Value,
    ids: Vec<u32>,
    /// Of the output: the ids' shape, then the width.
    shape: Vec<usize>,
}

impl Compute for Rows {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let Rows { w, ids, shape } = self;
        let (count, width) = (w.dims()[0], w.dims()[1]);
        let y = from_vec(kernel::rows(&read::<f32>(w.tensor())?, width, &ids), shape)?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let up = up.contiguous().ok_or_internal()?;
            let dw = kernel::add_rows(&read::<f32>(&up)?, count, width, &ids);
            gradients.add(&w, from_vec(dw, w.dims())?)
        }))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let Rows { w, ids, shape } = self;
        let flat = (ids.len(), w.dims()[1]);
        let ids = Tensor::new(ids, w.tensor().device()).ok_or_internal()?;
        let y = w.tensor().index_select(&ids, 0).and_then(|rows| rows.reshape(shape)).ok_or_internal()?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let rows = up.contiguous().and_then(|up| up.reshape(flat)).ok_or_internal()?;
            let none = w.tensor().zeros_like().ok_or_internal()?;
            gradients.add(&w, none.index_add(&ids, &rows, 0).ok_or_internal()?)
        }))
    }
}

/// Row `r` has `ids[offsets[r]..offsets[r + 1]]`.
pub(crate) fn embedding_mean(tape: &mut Tape, w: &Value, ids: &[u32], offsets: &[u32]) -> Result<Value> {
    let checked = check(w, ids).and_then(|_| check_offsets(offsets, ids.len()));
    checked.map_err(|error| error.at("embeddingMean"))?;
    tape.apply("embeddingMean", &[w], MeanRows { w: w.clone(), ids: ids.to_vec(), offsets: offsets.to_vec() })
}

struct MeanRows {
    w: Value,
    ids: Vec<u32>,
    offsets: Vec<u32>,
}

impl Compute for MeanRows {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let MeanRows { w, ids, offsets } = self;
        let (count, width) = (w.dims()[0], w.dims()[1]);
        let y = kernel::mean_rows(&read::<f32>(w.tensor())?, width, &ids, &offsets);
        Ok((from_vec(y, (offsets.len() - 1, width))?, move |up: Tensor, gradients: &mut Gradients| {
            let up = up.contiguous().ok_or_internal()?;
            let dw = kernel::add_mean_rows(&read::<f32>(&up)?, count, width, &ids, &offsets);
            gradients.add(&w, from_vec(dw, w.dims())?)
        }))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let MeanRows { w, ids, offsets } = self;
        let (device, dtype) = (w.tensor().device().clone(), w.tensor().dtype());
        let (mut row_of, mut shares) = (Vec::new(), Vec::new());
        for (row, range) in offsets.windows(2).enumerate() {
            let length = range[1] - range[0];
            row_of.extend((0..length).map(|_| row as u32));
            shares.extend((0..length).map(|_| 1.0 / f64::from(length)));
        }
        let shares = Tensor::from_vec(shares, (ids.len(), 1), &device).and_then(|shares| shares.to_dtype(dtype));
        let shares = shares.ok_or_internal()?;
        let ids = Tensor::new(ids, &device).ok_or_internal()?;
        let row_of = Tensor::new(row_of, &device).ok_or_internal()?;
        let seen = w.tensor().index_select(&ids, 0).and_then(|rows| rows.broadcast_mul(&shares)).ok_or_internal()?;
        let none = Tensor::zeros((offsets.len() - 1, w.dims()[1]), dtype, &device);
        let y = none.and_then(|none| none.index_add(&row_of, &seen, 0)).ok_or_internal()?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let given = up.index_select(&row_of, 0).and_then(|rows| rows.broadcast_mul(&shares)).ok_or_internal()?;
            let none = w.tensor().zeros_like().ok_or_internal()?;
            gradients.add(&w, none.index_add(&ids, &given, 0).ok_or_internal()?)
        }))
    }
}

/// The width, if every id is a row of the table.
fn check(w: &Value, ids: &[u32]) -> Result<usize> {
    let &[count, width] = w.dims() else {
        return Err(Error::shape("weight", format!("expected [ids, width], got {:?}", w.dims())));
    };
    match ids.iter().find(|id| **id as usize >= count) {
        Some(id) => Err(Error::data("ids", format!("expected an id from 0 to {}, got {id}", count.saturating_sub(1)))),
        None => Ok(width),
    }
}

fn check_offsets(offsets: &[u32], ids: usize) -> Result<()> {
    let rising = offsets.first() == Some(&0) && offsets.is_sorted();
    if rising && offsets.last().is_some_and(|last| *last as usize == ids) {
        return Ok(());
    }
    Err(Error::data("offsets", format!("expected offsets that rise from 0 to {ids}")))
}

pub(crate) const OPERATION: Operation = Operation {
    name: "embedding",
    case: |tape, inputs, _| {
        let ids =
            Tensor::from_vec(inputs.ids("ids")?, inputs.get("ids")?.dims(), inputs.get("weight")?.tensor().device());
        embedding(tape, inputs.get("weight")?, &ids.ok_or_internal()?)
    },
    samples: || {
        let sample = |width| Sample::of(&[("weight", &[9, width])]).ids("ids", &[4, 5], 9).terms(20);
        vec![sample(1), sample(7), sample(131)]
    },
};

pub(crate) const MEAN: Operation = Operation {
    name: "embeddingMean",
    case: |tape, inputs, options| {
        let offsets: Vec<u32> = super::option(options, "offsets")?.unwrap_or_default();
        embedding_mean(tape, inputs.get("weight")?, &inputs.ids("ids")?, &offsets)
    },
    samples: || {
        let sample = |width| {
            let offsets = json!({ "offsets": [0, 4, 4, 5, 9, 9] }); // two rows are empty
            Sample::of(&[("weight", &[6, width])]).ids("ids", &[9], 6).options(offsets).terms(9)
        };
        vec![sample(1), sample(7), sample(131)]
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_without_ids_is_zero() {
        let weight = crate::ops::zeros(&[4, 3]);
        let weight = Value::constant(weight.tensor().affine(1.0, 5.0).unwrap());
        let y = embedding_mean(&mut Tape::default(), &weight, &[2], &[0, 0, 1]).unwrap();
        assert_eq!(&crate::tensor::to_f64(y.tensor()).unwrap()[..3], &[0.0; 3]);
    }

    #[test]
    fn says_what_does_not_fit() {
        let weight = crate::ops::zeros(&[4, 3]);
        let error = embedding_mean(&mut Tape::default(), &weight, &[1, 4], &[0, 2]).unwrap_err();
        assert_eq!(error.to_string(), "embeddingMean.ids: expected an id from 0 to 3, got 4");
        let error = embedding_mean(&mut Tape::default(), &weight, &[1, 2], &[0, 3]).unwrap_err();
        assert_eq!(error.to_string(), "embeddingMean.offsets: expected offsets that rise from 0 to 2");
    }
}
