//! Named tensors: what the optimizer, the generator and the files exchange. Sorted by name, so every
//! walk over them has one order in every process.

use std::collections::BTreeMap;

use crate::tensor::Tensor;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Changed by the optimizer.
    Trainable,
    /// Changed by the model itself (running statistics); never by the optimizer.
    Buffer,
}

#[derive(Clone, Debug)]
pub struct Parameter {
    pub tensor: Tensor,
    pub kind: Kind,
    /// Whether weight decay applies: not to biases and norms.
    pub decay: bool,
}

/// Name → tensor. Cloning shares the numbers; `deep_copy` does not.
#[derive(Clone, Debug, Default)]
pub struct Parameters(pub(crate) BTreeMap<String, Parameter>);
