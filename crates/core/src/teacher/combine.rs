//! Combines several teachers into the signals that losses compare with.

use super::several::{Combine, Teachers};
use super::teach::Asking;
use crate::batch::Batch;
use crate::error::{Candle, Error, Result};
use crate::targets::{self, Target};
use crate::tensor::Tensor;

impl Teachers {
    /// The teachers' signals for a batch: one for each teacher, or one for all teachers if they are mixed.
    pub(crate) fn signals(&self, batch: &Batch, asking: &Asking) -> Result<Vec<targets::Signal>> {
        let mut signals = Vec::with_capacity(self.members.len());
        for (at, (teacher, share)) in self.members.iter().enumerate() {
            let signal = teacher.answer(batch, asking).map_err(|error| placed(error, &self.path(at)))?;
            let target = match signal.target {
                Target::Logits(logits) if self.permute => {
                    Target::Logits(targets::permuted(&logits, &batch.ids, asking.seed, batch.epoch)?)
                }
                target => target,
            };
            signals.push(targets::Signal { target, weight: *share, ..signal });
        }
        if !self.mixed() {
            return Ok(signals);
        }
        let dense = |signal: targets::Signal| match signal.target {
            Target::Logits(logits) => Ok((logits, signal.weight)),
            _ => Err(Error::internal("teachers without logits cannot be mixed")),
        };
        let parts = signals.into_iter().map(dense).collect::<Result<Vec<_>>>()?;
        let target = match self.combine {
            Combine::Logits => Target::Logits(mean(&parts)?),
            Combine::Losses | Combine::Probabilities => Target::Mixture(parts),
        };
        Ok(vec![targets::Signal::new(target, 1.0)])
    }
}

/// Adds the path of a teacher; errors of the data's column of teacher logits keep their own path.
fn placed(error: Error, path: &str) -> Error {
    if error.path.starts_with("teacher") { error } else { error.at(path) }
}

fn mean(parts: &[(Tensor, f64)]) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for (logits, share) in parts {
        let part = (logits * *share).ok_or_internal()?;
        sum = Some(match sum {
            None => part,
            Some(sum) => (sum + part).ok_or_internal()?,
        });
    }
    sum.ok_or_else(|| Error::internal("a mean of no teachers"))
}
