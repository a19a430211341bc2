//! Observes the first updates: gradients and changes of every tensor, gradients of every loss.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::evidence::{Moved, Seen};
use crate::error::Result;
use crate::numbers::StepNumbers;
use crate::parameters::Parameters;
use crate::tensor::{Tensor, digest, host_f32, to_f64};

/// The number of updates within which every tensor must have changed; or one epoch, if that is shorter.
pub(crate) const WINDOW: u64 = 50;

/// The observations of the first updates.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Watch {
    updates: u64,
    closed: bool,
    highest_rate: f64,
    unreached: BTreeSet<String>,
    /// Trainable tensors that have not had a gradient other than 0 yet.
    without_gradient: BTreeSet<String>,
    digests: BTreeMap<String, u64>,
    /// Per loss: whether it had a weight above 0, and a gradient.
    terms: BTreeMap<String, (bool, bool)>,
}

impl Watch {
    pub fn new(trained: &Parameters) -> Result<Watch> {
        let mut watch = Watch::default();
        for (name, parameter) in &trained.0 {
            watch.digests.insert(name.clone(), digest(&parameter.tensor)?);
        }
        watch.without_gradient = watch.digests.keys().cloned().collect();
        Ok(watch)
    }

    /// A watch that observes nothing, for a control run or if the proofs are off.
    pub fn off() -> Watch {
        Watch { closed: true, ..Watch::default() }
    }

    pub fn is_open(&self) -> bool {
        !self.closed
    }

    /// Records that the backward pass did not reach this tensor in this step.
    pub fn unreached(&mut self, name: &str) {
        if !self.closed {
            self.unreached.insert(name.to_string());
        }
    }

    pub fn gradients(&mut self, gradients: &BTreeMap<String, Tensor>) -> Result<()> {
        if self.closed || self.without_gradient.is_empty() {
            return Ok(());
        }
        let waiting: Vec<String> = self.without_gradient.iter().cloned().collect();
        for name in waiting {
            if let Some(gradient) = gradients.get(&name)
                && !all_zero(gradient)?
            {
                self.without_gradient.remove(&name);
            }
        }
        Ok(())
    }

    /// Records an update; returns whether the window is full.
    pub fn updated(&mut self, numbers: &StepNumbers, rate: f64) -> bool {
        if self.closed {
            return false;
        }
        self.updates += 1;
        self.highest_rate = self.highest_rate.max(rate);
        for (name, term) in &numbers.terms {
            let Some(norm) = term.gradient_norm else { continue };
            let seen = self.terms.entry(name.to_string()).or_default();
            seen.0 |= term.weight > 0.0 && !term.no_rows;
            seen.1 |= norm > 0.0;
        }
        self.updates >= WINDOW
    }

    /// Ends the observation, once, and returns what happened so far. `None` before the first update.
    pub fn close(&mut self, parameters: &Parameters) -> Result<Option<Seen>> {
        if self.closed || self.updates == 0 {
            return Ok(None);
        }
        self.closed = true;
        let mut tensors = BTreeMap::new();
        for (name, before) in std::mem::take(&mut self.digests) {
            let Some(parameter) = parameters.0.get(&name) else { continue };
            let moved = match (self.unreached.contains(&name), self.without_gradient.contains(&name)) {
                (true, true) => Moved::Unreached,
                (false, true) => Moved::NoGradient,
                _ if digest(&parameter.tensor)? == before => Moved::Unchanged,
                _ => Moved::Changed,
            };
            tensors.insert(name, moved);
        }
        Ok(Some(Seen { updates: self.updates, highest_rate: self.highest_rate, terms: self.terms.clone(), tensors }))
    }
}

fn all_zero(tensor: &Tensor) -> Result<bool> {
    Ok(match host_f32(tensor)? {
        Some(values) => values.iter().all(|value| *value == 0.0),
        None => to_f64(tensor)?.iter().all(|value| *value == 0.0),
    })
}
