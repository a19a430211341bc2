//! Rows of a table by id, and bags of such rows that are pooled into one.
//!
//! ```text
//! embedding:  y[r,p] = w[id(r,p)],                  ∂L/∂w[i] = Σ over (r,p) with id(r,p) = i of g[r,p]
//! bag, sum:   y[r] = Σ_p a(r,p) w[id(r,p)],         ∂L/∂w[i] = Σ over (r,p) with id(r,p) = i of a(r,p) g[r]
//! bag, mean:  the sum divided by Σ_p a(r,p);        a = 1 without weights; the divisor is then the number of ids
//! bag, max:   y[r,c] = max_p w[id(r,p),c],          the gradient goes to the first id with the maximum
//! ```
//!
//! Shapes: w `[ids, width]`; ids of any shape give `[…, width]`, bags `[rows, width]`. A bag without ids, or for the
//! mean with weights that sum to 0, gives zeros. Gradients of a repeated id are added in the order of the ids, for any
//! number of threads.
//!
//! Source: PyTorch's `embedding` and `embedding_bag`. Where we differ: the mean accepts weights too.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Operation, Sample};
use crate::error::{Candle, Error, Result};
use crate::kernels::cpu::embedding as kernel;
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{DType, Tensor, from_vec, read, to_f64};

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
    /// The output's shape: the ids' shape, then the width.
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

/// How the rows of a bag are combined into one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Pooling {
    /// The mean, weighted if the ids have weights.
    #[default]
    Mean,
    /// The sum, weighted if the ids have weights.
    Sum,
    /// The largest number of each column; ids must have no weights.
    Max,
}

/// Ids of several rows: row `r` has `ids[offsets[r]..offsets[r + 1]]`.
#[derive(Clone, Debug)]
pub(crate) struct Bag {
    pub ids: Arc<Vec<u32>>,
    pub offsets: Arc<Vec<u32>>,
    /// One number ≥ 0 per id.
    pub weights: Option<Arc<Vec<f32>>>,
}

impl Bag {
    fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Factor applied to the sum of each row.
    fn scales(&self, pooling: Pooling) -> Vec<f64> {
        let scale = |range: &[u32]| match (&self.weights, pooling) {
            (_, Pooling::Sum | Pooling::Max) => 1.0,
            (None, Pooling::Mean) => 1.0 / f64::from((range[1] - range[0]).max(1)),
            (Some(weights), Pooling::Mean) => {
                let own = &weights[range[0] as usize..range[1] as usize];
                let sum = own.iter().map(|weight| f64::from(*weight)).sum::<f64>();
                if sum > 0.0 { 1.0 / sum } else { 0.0 }
            }
        };
        self.offsets.windows(2).map(scale).collect()
    }

    fn scaled<'a>(&'a self, scales: &'a [f32]) -> kernel::Bags<'a> {
        let weights = self.weights.as_ref().map(|weights| weights.as_slice());
        kernel::Bags { ids: &self.ids, offsets: &self.offsets, weights, scales }
    }

    fn check(&self, pooling: Pooling) -> Result<()> {
        let count = self.ids.len();
        let rising = self.offsets.first() == Some(&0) && self.offsets.is_sorted();
        if !rising || self.offsets.last().is_none_or(|last| *last as usize != count) {
            return Err(Error::data("offsets", format!("expected offsets that rise from 0 to {count}")));
        }
        let Some(weights) = &self.weights else { return Ok(()) };
        if pooling == Pooling::Max {
            return Err(Error::data("weights", "expected none, since pooling is 'max'; use 'mean' or 'sum'"));
        }
        if weights.len() != count {
            return Err(Error::data("weights", format!("expected {count} numbers, one per id, got {}", weights.len())));
        }
        match weights.iter().position(|weight| !weight.is_finite() || *weight < 0.0) {
            Some(at) => {
                let message = format!("expected finite numbers of at least 0, got {} at id {at}", weights[at]);
                Err(Error::data("weights", message))
            }
            None => Ok(()),
        }
    }
}

/// The rows of each bag, pooled into one.
pub(crate) fn embedding_bag(tape: &mut Tape, w: &Value, bag: &Bag, pooling: Pooling) -> Result<Value> {
    let checked = bag.check(pooling).and_then(|()| check(w, &bag.ids));
    checked.map_err(|error| error.at("embeddingBag"))?;
    let (w, bag) = (w.clone(), bag.clone());
    match pooling {
        Pooling::Max => tape.apply("embeddingBag", &[&w.clone()], Largest { w, bag }),
        _ => tape.apply("embeddingBag", &[&w.clone()], Summed { scales: bag.scales(pooling), w, bag }),
    }
}

