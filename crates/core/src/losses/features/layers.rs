//! The layers that a loss compares: the logits, the embedding (the input of the last linear layer), or layers by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::models::{EMBEDDING, Network};

/// The outputs of the last layer.
pub(crate) const LOGITS: &str = "logits";

/// Layers chosen by depth, spread over the whole teacher.
const SKIP: &str = "skip";
/// Layers chosen by depth, directly below the teacher's last.
const LAST: &str = "last";

/// Which layers are compared: `'logits'`, `'embedding'` (the input of the last linear layer), the name of a layer that
/// both models have, `{ student, teacher }` if the names differ, or a list of these, whose losses are added. `'skip'`
/// and `'last'` choose layers by depth: they compare each of the student's layers except the last with a layer of the
/// teacher. `'skip'` takes evenly spaced layers of the teacher, `'last'` the layers directly before the teacher's last.
/// The layers that count are the residual blocks of a model or, if it has none, its linear and convolutional layers
/// before the head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Json", into = "Json")]
pub struct Layers(Vec<LayerPair>);

/// A layer of the student and one of the teacher.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LayerPair {
    /// Name of the student's layer.
    pub student: String,
    /// Name of the teacher's layer.
    pub teacher: String,
}

impl Layers {
    pub(crate) fn logits() -> Layers {
        Layers::named(LOGITS)
    }

    pub(crate) fn embedding() -> Layers {
        Layers::named(EMBEDDING)
    }

    pub(crate) fn skip() -> Layers {
        Layers::named(SKIP)
    }

    fn named(name: &str) -> Layers {
        Layers(vec![LayerPair { student: name.into(), teacher: name.into() }])
    }

    /// The pairs of layers; a teacher without a network provides only logits.
    pub(super) fn pairs(&self, student: &Network, teacher: Option<&Network>) -> Result<Vec<LayerPair>> {
        if let (None, Some(pair)) = (teacher, self.0.iter().find(|pair| pair.teacher != LOGITS)) {
            let message = format!(
                "expected a teacher whose layer {} can be read, got one with outputs only: pass the model itself, or \
                 compare 'logits'",
                pair.teacher
            );
            return Err(Error::config("layers", message));
        }
        match (self.0.as_slice(), teacher) {
            ([pair], Some(teacher)) if pair.student == pair.teacher && by_depth(&pair.student, student, teacher) => {
                deep_pairs(pair.student == SKIP, &depth(student), &depth(teacher))
            }
            (pairs, _) => Ok(pairs.to_vec()),
        }
    }
}

/// Whether the name is a choice by depth and not the name of a layer.
fn by_depth(name: &str, student: &Network, teacher: &Network) -> bool {
    let has = |network: &Network| network.layer_names().contains(name);
    [SKIP, LAST].contains(&name) && !has(student) && !has(teacher)
}

/// The layers of a network from which a choice by depth is made.
fn depth(network: &Network) -> Vec<String> {
    let (blocks, plain) = network.depth();
    if blocks.is_empty() { plain } else { blocks }
}

/// Pairs each of the student's layers except the last with a layer of the teacher. Layers are counted from 1: `skip`
/// takes the multiples of teacher's count ÷ student's count that are below the teacher's count; `last` takes the layers
/// directly below the teacher's last.
fn deep_pairs(skip: bool, student: &[String], teacher: &[String]) -> Result<Vec<LayerPair>> {
    let (own, other) = (student.len(), teacher.len());
    if own < 2 || other < own {
        let message = format!(
            "expected a student of at least 2 layers and at most as many as the teacher has, got {own} ({}) and \
             {other}: name the layers, {{ student, teacher }}",
            student.join(", ")
        );
        return Err(Error::config("layers", message));
    }
    let of_teacher = |at: usize| if skip { at * other / own } else { other - own + at };
    let pair = |at: usize| LayerPair { student: student[at - 1].clone(), teacher: teacher[of_teacher(at) - 1].clone() };
    Ok((1..own).map(pair).collect())
}

/// The shape of one sample at a layer.
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

/// Rejects samples of different shape; the message contains the remedy.
pub(crate) fn same_shape(student: &[usize], teacher: &[usize], remedy: &str) -> Result<()> {
    if student == teacher {
        return Ok(());
    }
    let message =
        format!("expected the shape {teacher:?} of the teacher's layer, got {student:?} of the student's: {remedy}");
    Err(Error::shape("layers", message))
}

/// Rejects layers that are not feature maps.
pub(crate) fn feature_maps(student: &[usize], teacher: &[usize]) -> Result<()> {
    if student.len() == 3 && teacher.len() == 3 {
        return Ok(());
    }
    let message = format!(
        "expected layers that give feature maps [channels, height, width], got {student:?} and {teacher:?}: name \
         convolutions, or layers that follow them"
    );
    Err(Error::shape("layers", message))
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

/// `'logits'`, `'embedding'` (the input of the last linear layer), the name of a layer that both models have, or one
/// name for each model.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_by_depth_are_those_of_the_paper() {
        let names = |count: usize| (1..=count).map(|at| at.to_string()).collect::<Vec<String>>();
        let of = |skip: bool, own: usize, other: usize| {
            let pairs = deep_pairs(skip, &names(own), &names(other)).unwrap();
            let students: Vec<String> = pairs.iter().map(|pair| pair.student.clone()).collect();
            assert_eq!(students, names(own - 1));
            pairs.iter().map(|pair| pair.teacher.parse::<usize>().unwrap()).collect::<Vec<usize>>()
        };
        assert_eq!(of(true, 6, 12), [2, 4, 6, 8, 10]);
        assert_eq!(of(false, 6, 12), [7, 8, 9, 10, 11]);
        assert_eq!(of(true, 3, 12), [4, 8]);
        assert_eq!(of(false, 3, 12), [10, 11]);
        assert_eq!(of(true, 3, 5), [1, 3]);
        let error = deep_pairs(true, &names(1), &names(3)).unwrap_err().to_string();
        assert!(error.contains("at least 2 layers") && error.contains("{ student, teacher }"), "{error}");
        assert!(deep_pairs(false, &names(4), &names(3)).is_err());
    }
}
