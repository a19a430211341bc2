//! Vectors of tokens, positions and segment types, added: the first layer of a transformer.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::embedding::equal_bags;
use super::layer::Layer;
use super::pass::{Pass, Signal, Tokens};
use super::shape::Shape;
use super::spec::{Init, Spec};
use crate::blocks;
use crate::error::{Error, Result};
use crate::ops;
use crate::ops::embedding::embedding;
use crate::parameters::Kind;
use crate::tape::Value;
use crate::tensor::from_vec;

/// Standard deviation of start values, as in BERT.
pub(super) const DEVIATION: f64 = 0.02;

/// A trained vector per token, plus one per position and one per segment type: rows of ids become `[tokens, width]`.
/// Rows may differ in length; no padding is added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenEmbedding {
    /// Name of the layer; its tensors are `<name>.token`, `<name>.position` and `<name>.type`. Default: its position in
    /// the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Number of different ids; must be ≥ 1. Ids run from 0 to vocabulary − 1.
    pub vocabulary: usize,
    /// Length of each vector; must be ≥ 1.
    pub width: usize,
    /// Number of position vectors. Default 0: positions are not embedded.
    #[serde(default)]
    pub positions: usize,
    /// The position of the first token; must be below `positions`. A row has at most `positions` − `firstPosition`
    /// tokens. Default 0; RoBERTa has 2.
    #[serde(default)]
    pub first_position: usize,
    /// Number of segment types; every token has the type 0. Default 0: types are not embedded.
    #[serde(default)]
    pub types: usize,
}

impl TokenEmbedding {
    /// The longest row in tokens, if there is a limit.
    pub(crate) fn longest(&self) -> Option<usize> {
        (self.positions > 0).then(|| self.positions.saturating_sub(self.first_position))
    }

    /// The position of every token.
    fn positions(&self, offsets: &[u32]) -> Result<Vec<u32>> {
        let first = self.first_position as u32;
        let mut positions = blocks::empty(offsets.last().map_or(0, |last| *last as usize));
        for (row, range) in offsets.windows(2).enumerate() {
            let length = (range[1] - range[0]) as usize;
            if let Some(longest) = self.longest().filter(|longest| length > *longest) {
                let message = format!("expected at most {longest} tokens, got {length}; truncate the text");
                return Err(Error::data(format!("inputs[{row}]"), message));
            }
            positions.extend(first..first + length as u32);
        }
        Ok(positions)
    }
}

impl Layer for TokenEmbedding {
    fn output(&self, input: &Shape) -> Result<Shape> {
        if self.vocabulary == 0 || self.width == 0 {
            let message = format!("expected vocabulary and width above 0, got {} and {}", self.vocabulary, self.width);
            return Err(Error::config("", message));
        }
        if self.first_position > 0 && self.first_position >= self.positions {
            let message = format!("expected a position below {}, got {}", self.positions, self.first_position);
            return Err(Error::config("firstPosition", message));
        }
        match input {
            Shape::Ids(_) => Ok(Shape::Tokens(self.width)),
            other => Err(Error::shape("", format!("expected ids, got numbers of shape {other}"))),
        }
    }

    fn parameters(&self, _input: &Shape) -> Result<Vec<Spec>> {
        let tables = [("token", self.vocabulary), ("position", self.positions), ("type", self.types)];
        let table = |(name, count): (&str, usize)| Spec {
            name: name.into(),
            shape: vec![count, self.width],
            init: Init::Normal(DEVIATION),
            kind: Kind::Trainable,
            decay: true,
        };
        Ok(tables.into_iter().filter(|(_, count)| *count > 0).map(table).collect())
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let bag = match input {
            Signal::Ids(ids) => equal_bags(&ids)?,
            Signal::Ragged(bag) if bag.weights.is_none() => bag,
            Signal::Ragged(_) => {
                return Err(Error::data(
                    "inputs.weights",
                    "expected none, because the tokens of a transformer have no weights",
                ));
            }
            Signal::Dense(_) | Signal::Tokens(_) => return Err(Error::shape("", "expected ids, got numbers")),
        };
        let count = bag.ids.len();
        let mut lookup = |name: &str, ids: Vec<u32>| -> Result<Value> {
            let table = pass.parameter(name)?;
            embedding(pass.tape, &table, &from_vec(ids, count)?)
        };
        let mut value = lookup("token", bag.ids.to_vec())?;
        let mut others = Vec::new();
        if self.positions > 0 {
            others.push(lookup("position", self.positions(&bag.offsets)?)?);
        }
        if self.types > 0 {
            others.push(lookup("type", vec![0; count])?);
        }
        for other in others {
            value = ops::add::add(pass.tape, &value, &other)?;
        }
        Ok(Signal::Tokens(Tokens { value, offsets: Arc::clone(&bag.offsets) }))
    }
}
