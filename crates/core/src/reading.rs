//! Reads options from JSON: unknown keys and bad values are refused by path, in the manner of all errors here.

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::error::{Error, Result};

/// How deep options may be nested: a level of blocks in an architecture takes three.
const DEEPEST: usize = 64;

/// Reads options from JSON; the error's path leads to the key that is wrong. Floats keep their bits (serde_json's own
/// reader misses one in ten by the last bit) and a key that comes twice is refused.
pub fn parse<T: DeserializeOwned>(json: &str) -> Result<T> {
    let value = crate::json::parse(json, DEEPEST).map_err(|error| Error::config("", error.message))?;
    serde_path_to_error::deserialize(&value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        let name = name_alone(&value, error.path());
        Error::config(path, readable(&error.into_inner().to_string(), name))
    })
}

/// The text that stands where the path leads.
fn name_alone<'a>(value: &'a serde_json::Value, path: &serde_path_to_error::Path) -> Option<&'a str> {
    let found = path.iter().try_fold(value, |value, segment| match segment {
        Segment::Map { key } => value.get(key),
        Segment::Seq { index } => value.get(index),
        Segment::Enum { variant } => Some(value.get(variant).unwrap_or(value)),
        Segment::Unknown => None,
    });
    found.and_then(serde_json::Value::as_str)
}

/// serde's message in the form of ours. What the caller wrote stands before the last ", expected ", and may hold anything.
fn readable(text: &str, name: Option<&str>) -> String {
    if text.contains("expected newtype variant") {
        let name = name.unwrap_or("name");
        return format!("expected an object with the name as its key, {{ {name}: {{}} }}, got the name alone");
    }
    let parts = |rest: &str| {
        let (got, expected) = rest.rsplit_once(", expected ").unwrap_or((rest, "something else"));
        (got.replace('`', ""), expected.trim_start_matches("one of ").replace('`', ""))
    };
    if let Some((key, known)) = text.strip_prefix("unknown field ").map(parts) {
        return format!("unknown key {key}; the keys are {known}");
    }
    if let Some((name, known)) = text.strip_prefix("unknown variant ").map(parts) {
        return format!("expected one of {known}, got {name}");
    }
    if let Some(field) = text.strip_prefix("missing field ") {
        return format!("expected the key {}, got nothing", field.replace('`', ""));
    }
    let invalid = text.strip_prefix("invalid type: ").or_else(|| text.strip_prefix("invalid value: "));
    let Some((got, expected)) = invalid.map(parts) else { return text.to_string() };
    let expected = match expected.as_str() {
        "u64" | "usize" | "u32" | "u8" => "a whole number",
        "a sequence" => "a list",
        "f64" | "f32" => "a number",
        "map with a single key" => "an object with one key",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    let got = match got.as_str() {
        "map" => "an object",
        "sequence" => "a list",
        other => other,
    };
    format!("expected {expected}, got {got}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{CheckpointOptions, TrainOptions};
    use crate::random::Key;

    #[test]
    fn floats_keep_their_bits() {
        let key = Key::new(1).with("floats");
        for i in 0..1000 {
            let number = key.below(i, 1 << 53) as f64 / (1u64 << 53) as f64;
            assert_eq!(parse::<f64>(&number.to_string()).unwrap().to_bits(), number.to_bits());
        }
    }

    #[test]
    fn a_key_that_comes_twice_is_refused() {
        let error = parse::<CheckpointOptions>(r#"{"folder":"a","folder":"b"}"#).unwrap_err();
        assert!(error.message.contains("\"folder\" twice"), "{error}");
        assert_eq!(parse::<CheckpointOptions>(r#"{"folder":1}"#).unwrap_err().path, "folder");
    }

    #[test]
    fn what_is_refused_says_what_to_write() {
        let said = |options: &str| {
            let json = format!(r#"{{"losses":{{"crossEntropy":{{}}}},{options}}}"#);
            parse::<TrainOptions>(&json).unwrap_err().to_string()
        };
        let optimizer = said(r#""optimizer":"adam""#);
        assert!(optimizer.starts_with("optimizer") && optimizer.contains("{ adam: {} }"), "{optimizer}");
        assert_eq!(said(r#""batchSize":"32""#), "batchSize: expected a whole number, got string \"32\"");
        let error = parse::<crate::models::ModelOptions>(r#"{"mlp":[784,8,10]}"#).unwrap_err();
        assert_eq!(error.to_string(), "mlp: expected an object, such as { sizes: [784, 32, 10] }, got a list");
        let error = parse::<crate::models::ModelOptions>(r#"{"mlp":{"sizes":[784,"a"]}}"#).unwrap_err();
        assert_eq!(error.path, "mlp.sizes[1]");
    }

    #[test]
    fn each_of_serdes_messages_is_put_into_our_form() {
        let refused = |json: &str| parse::<CheckpointOptions>(json).unwrap_err().to_string();
        for (json, expected) in [
            (r#"{"folders":"a"}"#, "folders: unknown key folders; the keys are folder, every, keep, resume"),
            (
                r#"{"a, expected b":1}"#,
                "a, expected b: unknown key a, expected b; the keys are folder, every, keep, resume",
            ),
            (r#"{"keep":1}"#, "expected the key folder, got nothing"),
            (r#"{"folder":{}}"#, "folder: expected a string, got an object"),
            (
                r#"{"folder":"a","every":"1, expected 2"}"#,
                "every: expected a whole number, got string \"1, expected 2\"",
            ),
            (r#"{"folder":"a","keep":-1}"#, "keep: expected a whole number, got integer -1"),
            (r#"1"#, "expected an object, got integer 1"),
        ] {
            assert_eq!(refused(json), expected);
        }
        let said = |json: &str| parse::<crate::options::Keep>(json).unwrap_err().to_string();
        assert_eq!(said(r#""first, expected last""#), "expected one of last or best, got first, expected last");
    }
}
