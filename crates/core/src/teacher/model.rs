//! A frozen model as teacher: it computes its outputs at every step, in evaluation mode.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::teach::{Asked, Asking, Offers, Teach};
use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::models::{Model, Network};
use crate::targets::{self, Form};
use crate::tensor::Tensor;

impl Teach for Model {
    fn offers(&self, _student: &Network, _data: Option<&Dataset>) -> Result<Offers> {
        Ok(Offers { classes: self.network.classes(), form: Form::Logits })
    }

    fn answer(&self, batch: &Batch, asking: &Asking) -> Result<targets::Signal> {
        signal(self, batch, asking)
    }

    fn fingerprint(&self) -> Result<Json> {
        Ok(json!(Model::fingerprint(self)?))
    }

    fn model(&self) -> Option<&Model> {
        Some(self)
    }

    fn asked(&self) -> Asked {
        Asked::EachStep
    }
}

/// Logits, hidden layers and class templates of a model for a batch.
pub(super) fn signal(model: &Model, batch: &Batch, asking: &Asking) -> Result<targets::Signal> {
    let outputs = model.outputs_until(&batch.inputs, &batch.ids, asking.request, asking.cancel)?;
    let hidden: BTreeMap<String, Tensor> =
        outputs.hidden.into_iter().map(|(name, value)| (name, value.tensor().clone())).collect();
    let head_weight = model.head_weight().cloned();
    Ok(targets::Signal { hidden, head_weight, ..targets::Signal::logits(outputs.logits.tensor().clone()) })
}
