//! What is watched during the first updates: gradients and changes of every tensor, gradients of every loss.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Findings;
use crate::error::Result;
use crate::numbers::StepNumbers;
use crate::parameters::Parameters;
use crate::tensor::{Tensor, digest, host_f32, to_f64};

/// Updates within which everything must have moved; an epoch, where that is shorter.
pub(crate) const WINDOW: u64 = 50;

/// What is watched during the first updates.
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
    pub fn new(parameters: &Parameters, trained: impl Fn(&str) -> bool) -> Result<Watch> {
        let names: Vec<&String> = parameters.0.keys().filter(|name| trained(name)).collect();
        let mut watch =
            Watch { without_gradient: names.iter().map(|name| name.to_string()).collect(), ..Watch::default() };
        for name in names {
            watch.digests.insert(name.clone(), digest(&parameters.0[name].tensor)?);
        }
        Ok(watch)
    }

    /// A watch that looks at nothing: a control run, or proofs that are off.
    pub fn off() -> Watch {
        Watch { closed: true, ..Watch::default() }
    }

    pub fn is_open(&self) -> bool {
        !self.closed
    }

    /// Backward did not reach this tensor in this step.
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

    /// After an update; gives whether the window is full.
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

    /// Says what did not happen within the window.
    pub fn close(&mut self, parameters: &Parameters, copied: bool, findings: &mut Findings) -> Result<()> {
        if self.closed || self.updates == 0 {
            return Ok(());
        }
        self.closed = true;
        let updates = self.updates;
        if self.highest_rate == 0.0 {
            let message = format!("the learning rate was 0 in all of the first {updates} updates: nothing is learnt");
            findings.add("parametersChange", "optimizer.learningRate", message)?;
            return Ok(());
        }
        for (name, (weighed, moved)) in &self.terms {
            if *weighed && !moved && !copied {
                let message =
                    format!("this loss had no gradient in the first {updates} updates: it teaches the student nothing");
                findings.add("termHasGradient", format!("losses.{name}"), message)?;
            }
        }
        for name in &self.without_gradient {
            let why =
                if self.unreached.contains(name) { "backward never reached it" } else { "its gradient was always 0" };
            let message = format!("{why} in the first {updates} updates: it does not take part in the outputs");
            findings.add("gradientReaches", name, message)?;
        }
        for (name, before) in &self.digests {
            if self.without_gradient.contains(name) {
                continue;
            }
            if let Some(parameter) = parameters.0.get(name)
                && digest(&parameter.tensor)? == *before
            {
                let message = format!("it had gradients but did not change in the first {updates} updates");
                findings.add("parametersChange", name, message)?;
            }
        }
        self.digests.clear();
        Ok(())
    }
}

fn all_zero(tensor: &Tensor) -> Result<bool> {
    Ok(match host_f32(tensor)? {
        Some(values) => values.iter().all(|value| *value == 0.0),
        None => to_f64(tensor)?.iter().all(|value| *value == 0.0),
    })
}
