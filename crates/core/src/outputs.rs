//! The outputs of a forward pass. The losses consume them, so that they are freed as soon as possible.

use std::collections::BTreeMap;

use crate::tape::Value;
use crate::tensor::Tensor;

pub struct Outputs {
    /// The output of the last layer, usually `[rows, classes]`.
    pub logits: Value,
    /// Outputs of the requested layers, by layer name.
    pub hidden: BTreeMap<String, Value>,
    /// The weight of the last linear layer, `[classes, width]`: the class templates.
    pub head_weight: Option<Value>,
    /// New values of buffers (running statistics); the learner writes them after the step.
    pub buffer_updates: Vec<(String, Tensor)>,
}

impl Outputs {
    /// Outputs that contain only logits.
    pub fn of_logits(logits: Value) -> Outputs {
        Outputs { logits, hidden: BTreeMap::new(), head_weight: None, buffer_updates: Vec::new() }
    }

    /// The output of a requested layer, or the logits for the name `logits`.
    pub(crate) fn at(&self, name: &str) -> Option<&Value> {
        if name == "logits" { Some(&self.logits) } else { self.hidden.get(name) }
    }
}
