//! A running average of the parameters (EMA), which often generalises better than the last parameters.
//!
//! ```text
//! a ← d·a + (1 − d)·p,   d = min(decay, (1 + t) / (10 + t)),   t updates so far
//! ```
//!
//! The ramp reduces the influence of the random start values. Buffers (running statistics) are copied, not averaged.
//! Source: Tarvainen, Valpola, "Mean teachers are better role models", 2017, arXiv:1703.01780; the ramp is TensorFlow's
//! `ExponentialMovingAverage(num_updates)`. Where we differ: nowhere.

use std::collections::BTreeMap;

use super::ranges::share;
use crate::error::{Candle, Code, Error, Result};
use crate::kernels::cpu::optimizer;
use crate::parameters::{Kind, Parameter, Parameters};
use crate::pool;
use crate::tensor::{self, Tensor};

#[derive(Debug)]
pub struct Average {
    decay: f64,
    updates: u64,
    tensors: BTreeMap<String, Tensor>,
}

/// Numbers per task.
const PIECE: usize = 64 << 10;
const UPDATES: &str = "updates";

fn averaged(parameters: &Parameters) -> impl Iterator<Item = (&String, &Parameter)> {
    parameters.0.iter().filter(|(_, parameter)| parameter.kind == Kind::Trainable)
}

impl Average {
    /// Starts with copies of the parameters.
    pub fn new(decay: f64, parameters: &Parameters) -> Result<Average> {
        share("decay", decay)?;
        let copy = |(name, parameter): (&String, &Parameter)| Ok((name.clone(), tensor::owned(&parameter.tensor)?));
        Ok(Average { decay, updates: 0, tensors: averaged(parameters).map(copy).collect::<Result<_>>()? })
    }

    /// Updates the average with the parameters of one more step.
    pub fn update(&mut self, parameters: &Parameters) -> Result<()> {
        let ramp = (1 + self.updates) as f64 / (10 + self.updates) as f64;
        let decay = self.decay.min(ramp);
        self.updates += 1;
        for (name, parameter) in averaged(parameters) {
            let Some(average) = self.tensors.get(name) else { continue };
            let now = parameter.tensor.contiguous().ok_or_internal()?;
            if let Some(now) = tensor::host_f32(&now)? {
                let now: &[f32] = &now;
                tensor::update(average, |average| {
                    pool::pieces(average, PIECE, |i, average| {
                        let at = i * PIECE..i * PIECE + average.len();
                        optimizer::blend(average, &now[at], decay as f32);
                    })
                })?;
            } else {
                let sum = (average * decay).and_then(|old| old + (now * (1.0 - decay))?).ok_or_internal()?;
                average.slice_set(&sum, 0, 0).ok_or_internal()?;
            }
        }
        Ok(())
    }

    /// `parameters`, in which every averaged parameter is replaced by a copy of its average.
    pub fn parameters(&self, parameters: &Parameters) -> Result<Parameters> {
        let put = |(name, parameter): (&String, &Parameter)| {
            let tensor = self.tensors.get(name).unwrap_or(&parameter.tensor);
            let tensor = tensor::owned(tensor)?;
            Ok((name.clone(), Parameter { tensor, ..parameter.clone() }))
        };
        parameters.0.iter().map(put).collect::<Result<_>>().map(Parameters)
    }

    /// The same without a copy: the tensors change with the next update.
    pub(crate) fn shared(&self, parameters: &Parameters) -> Parameters {
        let put = |(name, parameter): (&String, &Parameter)| {
            let tensor = self.tensors.get(name).unwrap_or(&parameter.tensor).clone();
            (name.clone(), Parameter { tensor, ..parameter.clone() })
        };
        parameters.0.iter().map(put).collect()
    }

    /// The tensors stored in a checkpoint.
    pub fn export(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = self.tensors.clone();
        tensors.insert(UPDATES.to_string(), tensor::from_vec(vec![self.updates as i64], 1)?);
        Ok(tensors)
    }

    /// Restores the state from exported tensors.
    pub fn import(&mut self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        let mismatch = |path: &str, message: String| Error::new(Code::CheckpointMismatch, path, message);
        let updates = tensors.get(UPDATES).ok_or_else(|| mismatch(UPDATES, "expected a tensor, got none".into()))?;
        let updates = tensor::item(updates)? as u64;
        let mut new = BTreeMap::new();
        for (name, old) in &self.tensors {
            match tensors.get(name) {
                Some(tensor) if tensor.dims() == old.dims() && tensor.dtype() == old.dtype() => {
                    new.insert(name.clone(), tensor::owned(tensor)?);
                }
                _ => return Err(mismatch(name, format!("expected an average of {:?}", old.dims()))),
            }
        }
        (self.updates, self.tensors) = (updates, new);
        Ok(())
    }
}
