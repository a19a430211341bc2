//! Fields of `config.json`. The path of an error is the key.

use serde_json::{Map, Value as Json};

use crate::checkpoint::header::refuse;
use crate::error::{Error, Result};
use crate::ops::activation::Activation;

/// Largest size that a configuration may state: safetensors files have no larger dimension.
const LARGEST: u64 = 1 << 31;

/// Activation functions by the names that configurations use.
const ACTIVATIONS: [(&str, Activation); 9] = [
    ("gelu", Activation::Gelu),
    ("gelu_python", Activation::Gelu),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_fast", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("relu", Activation::Relu),
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
    ("tanh", Activation::Tanh),
];

/// The fields of a configuration. A field with the value null counts as absent.
pub(crate) struct Config(Map<String, Json>);

impl Config {
    pub(crate) fn new(json: Json) -> Result<Config> {
        match json {
            Json::Object(fields) => Ok(Config(fields)),
            other => Err(refuse(format!("expected an object, got {}", short(&other)))),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A whole number from 1 to 2³¹.
    pub(crate) fn size(&self, key: &str) -> Result<usize> {
        match self.get(key).map(Json::as_u64) {
            Some(Some(size)) if (1..=LARGEST).contains(&size) => Ok(size as usize),
            _ => Err(self.unfit(key, "a whole number from 1 to 2³¹")),
        }
    }

    /// A whole number from 0 to 2³¹.
    pub(crate) fn whole_or(&self, key: &str, default: usize) -> Result<usize> {
        match self.get(key).map(Json::as_u64) {
            None => Ok(default),
            Some(Some(size)) if size <= LARGEST => Ok(size as usize),
            _ => Err(self.unfit(key, "a whole number from 0 to 2³¹")),
        }
    }

    /// A number in this range.
    pub(crate) fn number_or(&self, key: &str, default: f64, least: f64, below: f64) -> Result<f64> {
        match self.get(key).map(Json::as_f64) {
            None => Ok(default),
            Some(Some(number)) if (least..below).contains(&number) => Ok(number),
            _ => Err(self.unfit(key, &format!("a number from {least} to below {below}"))),
        }
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.get(key) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.unfit(key, "a string")),
        }
    }

    pub(crate) fn flag_or(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.unfit(key, "true or false")),
        }
    }

    /// The activation function; 'gelu' if the field is absent.
    pub(crate) fn activation(&self, key: &str) -> Result<Activation> {
        let name = self.text(key)?.unwrap_or("gelu");
        let found = ACTIVATIONS.iter().find(|(known, _)| *known == name).map(|(_, activation)| *activation);
        found.ok_or_else(|| {
            let known: Vec<&str> = ACTIVATIONS.iter().map(|(name, _)| *name).collect();
            self.unfit(key, &format!("one of the activations {}", known.join(", ")))
        })
    }

    /// Class names of the stored model, such as `BertModel`.
    pub(crate) fn architectures(&self) -> Vec<&str> {
        let list = self.get("architectures").and_then(Json::as_array);
        list.into_iter().flatten().filter_map(Json::as_str).collect()
    }

    /// Rejects a field whose value is none of those that limbeck computes; `only` is one of them, and the default.
    pub(crate) fn expect(&self, key: &str, only: &Json) -> Result<()> {
        match self.get(key) {
            Some(got) if got != only => Err(self.unfit(key, &format!("{only}, the only value that limbeck supports"))),
            _ => Ok(()),
        }
    }

    /// The error for a field that is not as expected.
    pub(crate) fn unfit(&self, key: &str, expected: &str) -> Error {
        let got = self.get(key).map_or("nothing".into(), short);
        refuse(format!("expected {expected}, got {got}")).at(key)
    }
}

/// A value for messages.
fn short(value: &Json) -> String {
    match value {
        Json::Object(_) => "an object".into(),
        Json::Array(_) => "a list".into(),
        other => other.to_string().chars().take(64).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_of_another_kind_is_refused_by_key() {
        let config = Config::new(
            json!({ "size": 0, "big": 4294967296u64, "rate": 1.5, "text": [1], "flag": "no", "act": "xielu" }),
        );
        let config = config.unwrap();
        for (error, says) in [
            (config.size("size").unwrap_err(), "size: expected a whole number from 1 to 2³¹, got 0"),
            (config.size("none").unwrap_err(), "none: expected a whole number from 1 to 2³¹, got nothing"),
            (config.whole_or("big", 1).unwrap_err(), "big: expected a whole number from 0 to 2³¹, got 4294967296"),
            (
                config.number_or("rate", 0.1, 0.0, 1.0).unwrap_err(),
                "rate: expected a number from 0 to below 1, got 1.5",
            ),
            (config.text("text").unwrap_err(), "text: expected a string, got a list"),
            (config.flag_or("flag", true).unwrap_err(), "flag: expected true or false, got \"no\""),
            (
                config.expect("flag", &json!("yes")).unwrap_err(),
                "flag: expected \"yes\", the only value that limbeck supports, got \"no\"",
            ),
        ] {
            assert_eq!(error.to_string(), says);
        }
        let error = config.activation("act").unwrap_err().to_string();
        assert!(
            error.starts_with("act: expected one of the activations gelu, ") && error.ends_with("got \"xielu\""),
            "{error}"
        );
        assert!(Config::new(json!([1])).is_err());
    }

    #[test]
    fn absent_fields_and_null_have_the_default() {
        let config = Config::new(json!({ "a": null })).unwrap();
        for key in ["a", "b"] {
            assert_eq!(config.whole_or(key, 3).unwrap(), 3);
            assert_eq!(config.number_or(key, 0.5, 0.0, 1.0).unwrap(), 0.5);
            assert_eq!(config.activation(key).unwrap(), Activation::Gelu);
            assert!(config.flag_or(key, true).unwrap());
            config.expect(key, &json!("x")).unwrap();
        }
    }
}
