//! Targets: the teacher's side of the rows that a loss compares.
//!
//! To add one: write a file with its part of the sweep over a row (`Soft`) and the reference's probabilities, a variant
//! of `Target`, and a line in each `match` below.

mod logits;
mod mixture;
mod permuted;
mod similar;
mod soft;
mod table;
mod top_k;

pub use permuted::permuted;
pub(crate) use similar::{Similar, SimilarRow, SimilarRows, normalised, sharpened};
pub(crate) use soft::Soft;
pub use table::Table;
pub use top_k::TopK;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::error::Result;
use crate::losses::sweep::{Ask, Softmax};
use crate::tensor::{DType, Tensor};

/// The teacher's side of all rows of a batch.
#[derive(Clone, Debug)]
pub enum Target {
    /// One teacher's logits, `[rows, classes]`; -∞ masks a class.
    Logits(Tensor),
    /// Several teachers' logits and shares: their distributions are mixed.
    Mixture(Vec<(Tensor, f64)>),
    /// The distribution of each row's label.
    Table(Table),
    /// Only the largest logits.
    TopK(TopK),
}

/// The form in which a target provides a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// The logits of all classes.
    Logits,
    /// This many of the largest logits.
    Top(usize),
    /// A distribution without logits.
    Distribution,
}

impl Form {
    /// The form that both can provide.
    pub fn least(self, other: Form) -> Form {
        match (self, other) {
            (Form::Distribution, _) | (_, Form::Distribution) => Form::Distribution,
            (Form::Top(a), Form::Top(b)) => Form::Top(a.min(b)),
            (Form::Top(k), Form::Logits) | (Form::Logits, Form::Top(k)) => Form::Top(k),
            (Form::Logits, Form::Logits) => Form::Logits,
        }
    }
}

/// One teacher's outputs for a batch. With several, each loss is the sum over the teachers of its value times `weight`.
#[derive(Clone, Debug)]
pub struct Signal {
    pub target: Target,
    pub weight: f64,
    /// The outputs of its layers that a loss reads, by name, `[rows, …]`.
    pub hidden: BTreeMap<String, Tensor>,
    /// The weight of its last linear layer, `[classes, width]`: the class templates.
    pub head_weight: Option<Tensor>,
}

impl Signal {
    /// The only teacher, with dense logits.
    pub fn logits(logits: Tensor) -> Signal {
        Signal::new(Target::Logits(logits), 1.0)
    }

    /// A signal with only the target.
    pub(crate) fn new(target: Target, weight: f64) -> Signal {
        Signal { target, weight, hidden: BTreeMap::new(), head_weight: None }
    }
}

/// A target in a sweep.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub target: &'a Target,
    /// The index of its first dense logits among those of the sweep.
    pub teacher: usize,
    /// The weight of its last linear layer.
    pub head: Option<&'a Tensor>,
    /// The batch's labels, one per row.
    pub labels: Option<&'a [u32]>,
    /// The student's classes.
    pub classes: usize,
}

impl Target {
    /// The form of the target. A mixture counts as logits, because `logits_at` gives its logits at one temperature.
    pub(crate) fn form(&self) -> Form {
        match self {
            Target::Logits(_) | Target::Mixture(_) => Form::Logits,
            Target::Table(_) => Form::Distribution,
            Target::TopK(top) => Form::Top(top.k()),
        }
    }

    /// Tensors of dense logits that the sweep reads.
    pub(crate) fn dense(&self) -> Vec<&Tensor> {
        match self {
            Target::Logits(logits) => vec![logits],
            Target::Mixture(parts) => parts.iter().map(|(logits, _)| logits).collect(),
            Target::Table(_) | Target::TopK(_) => Vec::new(),
        }
    }

    /// Dense logits whose softmax at a temperature is ρ, for losses that read logits; `None` if there are none.
    pub(crate) fn logits_at(&self, temperature: f64) -> Result<Option<Tensor>> {
        match self {
            Target::Logits(logits) => Ok(Some(logits.clone())),
            Target::Mixture(parts) => mixture::logits_at(parts, temperature).map(Some),
            Target::Table(_) | Target::TopK(_) => Ok(None),
        }
    }

    /// Rows and classes.
    pub(crate) fn dims(&self) -> Result<(usize, usize)> {
        match self {
            Target::Logits(logits) => Ok(logits::dims(logits)),
            Target::Mixture(parts) => mixture::dims(parts),
            Target::Table(table) => Ok(table.dims()),
            Target::TopK(top) => Ok(top.dims()),
        }
    }

    /// ρ at a temperature, `[rows, classes]`, in plain tensor calls.
    pub(crate) fn probabilities(&self, temperature: f64, dtype: DType) -> Result<Tensor> {
        match self {
            Target::Logits(logits) => logits::probabilities(logits, temperature, dtype),
            Target::Mixture(parts) => mixture::probabilities(parts, temperature, dtype),
            Target::Table(table) => table.probabilities(dtype),
            Target::TopK(top) => top.probabilities(temperature, dtype),
        }
    }
}

/// The sweep over a target at a temperature, and the student's softmax that it is compared with.
pub(crate) fn soft<'a>(source: Source<'a>, temperature: f64, ask: &mut Ask) -> (Box<dyn Soft + 'a>, Softmax) {
    match source.target {
        Target::Logits(_) => logits::soft(source.teacher, temperature, ask),
        Target::Mixture(parts) => mixture::soft(parts, source.teacher, temperature, ask),
        Target::Table(table) => table::soft(table, temperature, ask),
        Target::TopK(top) => top_k::soft(Cow::Borrowed(top), temperature, ask),
    }
}
