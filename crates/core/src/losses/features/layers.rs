//! Where a loss looks: the logits, the embedding (what the last linear layer reads), or layers by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::models::{EMBEDDING, Network};

/// The outputs of the last layer.
pub(super) const LOGITS: &str = "logits";

/// Which layers are compared: `'logits'`, `'embedding'` (what the last linear layer reads), the name of a layer that
/// both models have, `{ student, teacher }` where the names differ, or a list of these, whose losses are added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Json", into = "Json")]
pub struct Layers(Vec<LayerPair>);

/// A layer of the student and one of the teacher.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LayerPair {
    /// Name of the student's layer.
    pub student: String,
    /// Name of the teacher's.
    pub teacher: String,
}

impl Layers {
    pub(crate) fn logits() -> Layers {
        Layers::named(LOGITS)
    }

    pub(crate) fn embedding() -> Layers {
        Layers::named(EMBEDDING)
    }

    fn named(name: &str) -> Layers {
        Layers(vec![LayerPair { student: name.into(), teacher: name.into() }])
    }

    /// The layers; a teacher without a network shows its logits alone.
    pub(super) fn pairs(&self, _student: &Network, teacher: Option<&Network>) -> Result<Vec<LayerPair>> {
        if let (None, Some(pair)) = (teacher, self.0.iter().find(|pair| pair.teacher != LOGITS)) {
            let message = format!(
                "expected a teacher that is a model, whose {} can be looked at, got its answers alone: give the model, \
                 or compare 'logits'",
                pair.teacher
            );
            return Err(Error::config("layers", message));
        }
        Ok(self.0.clone())
    }
}

/// The sizes of one sample at a layer.
pub(super) fn shape(network: &Network, name: &str) -> Result<Vec<usize>> {
    let shape = match name {
        LOGITS => Some(network.output().clone()),
        name => network.shape_of(name)?,
    };
    let Some(shape) = shape else {
        let known: Vec<&str> = network.order().iter().map(String::as_str).collect();
        let message =
            format!("expected 'logits', 'embedding' or a layer, got {name:?}; the layers are {}", known.join(", "));
        return Err(Error::config("", message));
    };
    shape.dense().map(<[usize]>::to_vec)
}

impl TryFrom<Json> for Layers {
    type Error = String;

    fn try_from(json: Json) -> Result<Layers, String> {
        let one = |json: &Json| match json {
            Json::String(name) => Ok(LayerPair { student: name.clone(), teacher: name.clone() }),
            Json::Object(_) => serde_json::from_value::<LayerPair>(json.clone()).map_err(|error| error.to_string()),
            other => Err(format!("expected the name of a layer or {{ student, teacher }}, got {other}")),
        };
        match &json {
            Json::Array(items) if items.is_empty() => Err("expected at least one layer, got an empty list".into()),
            Json::Array(items) => items.iter().map(one).collect::<Result<_, _>>().map(Layers),
            json => Ok(Layers(vec![one(json)?])),
        }
    }
}

impl From<Layers> for Json {
    fn from(layers: Layers) -> Json {
        let one = |pair: &LayerPair| match pair.student == pair.teacher {
            true => Json::String(pair.student.clone()),
            false => serde_json::json!({ "student": pair.student, "teacher": pair.teacher }),
        };
        match layers.0.as_slice() {
            [pair] => one(pair),
            pairs => Json::Array(pairs.iter().map(one).collect()),
        }
    }
}

/// Which layers are compared: one choice, or a list whose losses are added.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)] // the shape of the JSON, read by its schema alone
enum AsJson {
    One(LayerChoice),
    Several(Vec<LayerChoice>),
}

/// `'logits'`, `'embedding'` (what the last linear layer reads), the name of a layer that both models have, or one name
/// each.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)] // as above
enum LayerChoice {
    Name(String),
    Names(LayerPair),
}

impl JsonSchema for Layers {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Layers".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        AsJson::json_schema(generator)
    }
}
