//! Numbers that may change from step to step: the weights and temperatures of losses.

use std::f64::consts::PI;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// A number, or a curve that gives the number at each optimizer step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scheduled {
    Constant(f64),
    Curve(Curve),
}

/// A number that changes with the optimizer step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Curve {
    /// Changes linearly from `from` to `to` over `steps` steps, then stays at `to`.
    Linear { from: f64, to: f64, steps: u64 },
    /// Follows half a cosine wave from `from` to `to` over `steps` steps, then stays at `to`.
    Cosine { from: f64, to: f64, steps: u64 },
    /// Starts at `from` and is multiplied by `factor` after every `every` steps.
    Step { from: f64, factor: f64, every: u64 },
}

impl Scheduled {
    /// 1 at every step.
    pub(crate) fn one() -> Scheduled {
        Scheduled::Constant(1.0)
    }

    /// The number at an optimizer step, counted from 0.
    pub fn at(&self, step: u64) -> f64 {
        let share = |steps: u64| step.min(steps) as f64 / steps as f64;
        match *self {
            Scheduled::Constant(value) => value,
            Scheduled::Curve(Curve::Linear { from, to, steps }) => from + (to - from) * share(steps),
            Scheduled::Curve(Curve::Cosine { from, to, steps }) => {
                to + (from - to) * 0.5 * (1.0 + (PI * share(steps)).cos())
            }
            Scheduled::Curve(Curve::Step { from, factor, every }) => {
                from * factor.powi(i32::try_from(step / every).unwrap_or(i32::MAX))
            }
        }
    }

    /// Whether it is above 0 at any step.
    pub fn ever_positive(&self) -> bool {
        match *self {
            Scheduled::Constant(value) => value > 0.0,
            Scheduled::Curve(Curve::Linear { from, to, .. } | Curve::Cosine { from, to, .. }) => from > 0.0 || to > 0.0,
            Scheduled::Curve(Curve::Step { from, .. }) => from > 0.0,
        }
    }

    /// Rejects a constant, or an end of a curve, that `allowed` rejects. The message contains `range`, the allowed
    /// range in words, and `path`, the path of the option.
    pub fn validate(&self, path: &str, range: &str, allowed: impl Fn(f64) -> bool) -> Result<()> {
        let check = |key: &str, value: f64| match value.is_finite() && allowed(value) {
            true => Ok(()),
            false => Err(Error::config(format!("{path}{key}"), format!("expected {range}, got {value}"))),
        };
        let positive = |key: &str, steps: u64| match steps {
            0 => Err(Error::config(format!("{path}{key}"), "expected at least 1 step, got 0")),
            _ => Ok(()),
        };
        match *self {
            Scheduled::Constant(value) => check("", value),
            Scheduled::Curve(Curve::Linear { from, to, steps }) => {
                check(".linear.from", from)?;
                check(".linear.to", to)?;
                positive(".linear.steps", steps)
            }
            Scheduled::Curve(Curve::Cosine { from, to, steps }) => {
                check(".cosine.from", from)?;
                check(".cosine.to", to)?;
                positive(".cosine.steps", steps)
            }
            Scheduled::Curve(Curve::Step { from, factor, every }) => {
                check(".step.from", from)?;
                if !(factor > 0.0 && factor <= 1.0) {
                    let message = format!("expected a number above 0 and at most 1, got {factor}");
                    return Err(Error::config(format!("{path}.step.factor"), message));
                }
                positive(".step.every", every)
            }
        }
    }
}

impl Serialize for Scheduled {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Scheduled::Constant(value) => value.serialize(serializer),
            Scheduled::Curve(curve) => curve.serialize(serializer),
        }
    }
}

/// By hand, because serde's `untagged` answers every mistake with "did not match any variant".
impl<'de> Deserialize<'de> for Scheduled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Scheduled;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a number or one of { linear }, { cosine }, { step }")
            }
            fn visit_f64<E>(self, value: f64) -> Result<Scheduled, E> {
                Ok(Scheduled::Constant(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Scheduled, E> {
                Ok(Scheduled::Constant(value as f64))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Scheduled, E> {
                Ok(Scheduled::Constant(value as f64))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Scheduled, A::Error> {
                Curve::deserialize(MapAccessDeserializer::new(map)).map(Scheduled::Curve)
            }
        }
        deserializer.deserialize_any(Seen)
    }
}

impl JsonSchema for Scheduled {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scheduled".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let curve = generator.subschema_for::<Curve>();
        json_schema!({
            "description": "A number, or a curve that gives the number at each optimizer step.",
            "anyOf": [{ "type": "number" }, curve]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Scheduled {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_number_and_each_curve_are_read_and_written() {
        for json in [
            "2.5",
            r#"{"linear":{"from":1.0,"to":4.0,"steps":10}}"#,
            r#"{"cosine":{"from":1.0,"to":0.0,"steps":4}}"#,
            r#"{"step":{"from":1.0,"factor":0.5,"every":3}}"#,
        ] {
            assert_eq!(serde_json::to_string(&read(json)).unwrap(), json);
        }
        assert!(serde_json::from_str::<Scheduled>(r#"{"linear":{"from":1,"to":2}}"#).is_err());
        assert!(serde_json::from_str::<Scheduled>(r#""fast""#).is_err());
    }

    #[test]
    fn curves_start_at_from_and_end_at_to() {
        let linear = read(r#"{"linear":{"from":1,"to":4,"steps":3}}"#);
        assert_eq!([0, 1, 3, 9].map(|step| linear.at(step)), [1.0, 2.0, 4.0, 4.0]);
        let cosine = read(r#"{"cosine":{"from":1,"to":0,"steps":2}}"#);
        assert_eq!((cosine.at(0), cosine.at(5)), (1.0, 0.0));
        assert!((cosine.at(1) - 0.5).abs() < 1e-15);
        let step = read(r#"{"step":{"from":8,"factor":0.5,"every":2}}"#);
        assert_eq!([0, 1, 2, 4].map(|at| step.at(at)), [8.0, 8.0, 4.0, 2.0]);
    }

    #[test]
    fn values_out_of_range_are_rejected_with_their_path() {
        let error = read(r#"{"linear":{"from":1,"to":-1,"steps":3}}"#)
            .validate("temperature", "a number above 0", |t| t > 0.0)
            .unwrap_err();
        assert_eq!(error.to_string(), "temperature.linear.to: expected a number above 0, got -1");
        assert!(read("1").validate("weight", "a number", |_| true).is_ok());
    }
}
