//! One teacher's logits v, `[rows, classes]`: ρ = softmax(v / T). A masked class (-∞) has probability 0.

use super::soft::Soft;
use crate::error::{Candle, Result};
use crate::losses::plain;
use crate::losses::sweep::{Ask, Row, Softmax};
use crate::tensor::{DType, Tensor};

struct Logits {
    pair: (Softmax, Softmax),
}

impl Soft for Logits {
    fn divergence(&self, row: &Row) -> f64 {
        row.divergence(self.pair)
    }

    fn add<'t>(&'t self, row: &mut Row<'t, '_, '_>, coefficient: f64) {
        row.add_softmax(self.pair.0, coefficient)
    }
}

pub(super) fn soft<'a>(teacher: usize, temperature: f64, ask: &mut Ask) -> (Box<dyn Soft + 'a>, Softmax) {
    let pair = ask.pair(teacher, temperature, false);
    (Box::new(Logits { pair }), pair.1)
}

pub(super) fn dims(logits: &Tensor) -> (usize, usize) {
    let classes = logits.dims().last().copied().unwrap_or(0);
    (logits.elem_count() / classes.max(1), classes)
}

pub(super) fn probabilities(logits: &Tensor, temperature: f64, dtype: DType) -> Result<Tensor> {
    let logits = logits.reshape(dims(logits)).and_then(|logits| logits.to_dtype(dtype)).ok_or_internal()?;
    plain::softmax(&logits, temperature)
}
