//! Dropout: each number is set to 0 with probability `rate`, the others are scaled by 1 / (1 − rate).
//!
//! ```text
//! y[r,e] = x[r,e] · m[r,e],   m[r,e] = 0 if u(id_r, e) < rate, else 1 / (1 − rate);   ∂L/∂x = m · ∂L/∂y
//! ```
//!
//! u is a counter-based random number: `key` contains seed, layer and epoch; id_r is the *sample* in row r, e the
//! element. The mask of a sample therefore does not depend on its position in the batch, and the backward pass draws it
//! again instead of storing it.
//!
//! Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout", 2014, JMLR 15; scaled in
//! training as in PyTorch. Where we differ: the random numbers.

use serde_json::json;

use super::{Operation, Sample};
use crate::error::{Candle, Error, Result};
use crate::pool;
use crate::random::Key;
use crate::tape::{Backward, Compute, Gradients, Tape, Value};
use crate::tensor::{Tensor, from_vec, read, uninit};

/// With rate 0 (evaluation) it is the identity.
pub(crate) fn dropout(tape: &mut Tape, x: &Value, rate: f64, key: Key, sample_ids: &[u64]) -> Result<Value> {
    if !(0.0..1.0).contains(&rate) {
        return Err(Error::config("dropout.rate", format!("expected a number from 0 to below 1, got {rate}")));
    }
    if x.dims().first() != Some(&sample_ids.len()) {
        return Err(Error::shape("dropout", format!("expected {} rows, got {:?}", sample_ids.len(), x.dims())));
    }
    if rate == 0.0 {
        return Ok(x.clone());
    }
    tape.apply("dropout", &[x], Dropout { x: x.clone(), rate: rate as f32, key, ids: sample_ids.to_vec() })
}

struct Dropout {
    x: Value,
    rate: f32,
    key: Key,
    ids: Vec<u64>,
}

impl Dropout {
    /// The factors of one row.
    fn mask(&self, row: usize, mask: &mut [f32]) {
        let scale = 1.0 / (1.0 - self.rate);
        self.key.with(self.ids[row]).fill_uniform(mask, 0.0, 1.0);
        mask.iter_mut().for_each(|u| *u = if *u < self.rate { 0.0 } else { scale });
    }

    /// Numbers per row.
    fn width(&self) -> usize {
        self.x.tensor().elem_count() / self.ids.len().max(1)
    }

    fn kernel(&self, x: &Tensor) -> Result<Tensor> {
        let (mut y, width, values) = (uninit(x.elem_count()), self.width(), read::<f32>(x)?);
        let values: &[f32] = &values;
        pool::pieces(&mut y, width, |index, y| {
            self.mask(index, y);
            y.iter_mut().zip(&values[index * width..]).for_each(|(y, x)| *y = if *y == 0.0 { 0.0 } else { *y * x });
        });
        from_vec(y, x.dims())
    }

    fn plain(&self, x: &Tensor) -> Result<Tensor> {
        let mut mask = uninit(x.elem_count());
        pool::pieces(&mut mask, self.width(), |row, mask| self.mask(row, mask));
        let mask = Tensor::from_vec(mask, x.dims(), x.device()).and_then(|mask| mask.to_dtype(x.dtype()));
        x.mul(&mask.ok_or_internal()?).ok_or_internal()
    }
}

impl Compute for Dropout {
    fn cpu(self) -> Result<(Tensor, impl Backward)> {
        Ok((self.kernel(self.x.tensor())?, move |up: Tensor, gradients: &mut Gradients| {
            gradients.add(&self.x, self.kernel(&up.contiguous().ok_or_internal()?)?)
        }))
    }

    fn reference(self) -> Result<(Tensor, impl Backward)> {
        Ok((self.plain(self.x.tensor())?, move |up: Tensor, gradients: &mut Gradients| {
            gradients.add(&self.x, self.plain(&up.contiguous().ok_or_internal()?)?)
        }))
    }
}

pub(crate) const OPERATION: Operation = Operation {
    name: "dropout",
    case: |tape, inputs, options| {
        let x = inputs.get("x")?;
        let ids: Vec<u64> = (0..x.dims()[0] as u64).map(|row| 40 + 3 * row).collect();
        dropout(tape, x, super::option(options, "rate")?.unwrap_or(0.5), Key::new(3), &ids)
    },
    samples: || vec![Sample::of(&[("x", &[3, 2, 131])]), Sample::of(&[("x", &[1, 9])]).options(json!({ "rate": 0.1 }))],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{DType, to_f64};

    const IDS: [u64; 3] = [40, 7, 12];

    fn kept(x: &Tensor, ids: &[u64], rate: f64) -> Vec<f64> {
        let value = Value::constant(x.to_dtype(DType::F32).unwrap());
        to_f64(dropout(&mut Tape::default(), &value, rate, Key::new(1).with("layers.1"), ids).unwrap().tensor())
            .unwrap()
    }

    #[test]
    fn a_sample_keeps_its_mask_in_any_batch() {
        let ones = Tensor::ones((3, 50), DType::F32, &candle_core::Device::Cpu).unwrap();
        let whole = kept(&ones, &IDS, 0.5);
        let part = kept(&ones.narrow(0, 0, 1).unwrap(), &[12], 0.5);
        assert_eq!(whole[100..], part[..]);
        assert_ne!(whole[..50], whole[50..100]);
    }

    #[test]
    fn drops_the_given_share_and_keeps_the_mean() {
        let ones = Tensor::ones((3, 20_000), DType::F32, &candle_core::Device::Cpu).unwrap();
        let y = kept(&ones, &IDS, 0.2);
        let zeros = y.iter().filter(|y| **y == 0.0).count() as f64 / y.len() as f64;
        assert!((zeros - 0.2).abs() < 0.01, "{zeros}");
        assert!((y.iter().sum::<f64>() / y.len() as f64 - 1.0).abs() < 0.01);
    }

    #[test]
    fn is_the_identity_at_rate_zero() {
        let x = Tensor::arange(0f32, 12., &candle_core::Device::Cpu).and_then(|x| x.reshape((3, 4))).unwrap();
        assert_eq!(kept(&x, &IDS, 0.0), to_f64(&x).unwrap());
    }

    #[test]
    fn reports_inputs_that_do_not_fit() {
        let x = crate::ops::zeros(&[2, 4]);
        let message =
            |rate, ids: &[u64]| dropout(&mut Tape::default(), &x, rate, Key::new(1), ids).unwrap_err().to_string();
        assert_eq!(message(1.0, &[1, 2]), "dropout.rate: expected a number from 0 to below 1, got 1");
        assert_eq!(message(0.5, &[1]), "dropout: expected 1 rows, got [2, 4]");
    }
}