struct Summed {
    w: Value,
    bag: Bag,
    /// One factor per bag.
    scales: Vec<f64>,
}

impl Compute for Summed {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let Summed { w, bag, scales } = self;
        let (count, width) = (w.dims()[0], w.dims()[1]);
        let scales: Vec<f32> = scales.into_iter().map(|scale| scale as f32).collect();
        let y = kernel::sum_rows(&read::<f32>(w.tensor())?, width, bag.scaled(&scales));
        Ok((from_vec(y, (bag.rows(), width))?, move |up: Tensor, gradients: &mut Gradients| {
            let up = up.contiguous().ok_or_internal()?;
            let dw = kernel::add_sum_rows(&read::<f32>(&up)?, count, width, bag.scaled(&scales));
            gradients.add(&w, from_vec(dw, w.dims())?)
        }))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let Summed { w, bag, scales } = self;
        let (device, dtype) = (w.tensor().device().clone(), w.tensor().dtype());
        let (mut row_of, mut shares) = (Vec::new(), Vec::new());
        for (row, (range, scale)) in bag.offsets.windows(2).zip(scales).enumerate() {
            for place in range[0] as usize..range[1] as usize {
                row_of.push(row as u32);
                shares.push(scale * bag.weights.as_ref().map_or(1.0, |weights| f64::from(weights[place])));
            }
        }
        let shares = Tensor::from_vec(shares, (bag.ids.len(), 1), &device).and_then(|shares| shares.to_dtype(dtype));
        let shares = shares.ok_or_internal()?;
        let ids = Tensor::new(bag.ids.as_slice(), &device).ok_or_internal()?;
        let row_of = Tensor::new(row_of, &device).ok_or_internal()?;
        let seen = w.tensor().index_select(&ids, 0).and_then(|rows| rows.broadcast_mul(&shares)).ok_or_internal()?;
        let none = Tensor::zeros((bag.rows(), w.dims()[1]), dtype, &device);
        let y = none.and_then(|none| none.index_add(&row_of, &seen, 0)).ok_or_internal()?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let given = up.index_select(&row_of, 0).and_then(|rows| rows.broadcast_mul(&shares)).ok_or_internal()?;
            let none = w.tensor().zeros_like().ok_or_internal()?;
            gradients.add(&w, none.index_add(&ids, &given, 0).ok_or_internal()?)
        }))
    }
}

struct Largest {
    w: Value,
    bag: Bag,
}

impl Compute for Largest {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        let Largest { w, bag } = self;
        let (count, width) = (w.dims()[0], w.dims()[1]);
        let table = read::<f32>(w.tensor())?;
        let winners = kernel::largest(&table, width, &bag.ids, &bag.offsets);
        let y = from_vec(kernel::of_largest(&table, width, &winners), (bag.rows(), width))?;
        drop(table);
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let up = up.contiguous().ok_or_internal()?;
            let dw = kernel::add_largest(&read::<f32>(&up)?, count, width, &winners);
            gradients.add(&w, from_vec(dw, w.dims())?)
        }))
    }

    /// Each bag separately, by candle's maximum and its position.
    fn reference(self) -> Result<(Tensor, impl Backward)> {
        let Largest { w, bag } = self;
        let (device, width) = (w.tensor().device().clone(), w.dims()[1]);
        let (mut rows, mut winners) = (Vec::new(), Vec::new());
        for range in bag.offsets.windows(2) {
            let ids = &bag.ids[range[0] as usize..range[1] as usize];
            if ids.is_empty() {
                rows.push(Tensor::zeros(width, w.tensor().dtype(), &device).ok_or_internal()?);
                winners.push(None);
                continue;
            }
            let chosen = Tensor::new(ids, &device).ok_or_internal()?;
            let seen = w.tensor().index_select(&chosen, 0).ok_or_internal()?;
            rows.push(seen.max(0).ok_or_internal()?);
            let at = seen.argmax(0).and_then(|at| at.to_vec1::<u32>()).ok_or_internal()?;
            winners.push(Some(at.into_iter().map(|at| ids[at as usize]).collect::<Vec<u32>>()));
        }
        let y = Tensor::stack(&rows, 0).ok_or_internal()?;
        Ok((y, move |up: Tensor, gradients: &mut Gradients| {
            let mut sum = w.tensor().zeros_like().ok_or_internal()?;
            for (row, winners) in winners.iter().enumerate() {
                let Some(winners) = winners else { continue };
                let at = Tensor::from_slice(winners, (1, winners.len()), up.device()).ok_or_internal()?;
                let one = up.narrow(0, row, 1).and_then(|up| sum.scatter_add(&at, &up.contiguous()?, 0));
                sum = one.ok_or_internal()?;
            }
            gradients.add(&w, sum)
        }))
    }
}

