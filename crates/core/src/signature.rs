//! Signatures of data and models: names of columns and classes, and the scaling of bytes.
//!
//! If two signatures have the same names in different orders, data are reordered; different names are rejected. Unknown
//! parts are not compared.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The scaling of a byte to a number: `scale · byte + offset`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bytes {
    /// Multiplies the byte; not 0.
    pub scale: f32,
    /// Added to the product.
    pub offset: f32,
}

/// The signature of data or a model; `None` for unknown parts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Signature {
    /// One name per input column.
    pub input_names: Option<Vec<String>>,
    /// One name per class.
    pub label_names: Option<Vec<String>>,
    /// How bytes are read.
    pub bytes: Option<Bytes>,
}

impl Bytes {
    pub fn validate(&self) -> Result<()> {
        if !self.scale.is_finite() || self.scale == 0.0 {
            return Err(Error::config("scale", format!("expected a finite number other than 0, got {}", self.scale)));
        }
        if !self.offset.is_finite() {
            return Err(Error::config("offset", format!("expected a finite number, got {}", self.offset)));
        }
        Ok(())
    }
}

impl Signature {
    /// This signature, with unknown parts taken from `other`.
    #[must_use]
    pub fn or(self, other: &Signature) -> Signature {
        Signature {
            input_names: self.input_names.or_else(|| other.input_names.clone()),
            label_names: self.label_names.or_else(|| other.label_names.clone()),
            bytes: self.bytes.or(other.bytes),
        }
    }

    /// Rejects a model at `path` whose inputs or outputs are in another order than those of `self`, the signature of
    /// `whose`.
    pub fn expect_alike(&self, other: &Signature, path: &str, whose: &str) -> Result<()> {
        for (key, own, theirs) in [
            ("inputNames", &self.input_names, &other.input_names),
            ("labelNames", &self.label_names, &other.label_names),
        ] {
            if order(path, key, own.as_deref(), theirs.as_deref())?.is_some() {
                let (own, theirs) = (listed(own.iter().flatten()), listed(theirs.iter().flatten()));
                let message = format!(
                    "expected the order of {whose}, {own}, got {theirs}: create one of them with the {key} of the other"
                );
                return Err(Error::config(below(path, key), message));
            }
        }
        same_bytes(path, self.bytes, other.bytes)
    }
}

/// Rejects bytes with another scaling than that of a model's training.
pub(crate) fn same_bytes(path: &str, wanted: Option<Bytes>, got: Option<Bytes>) -> Result<()> {
    match (wanted, got) {
        (Some(wanted), Some(got)) if wanted != got => {
            let message = format!(
                "expected bytes read as {} · byte + {}, as the model was trained, got {} · byte + {}: create the data set \
                 with this scale and offset",
                wanted.scale, wanted.offset, got.scale, got.offset
            );
            Err(Error::data(below(path, "scale"), message))
        }
        _ => Ok(()),
    }
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}

/// The index in `got` of each of the `wanted` names; `None` if the order is the same.
pub(crate) fn order(
    path: &str,
    key: &str,
    wanted: Option<&[String]>,
    got: Option<&[String]>,
) -> Result<Option<Vec<usize>>> {
    let (Some(wanted), Some(got)) = (wanted, got) else { return Ok(None) };
    if wanted == got {
        return Ok(None);
    }
    let places: Vec<_> = wanted.iter().map(|name| got.iter().position(|other| other == name)).collect();
    if wanted.len() == got.len() && places.iter().all(Option::is_some) {
        return Ok(Some(places.into_iter().flatten().collect()));
    }
    let what = if key == "inputNames" { "columns" } else { "classes" };
    let message = format!("expected the {what} {}, got {}{}", listed(wanted), listed(got), apart(wanted, got));
    Err(Error::data(below(path, key), message))
}

/// The index in `wanted` of each name in `got`; some wanted names may not occur.
pub(crate) fn places(path: &str, wanted: &[String], got: &[String]) -> Result<Vec<u32>> {
    let place = |name: &String| wanted.iter().position(|other| other == name).map(|place| place as u32);
    got.iter().map(place).collect::<Option<Vec<_>>>().ok_or_else(|| {
        let message = format!("expected the classes {}, got {}{}", listed(wanted), listed(got), apart(wanted, got));
        Error::data(below(path, "labelNames"), message)
    })
}

/// The names that only one of the two lists contains, for a message.
fn apart(wanted: &[String], got: &[String]) -> String {
    let only = |a: &[String], b: &[String]| listed(a.iter().filter(|name| !b.contains(name)));
    let (missing, extra) = (only(wanted, got), only(got, wanted));
    match (missing.is_empty(), extra.is_empty()) {
        (false, false) => format!(": {missing} missing, {extra} not known"),
        (false, true) => format!(": {missing} missing"),
        (true, _) => format!(": {extra} not known"),
    }
}

/// Names for a message; only the first twelve if there are more.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    const MOST: usize = 12;
    let mut names = names.into_iter().map(|name| name.chars().take(40).collect::<String>());
    let first: Vec<String> = names.by_ref().take(MOST).collect();
    let rest = names.count();
    if rest > 0 { format!("{} and {rest} more", first.join(", ")) } else { first.join(", ") }
}

/// Rejects names that occur twice.
pub(crate) fn different(path: &str, names: &[String]) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    match names.iter().position(|name| !seen.insert(name)) {
        Some(at) => {
            let name = listed([&names[at]]);
            Err(Error::config(
                format!("{path}[{at}]"),
                format!("expected names that are all different, got {name} twice"),
            ))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(' ').map(String::from).collect()
    }

    #[test]
    fn two_orders_of_the_same_names_are_matched() {
        let order = |wanted: &str, got: &str| order("data", "inputNames", Some(&names(wanted)), Some(&names(got)));
        assert_eq!(order("a b c", "a b c").unwrap(), None);
        assert_eq!(order("a b c", "c a b").unwrap(), Some(vec![1, 2, 0]));
        let message = order("a b", "a d e").unwrap_err().to_string();
        assert_eq!(message, "data.inputNames: expected the columns a, b, got a, d, e: b missing, d, e not known");
        assert_eq!(super::order("x", "inputNames", None, Some(&names("a"))).unwrap(), None);
    }

    #[test]
    fn a_part_of_the_classes_is_matched_and_unknown_classes_are_rejected() {
        assert_eq!(places("data", &names("a b c"), &names("c a")).unwrap(), [2, 0]);
        assert!(places("data", &names("a b c"), &names("c x")).unwrap_err().message.ends_with("x not known"));
    }

    #[test]
    fn a_model_with_another_order_or_scaling_is_rejected_with_a_remedy() {
        let of = |labels: &str, scale| Signature {
            label_names: Some(names(labels)),
            bytes: Some(Bytes { scale, offset: 0.0 }),
            ..Signature::default()
        };
        let refused = |other: &Signature| of("a b", 1.0).expect_alike(other, "teacher", "the student").unwrap_err();
        assert_eq!(
            refused(&of("b a", 1.0)).to_string(),
            "teacher.labelNames: expected the order of the student, a, b, got b, a: create one of them with the labelNames of the other"
        );
        assert_eq!(refused(&of("a b", 2.0)).path, "teacher.scale");
        assert!(of("a b", 1.0).expect_alike(&Signature::default(), "teacher", "the student").is_ok());
    }
}
