//! A model's architecture as stored in its file: the shape of one sample, and the layers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layers::{LayerOptions, Shape};

/// What one sample is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Input {
    /// Numbers of these sizes: `[784]`, `[1, 28, 28]`.
    Numbers(Vec<usize>),
    /// Ids.
    Ids(IdsInput),
}

/// `{ ids: {} }`: ids, of different count in each row; `{ ids: { length: 128 } }`: always 128.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdsInput {
    pub ids: IdsLength,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdsLength {
    /// Count of ids in every row. Default: rows differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
}

impl Input {
    pub(crate) fn shape(&self) -> Shape {
        match self {
            Input::Numbers(sizes) => Shape::Dense(sizes.clone()),
            Input::Ids(ids) => Shape::Ids(ids.ids.length),
        }
    }
}

/// A model's architecture in full: what a model file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Architecture {
    /// What one sample is.
    pub input: Input,
    /// The layers, from the input to the logits.
    pub layers: Vec<LayerOptions>,
}
