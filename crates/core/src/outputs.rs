//! What a model's forward gives: the losses consume it, so that nothing outlives its use.

use std::collections::BTreeMap;

use crate::tape::Value;
use crate::tensor::Tensor;

pub struct Outputs {
    /// `[rows, classes]`, or what the last layer makes.
    pub logits: Value,
    /// Outputs of the layers that were asked for, by layer name.
    pub hidden: BTreeMap<String, Value>,
    /// The weight of the last linear layer, `[classes, width]`: the class templates.
    pub head_weight: Option<Value>,
    /// New values of buffers (running statistics), applied once by the trainer, after the step.
    pub buffer_updates: Vec<(String, Tensor)>,
}

impl Outputs {
    /// The logits alone.
    pub fn of_logits(logits: Value) -> Outputs {
        Outputs { logits, hidden: BTreeMap::new(), head_weight: None, buffer_updates: Vec::new() }
    }

    /// The output of a layer that was asked for, or the logits.
    pub(crate) fn at(&self, name: &str) -> Option<&Value> {
        if name == "logits" { Some(&self.logits) } else { self.hidden.get(name) }
    }
}