/// The width, after checking that every id is a row of the table.
fn check(w: &Value, ids: &[u32]) -> Result<usize> {
    let &[count, width] = w.dims() else {
        return Err(Error::shape("weight", format!("expected [ids, width], got {:?}", w.dims())));
    };
    match ids.iter().find(|id| **id as usize >= count) {
        Some(id) => Err(Error::data("ids", format!("expected an id from 0 to {}, got {id}", count.saturating_sub(1)))),
        None => Ok(width),
    }
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

pub(crate) const BAG: Operation = Operation {
    name: "embeddingBag",
    case: |tape, inputs, options| {
        let weights = inputs.find("weights").map(|weights| to_f64(weights.tensor())).transpose()?;
        let bag = Bag {
            ids: Arc::new(inputs.ids("ids")?),
            offsets: Arc::new(super::option(options, "offsets")?.unwrap_or_default()),
            weights: weights.map(|weights| Arc::new(weights.into_iter().map(|weight| weight as f32).collect())),
        };
        embedding_bag(tape, inputs.get("weight")?, &bag, super::option(options, "pooling")?.unwrap_or_default())
    },
    samples: || {
        let sample = |pooling: &str, width| {
            let options = json!({ "offsets": [0, 4, 4, 5, 9, 9], "pooling": pooling }); // two rows are empty
            Sample::of(&[("weight", &[6, width])]).ids("ids", &[9], 6).options(options).terms(9)
        };
        let weighted = |pooling, width| sample(pooling, width).ids("weights", &[9], 4);
        let plain =
            ["mean", "sum", "max"].into_iter().flat_map(|pooling| [1, 7, 131].map(|width| sample(pooling, width)));
        plain.chain([weighted("mean", 7), weighted("sum", 131)]).collect()
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    fn bag(ids: &[u32], offsets: &[u32], weights: Option<&[f32]>) -> Bag {
        let weights = weights.map(|weights| Arc::new(weights.to_vec()));
        Bag { ids: Arc::new(ids.to_vec()), offsets: Arc::new(offsets.to_vec()), weights }
    }

    #[test]
    fn a_weighted_mean_is_divided_by_the_sum_of_the_weights() {
        let weight = from_vec(vec![1f32, 10.0, 100.0], (3, 1)).map(Value::constant).unwrap();
        let weighted = bag(&[0, 1, 2, 2], &[0, 3, 4], Some(&[1.0, 2.0, 1.0, 0.0]));
        let pooled = |pooling| {
            let y = embedding_bag(&mut Tape::default(), &weight, &weighted, pooling).unwrap();
            to_f64(y.tensor()).unwrap()
        };
        assert_eq!(pooled(Pooling::Mean), [30.25, 0.0]); // (1 + 20 + 100) / 4; weights that sum to 0
        assert_eq!(pooled(Pooling::Sum), [121.0, 0.0]);
    }

    #[test]
    fn a_row_without_ids_is_zero() {
        let weight = crate::ops::zeros(&[4, 3]);
        let weight = Value::constant(weight.tensor().affine(1.0, 5.0).unwrap());
        for pooling in [Pooling::Mean, Pooling::Sum, Pooling::Max] {
            let y = embedding_bag(&mut Tape::default(), &weight, &bag(&[2], &[0, 0, 1], None), pooling).unwrap();
            assert_eq!(to_f64(y.tensor()).unwrap(), [0.0, 0.0, 0.0, 5.0, 5.0, 5.0]);
        }
    }

    #[test]
    fn reports_inputs_that_do_not_fit() {
        let weight = crate::ops::zeros(&[4, 3]);
        let refused =
            |bag: Bag, pooling| embedding_bag(&mut Tape::default(), &weight, &bag, pooling).unwrap_err().to_string();
        for (bag, pooling, message) in [
            (bag(&[1, 4], &[0, 2], None), Pooling::Mean, "ids: expected an id from 0 to 3, got 4"),
            (bag(&[1, 2], &[0, 3], None), Pooling::Max, "offsets: expected offsets that rise from 0 to 2"),
            (bag(&[1, 2], &[0, 2], Some(&[1.0])), Pooling::Sum, "weights: expected 2 numbers, one per id, got 1"),
            (
                bag(&[1, 2], &[0, 2], Some(&[1.0, -1.0])),
                Pooling::Sum,
                "weights: expected finite numbers of at least 0, got -1 at id 1",
            ),
            (
                bag(&[1], &[0, 1], Some(&[1.0])),
                Pooling::Max,
                "weights: expected none, since pooling is 'max'; use 'mean' or 'sum'",
            ),
        ] {
            assert_eq!(refused(bag, pooling), format!("embeddingBag.{message}"));
        }
    }
}
