//! Compares two configurations and finds the first key at which they differ.
//!
//! A run can only be resumed with its original configuration. In the comparison `4` and `4.0` are equal, a missing key
//! equals `null`, and the order of keys does not matter.

use std::fmt::Write;

use serde_json::Value;

use super::digest;
use crate::error::{Code, Error, Result};

/// A difference between two configurations: the path of the key, such as `losses.kl.temperature`, and both values.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub path: String,
    pub saved: String,
    pub given: String,
}

/// The first key at which `given` differs, in the order of `given`.
pub fn first_difference(saved: &Value, given: &Value) -> Option<Difference> {
    fn walk(saved: &Value, given: &Value, path: &str) -> Option<Difference> {
        let inner = |key: &str| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
        match (saved, given) {
            (Value::Object(a), Value::Object(b)) => {
                let null = Value::Null;
                let here = b.iter().map(|(key, value)| (key, a.get(key).unwrap_or(&null), value));
                let gone = a.iter().filter(|(key, _)| !b.contains_key(*key)).map(|(key, value)| (key, value, &null));
                here.chain(gone).find_map(|(key, a, b)| walk(a, b, &inner(key)))
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                a.iter().zip(b).enumerate().find_map(|(index, (a, b))| walk(a, b, &inner(&index.to_string())))
            }
            (a, b) if same(a, b) => None,
            (a, b) => Some(Difference { path: path.to_string(), saved: shown(a), given: shown(b) }),
        }
    }
    walk(saved, given, "")
}

/// Rejects another configuration; the error's path is the first key that differs.
pub fn expect_same(saved: &Value, given: &Value) -> Result<()> {
    match first_difference(saved, given) {
        None => Ok(()),
        Some(Difference { path, saved, given }) => {
            let message = format!(
                "expected {saved}, as at the start of the run, got {given}: resume with the same options, or start a new run in another folder"
            );
            Err(Error::new(Code::CheckpointMismatch, path, message))
        }
    }
}

/// SHA-256 of a canonical text, which is the same for equal configurations.
pub fn hash(config: &Value) -> String {
    let mut text = String::new();
    canonical(config, &mut text);
    digest::of(text.as_bytes())
}

fn same(a: &Value, b: &Value) -> bool {
    // Above 9e15 different integers can have the same float, so only equal integers count as equal.
    a == b || matches!((a.as_f64(), b.as_f64()), (Some(x), Some(y)) if x == y && whole(x).is_some())
}

/// The number as an integer, if it is one and floats of this size are exact.
fn whole(x: f64) -> Option<i64> {
    (x.fract() == 0.0 && x.abs() < 9e15).then_some(x as i64)
}

fn shown(value: &Value) -> String {
    let text = if value.is_null() { "nothing".to_string() } else { value.to_string() };
    if text.chars().count() <= 80 { text } else { text.chars().take(79).chain(['…']).collect() }
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().filter(|key| !map[*key].is_null()).collect();
            keys.sort();
            out.push('{');
            for key in keys {
                let _ = write!(out, "{}:", Value::from(key.as_str())); // writing to a String cannot fail
                canonical(&map[key], out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            for value in list {
                canonical(value, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Number(number) => {
            let _ = match number.as_f64().and_then(whole) {
                Some(integer) => write!(out, "{integer}"),
                None => write!(out, "{number}"),
            };
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_key_that_differs_is_named() {
        let saved = json!({ "seed": 1, "losses": { "kl": { "weight": 0.9, "temperature": 4 } }, "layers": [{ "a": 1 }, { "b": 2 }] });
        for (pointer, value, path, was, is) in [
            ("/losses/kl/temperature", json!(2), "losses.kl.temperature", "4", "2"),
            ("/losses/kl", json!(null), "losses.kl", r#"{"weight":0.9,"temperature":4}"#, "nothing"),
            ("/layers/1/b", json!("2"), "layers.1.b", "2", "\"2\""),
            ("/layers", json!([]), "layers", r#"[{"a":1},{"b":2}]"#, "[]"),
            ("/seed", json!(1.5), "seed", "1", "1.5"),
        ] {
            let mut given = saved.clone();
            *given.pointer_mut(pointer).unwrap() = value;
            let wanted = Difference { path: path.into(), saved: was.into(), given: is.into() };
            assert_eq!(first_difference(&saved, &given), Some(wanted));
            assert_ne!(hash(&saved), hash(&given), "{path}");
            let error = expect_same(&saved, &given).unwrap_err();
            assert_eq!((error.code, error.path.as_str()), (Code::CheckpointMismatch, path));
        }
    }

    #[test]
    fn added_and_removed_keys_differ() {
        let (more, less) = (json!({ "a": 1, "b": 2 }), json!({ "a": 1 }));
        assert_eq!(first_difference(&more, &less).unwrap().path, "b");
        assert_eq!(first_difference(&less, &more).unwrap().path, "b");
        assert_ne!(hash(&more), hash(&less));
    }

    #[test]
    fn order_of_keys_null_and_the_form_of_a_number_make_no_difference() {
        let a = json!({ "rate": 4, "size": 3.0, "none": null, "x": [1.0, 1e3] });
        let b = json!({ "x": [1, 1000], "size": 3, "rate": 4.0 });
        assert_eq!(first_difference(&a, &b), None);
        assert_eq!(hash(&a), hash(&b));
    }

    #[test]
    fn seeds_that_differ_only_past_the_precision_of_a_float_differ() {
        let (a, b) = (json!({ "seed": u64::MAX }), json!({ "seed": u64::MAX - 1 }));
        assert_eq!(first_difference(&a, &b).unwrap().path, "seed");
        assert_ne!(hash(&a), hash(&b));
    }

    #[test]
    fn long_values_are_cut() {
        let error = expect_same(&json!({ "x": "y".repeat(500) }), &json!({ "x": 1 })).unwrap_err();
        assert!(error.message.len() < 200 && error.message.contains('…'));
    }
}
