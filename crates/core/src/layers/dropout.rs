//! Dropout: sets random elements to 0 in training and scales up the others.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::pass::{Mode, Pass, Signal, Tokens};
use super::shape::Shape;
use crate::blocks;
use crate::error::{Error, Result};
use crate::ops;

/// In training, each element becomes 0 with probability `rate`, and the other elements are divided by 1 − rate. The
/// mask depends only on seed, epoch, layer name and sample id, so splitting a batch does not change it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dropout {
    /// Name of the layer. Default: its position in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Probability that an element becomes 0; must be ≥ 0 and < 1.
    pub rate: f64,
}

impl Layer for Dropout {
    fn output(&self, input: &Shape) -> Result<Shape> {
        if !(0.0..1.0).contains(&self.rate) {
            return Err(Error::config(
                "rate",
                format!("expected a number of at least 0 and below 1, got {}", self.rate),
            ));
        }
        input.numbers().map(|()| input.clone())
    }

    fn forward(&self, pass: &mut Pass, input: Signal) -> Result<Signal> {
        if pass.mode == Mode::Evaluate || self.rate == 0.0 {
            return Ok(input);
        }
        let key = pass.key.with("dropout").with(pass.prefix.as_str());
        let ids = match &input {
            Signal::Tokens(Tokens { offsets, .. }) => Cow::Owned(token_ids(pass.ids, offsets)),
            _ => Cow::Borrowed(pass.ids),
        };
        input.each(|x| ops::dropout::dropout(pass.tape, x, self.rate, key, &ids))
    }
}

/// An id per token, from the id of its sample and its position in the sample.
fn token_ids(samples: &[u64], offsets: &[u32]) -> Vec<u64> {
    /// An odd number: different samples get different ids, far apart.
    const APART: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut ids = blocks::empty(offsets.last().map_or(0, |last| *last as usize));
    for (sample, range) in samples.iter().zip(offsets.windows(2)) {
        let first = sample.wrapping_mul(APART);
        ids.extend((0..u64::from(range[1] - range[0])).map(|position| first.wrapping_add(position)));
    }
    ids
}
