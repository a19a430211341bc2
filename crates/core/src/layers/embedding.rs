//! A row of a table for every id; over a ragged row their mean.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Init, Layer, Pass, Shape, Signal, Spec};
use crate::error::{Error, Result};
use crate::ops;

/// A table row for every id: `[length]` ids become `[length, width]`. Ragged rows become the mean of their rows,
/// `[width]` (a bag of embeddings); an empty row becomes zeros.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Embedding {
    /// Name of the layer. Default: its place in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Count of different ids; ids are 0…vocabulary − 1.
    pub vocabulary: usize,
    /// Width of a table row; at least 1.
    pub width: usize,
}

impl Layer for Embedding {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn output(&self, input: &Shape) -> Result<Shape> {
        if self.vocabulary == 0 || self.width == 0 {
            return Err(Error::config(
                "",
                format!("expected vocabulary and width above 0, got {} and {}", self.vocabulary, self.width),
            ));
        }
        match input {
            Shape::Ids(Some(length)) => Ok(Shape::Dense(vec![*length, self.width])),
            Shape::Ids(None) => Ok(Shape::Dense(vec![self.width])),
            Shape::Dense(sizes) => {
                Err(Error::shape("", format!("expected ids, got numbers of shape {}", super::show(sizes))))
            }
        }
    }

    fn parameters(&self, _input: &Shape) -> Result<Vec<Spec>> {
        Ok(vec![Spec::weight(vec![self.vocabulary, self.width], Init::Normal(1.0))])
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let weight = pass.parameter("weight")?;
        match input {
            Signal::Ids(ids) => ops::embedding::embedding(pass.tape, &weight, &ids),
            Signal::Ragged { ids, offsets } => ops::embedding::embedding_mean(pass.tape, &weight, &ids, &offsets),
            Signal::Dense(_) => Err(Error::shape("", "expected ids, got numbers")),
        }
        .map(Signal::Dense)
    }
}
