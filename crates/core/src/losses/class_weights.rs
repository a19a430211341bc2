//! Options for weights of classes: one number, one per class, or a keyword.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use super::ranges::not_negative;
use crate::error::{Error, Result};

/// One weight for all classes, or one per class.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum OneOrEach {
    One(f64),
    Each(Vec<f64>),
}

/// One weight per class, or the keyword that computes them from the labels.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelWeights {
    Each(Vec<f64>),
    /// Labelled rows ÷ (classes that occur × rows of the class).
    Balanced,
}

impl OneOrEach {
    /// The weight of each class, for this number of classes.
    pub fn each(&self, classes: usize) -> Vec<f64> {
        match self {
            OneOrEach::One(weight) => vec![*weight; classes],
            OneOrEach::Each(weights) => weights.clone(),
        }
    }
}

impl LabelWeights {
    /// The weights from the number of rows of each class, as scikit-learn computes them; a class that does not occur
    /// gets the weight 1.
    pub fn balanced(counts: &[u64]) -> LabelWeights {
        let (rows, classes) = (counts.iter().sum::<u64>(), counts.iter().filter(|count| **count > 0).count());
        let weight = |count: &u64| if *count == 0 { 1.0 } else { rows as f64 / (classes as u64 * count) as f64 };
        LabelWeights::Each(counts.iter().map(weight).collect())
    }
}

/// Rejects weights that are below 0 or not finite; paths start at `name`.
pub(super) fn check_weights(name: &str, weights: &[f64]) -> Result<()> {
    weights.iter().enumerate().try_for_each(|(class, weight)| not_negative(&format!("{name}.{class}"), *weight))
}

/// Rejects a number of weights other than the number of classes.
pub(super) fn check_count(name: &str, weights: &[f64], classes: usize) -> Result<()> {
    match weights.len() == classes {
        true => Ok(()),
        false => Err(Error::config(name, format!("expected {classes} numbers, one per class, got {}", weights.len()))),
    }
}

fn numbers(json: &Json) -> Option<Vec<f64>> {
    json.as_array()?.iter().map(Json::as_f64).collect()
}

impl<'de> Deserialize<'de> for OneOrEach {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        let read = json.as_f64().map(OneOrEach::One).or_else(|| numbers(&json).map(OneOrEach::Each));
        read.ok_or_else(|| {
            D::Error::custom(format!("expected a number, or a list of one number per class, got {json}"))
        })
    }
}

impl<'de> Deserialize<'de> for LabelWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        match json.as_str() {
            Some("balanced") => Ok(LabelWeights::Balanced),
            _ => numbers(&json).map(LabelWeights::Each).ok_or_else(|| {
                D::Error::custom(format!("expected a list of one number per class, or 'balanced', got {json}"))
            }),
        }
    }
}

impl Serialize for LabelWeights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            LabelWeights::Each(weights) => weights.serialize(serializer),
            LabelWeights::Balanced => "balanced".serialize(serializer),
        }
    }
}

impl JsonSchema for OneOrEach {
    fn schema_name() -> Cow<'static, str> {
        "OneOrEach".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "number" }, { "type": "array", "items": { "type": "number" } }] })
    }
}

impl JsonSchema for LabelWeights {
    fn schema_name() -> Cow<'static, str> {
        "LabelWeights".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "array", "items": { "type": "number" } }, { "const": "balanced" }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_weights_are_those_of_scikit_learn() {
        // compute_class_weight('balanced', classes=[0, 1, 3], y=[0] * 6 + [1] * 3 + [3]): 10 / (3 · count).
        let weights = LabelWeights::balanced(&[6, 3, 0, 1]);
        let expected = [10.0 / 18.0, 10.0 / 9.0, 1.0, 10.0 / 3.0];
        assert_eq!(weights, LabelWeights::Each(expected.to_vec()));
    }
}
