//! One vector per row, pooled from the vectors of its tokens.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::pass::{Pass, Signal, Tokens};
use super::shape::Shape;
use crate::blocks::collected;
use crate::error::{Error, Result};
use crate::ops::embedding::{Bag, Pooling, embedding, embedding_bag};
use crate::tensor::from_vec;

/// How the vectors of a row's tokens become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TokenPooling {
    /// The mean of all tokens.
    #[default]
    Mean,
    /// The vector of the first token; BERT's `[CLS]`.
    First,
    /// The vector of the last token.
    Last,
    /// The largest number of each column.
    Max,
}

/// Pools the vectors of a row's tokens: `[tokens, width]` becomes `[width]`. For 'mean' and 'max', a row without tokens
/// becomes zeros; 'first' and 'last' reject it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenPool {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How the vectors are pooled. Default 'mean'.
    #[serde(default)]
    pub pooling: TokenPooling,
}

impl Layer for TokenPool {
    fn output(&self, input: &Shape) -> Result<Shape> {
        input.tokens().map(|width| Shape::Dense(vec![width]))
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        let Tokens { value, offsets } = input.tokens()?;
        let pooling = match self.pooling {
            TokenPooling::Mean => Pooling::Mean,
            TokenPooling::Max => Pooling::Max,
            TokenPooling::First | TokenPooling::Last => {
                let ids = one_token(&offsets, self.pooling == TokenPooling::First)?;
                let rows = ids.len();
                return embedding(pass.tape, &value, &from_vec(ids, rows)?).map(Signal::Dense);
            }
        };
        // The tokens are the table of the bags.
        let ids = Arc::new(collected(0..value.dims()[0] as u32));
        embedding_bag(pass.tape, &value, &Bag { ids, offsets, weights: None }, pooling).map(Signal::Dense)
    }
}

/// The number of the first or last token of each row.
fn one_token(offsets: &[u32], first: bool) -> Result<Vec<u32>> {
    if let Some(row) = offsets.windows(2).position(|range| range[0] == range[1]) {
        return Err(Error::data(format!("inputs[{row}]"), "expected at least one token, got none"));
    }
    Ok(collected(offsets.windows(2).map(|range| if first { range[0] } else { range[1] - 1 })))
}
