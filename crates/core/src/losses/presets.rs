//! Presets: combinations of losses under one name, as their authors released them.
//!
//! ```text
//! tlkd2020:   CE(s(x_a), y) + 2 · triplet(τ(x_a), s(x_a), s(x_n)),   margin 5
//! tlkd2022:   KL(τ(x_a) ‖ s(x_a)) at temperature 1 + CE(s(x_a), y) + 2 · triplet,   margin 5
//! ```
//!
//! s are the student's logits, τ the teacher's; x_a is a row, y its label, x_n a row of another class. Source: Oki,
//! Abe, Miyao, Kurita, "Triplet Loss for Knowledge Distillation", IJCNN 2020, arXiv:2004.08116; releases 2020 and 2022
//! of its code. Where we differ: nowhere in the losses. The script of 2022 distils from a teacher that was never
//! trained; the proofs of a run report this.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::LossesOptions;

/// Name and losses of each preset.
fn presets() -> [(&'static str, Value); 2] {
    let triplet = json!({ "weight": 2, "margin": 5 });
    [
        ("tlkd2020", json!({ "crossEntropy": {}, "triplet": triplet })),
        ("tlkd2022", json!({ "kl": {}, "crossEntropy": {}, "triplet": triplet })),
    ]
}

/// The form in JSON: losses, or the name of a preset.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)] // the shape of the JSON, read by its schema alone
pub(crate) enum LossesOrPreset {
    Preset(Preset),
    Losses(Box<LossesOptions>),
}

/// Triplet loss for knowledge distillation as its authors released it. `tlkd2020` is cross-entropy and triplet loss;
/// `tlkd2022` adds `kl`.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)] // as above
pub(crate) enum Preset {
    Tlkd2020,
    Tlkd2022,
}

/// Reads losses, or expands a preset.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LossesOptions, D::Error> {
    struct Either;

    impl<'de> Visitor<'de> for Either {
        type Value = LossesOptions;

        fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
            let names = presets().map(|(name, _)| format!("'{name}'"));
            write!(formatter, "an object with one key per loss, or one of the presets {}", names.join(", "))
        }

        fn visit_str<E: Error>(self, name: &str) -> Result<LossesOptions, E> {
            let found = presets().into_iter().find(|(preset, _)| *preset == name);
            let (_, losses) = found.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(name), &self))?;
            serde_json::from_value(losses).map_err(E::custom)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LossesOptions, A::Error> {
            LossesOptions::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_any(Either)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::TrainOptions;
    use crate::reading::parse;

    #[test]
    fn presets_are_the_losses_that_were_released() {
        let read = |losses: Value| parse::<TrainOptions>(&json!({ "losses": losses }).to_string()).map(|o| o.losses);
        let as_json = |losses: Value| serde_json::to_value(read(losses).unwrap()).unwrap();
        let triplet = json!({ "weight": 2, "margin": 5 });
        let of_2020 = json!({ "crossEntropy": { "weight": 1 }, "triplet": triplet });
        assert_eq!(as_json(json!("tlkd2020")), as_json(of_2020));
        let of_2022 =
            json!({ "kl": { "weight": 1, "temperature": 1 }, "crossEntropy": { "weight": 1 }, "triplet": triplet });
        assert_eq!(as_json(json!("tlkd2022")), as_json(of_2022));
        let error = read(json!("tlkd2021")).unwrap_err();
        assert_eq!(error.path, "losses");
        assert!(error.message.contains("'tlkd2020', 'tlkd2022'") && error.message.contains("tlkd2021"), "{error}");
        // Paths inside an object are kept.
        let error = read(json!({ "kl": { "temperatur": 2 } })).unwrap_err();
        assert!(error.path.starts_with("losses.kl"), "{error}");
        // Every variant of the schema is a preset, and every preset a variant.
        let schema = serde_json::to_value(schemars::schema_for!(Preset)).unwrap();
        assert_eq!(schema["enum"], json!(presets().map(|(name, _)| name)));
    }
}
