//! Reads options from JSON. Unknown keys and invalid values are errors with a path, in the form of all errors here.

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::error::{Error, Result};
use crate::keyed::Keyed;

/// Largest nesting depth of options; each level of blocks in an architecture takes three levels of JSON.
const DEEPEST: usize = 64;

/// What an option that chooses one of several kinds expects.
const ONE_KEY: &str = "an object with exactly one key";

/// Reads options from JSON; the path of an error leads to the invalid key. Floats keep their bits (serde_json's own
/// reader changes the last bit of one in ten), and duplicate keys are rejected.
pub fn parse<T: DeserializeOwned>(json: &str) -> Result<T> {
    let value = crate::json::parse(json, DEEPEST).map_err(|error| Error::config("", error.message))?;
    serde_path_to_error::deserialize(Keyed(&value)).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        let name = name_alone(&value, error.path());
        Error::config(path, readable(&error.into_inner().to_string(), name))
    })
}

/// The string at the end of the path, if there is one.
fn name_alone<'a>(value: &'a serde_json::Value, path: &serde_path_to_error::Path) -> Option<&'a str> {
    let found = path.iter().try_fold(value, |value, segment| match segment {
        Segment::Map { key } => value.get(key),
        Segment::Seq { index } => value.get(index),
        Segment::Enum { variant } => Some(value.get(variant).unwrap_or(value)),
        Segment::Unknown => None,
    });
    found.and_then(serde_json::Value::as_str)
}

/// Converts serde's message to the form of our errors. The part before the last ", expected " may quote any text of the
/// caller.
fn readable(text: &str, name: Option<&str>) -> String {
    if text.contains("expected newtype variant") {
        let name = name.unwrap_or("name");
        return format!("expected an object with the name as its key, {{ {name}: {{}} }}, got only the name");
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
        "u64" | "usize" => "an integer of at least 0",
        "u32" => "an integer from 0 to 2³² − 1",
        "u8" => "an integer from 0 to 255",
        "a sequence" => "a list",
        "f64" | "f32" => "a number",
        "map with a single key" => ONE_KEY,
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    let got = match got.as_str() {
        "map" if expected == ONE_KEY => "an object with none or several",
        "map" => "an object",
        "sequence" => "a list",
        other => {
            let kinds = ["integer ", "floating point ", "boolean ", "string "];
            kinds.into_iter().find_map(|kind| other.strip_prefix(kind)).unwrap_or(other)
        }
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
    fn a_duplicate_key_is_rejected() {
        let error = parse::<CheckpointOptions>(r#"{"folder":"a","folder":"b"}"#).unwrap_err();
        assert!(error.message.contains("\"folder\" twice"), "{error}");
        assert_eq!(parse::<CheckpointOptions>(r#"{"folder":1}"#).unwrap_err().path, "folder");
    }

    #[test]
    fn a_list_is_not_read_as_an_object_by_position() {
        let said = |json: &str| parse::<TrainOptions>(json).unwrap_err().to_string();
        assert_eq!(said("[]"), "expected an object, got a list");
        assert!(said(r#"{"losses":[]}"#).starts_with("losses: expected an object with one key per loss"));
        let nested = |json: &str| said(&format!(r#"{{"losses":{{"crossEntropy":{{}}}},{json}}}"#));
        assert_eq!(nested(r#""checkpoint":["runs"]"#), "checkpoint: expected an object, got a list");
        assert_eq!(nested(r#""optimizer":{"sgd":[0.1]}"#), "optimizer.sgd: expected an object, got a list");
    }

    #[test]
    fn messages_contain_the_expected_form() {
        let said = |options: &str| {
            let json = format!(r#"{{"losses":{{"crossEntropy":{{}}}},{options}}}"#);
            parse::<TrainOptions>(&json).unwrap_err().to_string()
        };
        let optimizer = said(r#""optimizer":"adam""#);
        assert!(optimizer.starts_with("optimizer") && optimizer.contains("{ adam: {} }"), "{optimizer}");
        assert_eq!(said(r#""batchSize":"32""#), "batchSize: expected an integer of at least 0, got \"32\"");
        let error = parse::<crate::models::ModelOptions>(r#"{"mlp":[784,8,10]}"#).unwrap_err();
        assert_eq!(error.to_string(), "mlp: expected an object, such as { sizes: [784, 32, 10] }, got a list");
        let error = parse::<crate::models::ModelOptions>(r#"{"mlp":{"sizes":[784,"a"]}}"#).unwrap_err();
        assert_eq!(error.path, "mlp.sizes[1]");
    }

    #[test]
    fn each_message_of_serde_is_converted_to_our_form() {
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
                "every: expected an integer of at least 0, got \"1, expected 2\"",
            ),
            (r#"{"folder":"a","keep":-1}"#, "keep: expected an integer of at least 0, got -1"),
            (r#"1"#, "expected an object, got 1"),
        ] {
            assert_eq!(refused(json), expected);
        }
        let said = |json: &str| parse::<crate::options::Keep>(json).unwrap_err().to_string();
        assert_eq!(said(r#""first, expected last""#), "expected one of last or best, got first, expected last");
    }
}
