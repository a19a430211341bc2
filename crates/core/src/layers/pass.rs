//! One forward pass: the tape that records it, the parameter values that it uses, and the outputs that it keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ops::embedding::Bag;
use crate::parameters::Bound;
use crate::random::Key;
use crate::tape::{Tape, Value};
use crate::tensor::Tensor;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Dropout is on, and batch norms use the statistics of the batch.
    Train,
    /// Dropout is off, and batch norms use running statistics: for teachers, validation and predictions.
    Evaluate,
}

/// The name of the input of the last linear layer (the penultimate activations) in losses and analyses.
pub const EMBEDDING: &str = "embedding";

/// The value between two layers.
#[derive(Clone, Debug)]
pub(crate) enum Signal {
    Dense(Value),
    Ids(Tensor),
    Ragged(Bag),
    Tokens(Tokens),
}

/// A vector per token: row `r` of the batch has the vectors `offsets[r]` to `offsets[r + 1] − 1`.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    /// `[tokens, width]`.
    pub value: Value,
    pub offsets: Arc<Vec<u32>>,
}

impl Signal {
    pub(crate) fn dense(self) -> Result<Value> {
        match self {
            Signal::Dense(value) => Ok(value),
            Signal::Tokens(_) => Err(Error::shape("", "expected one vector per row, got one per token")),
            Signal::Ids(_) | Signal::Ragged(_) => {
                Err(Error::shape("", "expected numbers, got ids; put an embedding layer before this one"))
            }
        }
    }

    /// A vector per token.
    pub(crate) fn tokens(self) -> Result<Tokens> {
        match self {
            Signal::Tokens(tokens) => Ok(tokens),
            _ => Err(Error::shape("", "expected one vector per token, got something else")),
        }
    }

    /// The numbers, whether they belong to rows or to tokens.
    pub(crate) fn value(&self) -> Option<&Value> {
        match self {
            Signal::Dense(value) | Signal::Tokens(Tokens { value, .. }) => Some(value),
            Signal::Ids(_) | Signal::Ragged(_) => None,
        }
    }

    /// Applies an operation over the last axis, to rows or to tokens.
    pub(crate) fn each(self, change: impl FnOnce(&Value) -> Result<Value>) -> Result<Signal> {
        match self {
            Signal::Tokens(Tokens { value, offsets }) => Ok(Signal::Tokens(Tokens { value: change(&value)?, offsets })),
            other => change(&other.dense()?).map(Signal::Dense),
        }
    }
}

pub struct Pass<'a> {
    pub(crate) tape: &'a mut Tape,
    pub(crate) bound: &'a Bound,
    pub(crate) mode: Mode,
    /// The key of the random numbers of this pass: seed, epoch and view; a layer adds its name.
    pub(crate) key: Key,
    /// Sample ids of the rows; masks depend on them, never on the position.
    pub(crate) ids: &'a [u64],
    /// Full name of the current layer.
    pub(crate) prefix: String,
    /// Layers whose outputs are kept.
    pub(crate) wanted: &'a BTreeSet<String>,
    /// Tensors that do not change.
    pub(crate) frozen: &'a BTreeSet<String>,
    /// The layer whose input is kept as the embedding.
    pub(crate) embedding_of: Option<&'a str>,
    pub(crate) hidden: BTreeMap<String, Value>,
    pub(crate) buffer_updates: Vec<(String, Tensor)>,
}

impl Pass<'_> {
    /// A tensor of the current layer.
    pub(crate) fn parameter(&self, name: &str) -> Result<Value> {
        let full = format!("{}.{name}", self.prefix);
        self.bound.get(&full).cloned().ok_or_else(|| Error::internal(format!("no parameter {full}")))
    }

    /// Whether a tensor of the current layer is frozen.
    pub(crate) fn is_frozen(&self, name: &str) -> bool {
        !self.frozen.is_empty() && self.frozen.contains(&format!("{}.{name}", self.prefix))
    }

    /// Sets a new value for a buffer of the current layer; it is applied after the step.
    pub(crate) fn update_buffer(&mut self, name: &str, tensor: Tensor) {
        self.buffer_updates.push((format!("{}.{name}", self.prefix), tensor));
    }

    /// Keeps the input of the current layer if it is the embedding.
    pub(crate) fn keep_embedding(&mut self, signal: &Signal) {
        if let Signal::Dense(value) = signal
            && self.embedding_of == Some(self.prefix.as_str())
        {
            self.hidden.insert(EMBEDDING.into(), value.clone());
        }
    }

    pub(crate) fn keep(&mut self, signal: &Signal) {
        if let Some(value) = signal.value()
            && self.wanted.contains(&self.prefix)
        {
            self.hidden.insert(self.prefix.clone(), value.clone());
        }
    }
}
