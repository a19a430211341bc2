//! Error messages about numbers that are not finite: where they occurred first, and how to avoid them.

use super::at::At;
use super::state::Learner;
use crate::batch::Batch;
use crate::error::{Code, Error, Result};
use crate::layers::Mode;
use crate::models::Request;
use crate::tape::{Engine, Tape};
use crate::tensor::all_finite;

/// Remedy for numbers that grow from step to step.
pub(crate) const REMEDY: &str = "; lower the learning rate or set clipNorm";

impl Learner {
    /// Completes an error of the losses. If it is about a non-finite number, the result names the first tensor that is not
    /// finite, in the order parameters, layers, losses.
    pub(super) fn explain(&self, error: Error, batch: &Batch, at: &At) -> Error {
        if error.code != Code::NotFinite {
            return error;
        }
        let step = at.step + 1;
        // Before the first update the learning rate has had no effect.
        let remedy = if step > 1 { REMEDY } else { "" };
        let found = |path: &str, what: &str| {
            Error::new(Code::NotFinite, path, format!("{what} is not finite at step {step}{remedy}"))
        };
        let parameters = self.weights.trained(&self.model).0.iter().chain(&self.model.parameters.0);
        for (name, parameter) in parameters {
            if !all_finite(&parameter.tensor).unwrap_or(true) {
                return found(name, "the parameter");
            }
        }
        match self.first_layer_not_finite(batch, at) {
            Ok(Some(name)) => found(&name, "the layer's output"),
            _ => Error { message: format!("{} at step {step}", error.message), ..error },
        }
    }

    fn first_layer_not_finite(&self, batch: &Batch, at: &At) -> Result<Option<String>> {
        let network = &self.model.network;
        let request = Request { hidden: network.layer_names().clone(), frozen: self.frozen.clone() };
        let inputs = self.model.preprocessing.apply(&batch.inputs)?;
        let values = self.weights.baked(self.weights.trained(&self.model).clone(), &self.model)?.constants();
        let tape = &mut Tape::new(Engine::Kernels);
        let outputs = network.forward(tape, &values, &inputs, &batch.ids, &request, Mode::Train, at.key(batch))?;
        for name in network.order() {
            if let Some(value) = outputs.hidden.get(name)
                && !all_finite(value.tensor())?
            {
                return Ok(Some(name.clone()));
            }
        }
        Ok(None)
    }
}
