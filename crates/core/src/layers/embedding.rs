//! Embedding: a vector per id, or one pooled vector per row of ids.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::init::LayerInit;
use super::layer::Layer;
use super::pass::{Pass, Signal};
use super::shape::Shape;
use super::spec::{Init, Spec};
use crate::error::{Candle, Error, Result};
use crate::ops::embedding::{Bag, Pooling, embedding, embedding_bag};
use crate::tensor::Tensor;

/// A trained vector per id. Rows of equal length `[length]` become `[length, width]`, one vector per id. If rows differ
/// in length, or if `pooling` is given, each row becomes `[width]`: its vectors are pooled into one (a bag of
/// embeddings). A row without ids becomes zeros.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Embedding {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Number of different ids; must be ≥ 1. Ids run from 0 to vocabulary − 1.
    pub vocabulary: usize,
    /// Length of each vector; must be ≥ 1.
    pub width: usize,
    /// How the vectors of a row are pooled into one. Default: 'mean' if rows differ in length, otherwise no pooling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// Start values of the vectors. Default: uniform in ±1/width if the vectors are pooled, otherwise normal with a
    /// standard deviation of 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<LayerInit>,
}

impl Embedding {
    /// How rows of this shape are pooled; `None` if they are not.
    fn pooled(&self, input: &Shape) -> Option<Pooling> {
        if matches!(input, Shape::Ids(None)) { Some(self.pooling.unwrap_or_default()) } else { self.pooling }
    }
}

impl Layer for Embedding {
    fn init(&self) -> Option<&LayerInit> {
        self.init.as_ref()
    }

    fn output(&self, input: &Shape) -> Result<Shape> {
        if self.vocabulary == 0 || self.width == 0 {
            return Err(Error::config(
                "",
                format!("expected vocabulary and width above 0, got {} and {}", self.vocabulary, self.width),
            ));
        }
        match input {
            Shape::Ids(_) if self.pooled(input).is_some() => Ok(Shape::Dense(vec![self.width])),
            Shape::Ids(length) => Ok(Shape::Dense(length.iter().copied().chain([self.width]).collect())),
            other => Err(Error::shape("", format!("expected ids, got numbers of shape {other}"))),
        }
    }

    fn parameters(&self, input: &Shape) -> Result<Vec<Spec>> {
        // With large start values, the mean of a row would hide the few updates of rare ids; fastText also starts with
        // small values.
        let init = match self.pooled(input) {
            Some(_) => Init::Uniform(1.0 / self.width as f64),
            None => Init::Normal(1.0),
        };
        Ok(vec![Spec::weight(vec![self.vocabulary, self.width], init)])
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let weight = pass.parameter("weight")?;
        match (input, self.pooling) {
            (Signal::Ids(ids), None) => embedding(pass.tape, &weight, &ids),
            (Signal::Ids(ids), Some(pooling)) => embedding_bag(pass.tape, &weight, &equal_bags(&ids)?, pooling),
            (Signal::Ragged(bag), pooling) => embedding_bag(pass.tape, &weight, &bag, pooling.unwrap_or_default()),
            (Signal::Dense(_) | Signal::Tokens(_), _) => Err(Error::shape("", "expected ids, got numbers")),
        }
        .map(Signal::Dense)
    }
}

/// Converts ids `[rows, length]` to bags of equal length.
pub(super) fn equal_bags(ids: &Tensor) -> Result<Bag> {
    let (rows, length) = ids.dims2().ok_or_internal()?;
    let all = ids.flatten_all().and_then(|ids| ids.to_vec1()).ok_or_internal()?;
    let offsets = (0..=rows).map(|row| (row * length) as u32).collect();
    Ok(Bag { ids: Arc::new(all), offsets: Arc::new(offsets), weights: None })
}
