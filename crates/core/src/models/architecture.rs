//! A model's architecture as stored in its file: the form of one sample, and the layers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layers::{LayerOptions, Shape};

/// The form of one sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Input {
    /// The sizes of one sample of numbers: `[784]`, `[1, 28, 28]`.
    Numbers(Vec<usize>),
    /// Ids.
    Ids(IdsInput),
}

/// Inputs that are ids. With `{ ids: {} }` each row may have a different number of ids; with `{ ids: { length: 128 } }`
/// every row has 128.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdsInput {
    pub ids: IdsLength,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdsLength {
    /// Number of ids in every row. Default: the number may differ from row to row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
}

impl Input {
    /// For ids: their number in every row, or `None` if it differs from row to row.
    pub(crate) fn ids(&self) -> Option<Option<usize>> {
        match self {
            Input::Numbers(_) => None,
            Input::Ids(ids) => Some(ids.ids.length),
        }
    }

    pub(crate) fn shape(&self) -> Shape {
        match self {
            Input::Numbers(sizes) => Shape::Dense(sizes.clone()),
            Input::Ids(ids) => Shape::Ids(ids.ids.length),
        }
    }
}

/// A model's complete architecture, as a model file contains it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Architecture {
    /// The form of one sample.
    pub input: Input,
    /// The layers, from the input to the logits.
    pub layers: Vec<LayerOptions>,
}
