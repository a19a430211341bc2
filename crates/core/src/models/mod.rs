//! Models: a network is a list of layers and has no state; its parameters are separate data.
//!
//! Presets (`mlp`, `convNet`, `textEncoder`) expand to such a list. To add one: `models/<name>.rs` with its options and `expand`, and
//! its line in `presets!`.

mod architecture;
mod bytes;
mod conv_net;
mod file;
mod mlp;
mod model;
mod network;
mod summary;
#[cfg(test)]
mod tests;
mod text_encoder;
mod texts;

pub use architecture::{Architecture, Input};
pub use conv_net::ConvNet;
pub use mlp::Mlp;
pub(crate) use model::expect_finite;
pub use model::{Model, Prediction};
pub use network::{EMBEDDING, Network, Request};
pub use summary::{LayerSummary, Summary};
pub use text_encoder::TextEncoder;
pub use texts::Texts;

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Result};
use crate::layers::LayerOptions;

/// An example of a preset's options, for messages.
trait Example {
    const EXAMPLE: &'static str;
}

impl Example for Mlp {
    const EXAMPLE: &'static str = "{ sizes: [784, 32, 10] }";
}

impl Example for ConvNet {
    const EXAMPLE: &'static str = "{ input: [1, 28, 28], channels: [8, 16], classes: 10 }";
}

impl Example for TextEncoder {
    const EXAMPLE: &'static str = "{ vocabulary: 30_522, width: 384, layers: 6, heads: 12, classes: 3 }";
}

/// Reads a preset only from an object, because serde would also accept a list of the values in the order of the keys.
fn by_name<'de, D: Deserializer<'de>, T: Deserialize<'de> + Example>(from: D) -> Result<Option<T>, D::Error> {
    struct ByName<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de> + Example> Visitor<'de> for ByName<T> {
        type Value = Option<T>;

        fn expecting(&self, words: &mut fmt::Formatter) -> fmt::Result {
            write!(words, "an object, such as {}", T::EXAMPLE)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    from.deserialize_map(ByName(PhantomData))
}

macro_rules! presets {
    ($($(#[$meta:meta])* $field:ident $key:literal: $preset:ident,)*) => {
        /// The architecture of a model: either one preset, or `layers` together with `input`.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct ModelOptions {
            $($(#[$meta])* #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "by_name")]
            pub $field: Option<$preset>,)*
            /// The layers, from the input to the logits.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub layers: Option<Vec<LayerOptions>>,
            /// The form of one sample; required with `layers`, not allowed with a preset.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub input: Option<Input>,
        }

        impl ModelOptions {
            /// Names of the presets.
            pub const PRESETS: &'static [&'static str] = &[$($key),*];

            /// Converts the options to an architecture.
            pub fn expand(self) -> Result<Architecture> {
                let mut made: Vec<(&str, Architecture)> = Vec::new();
                $(if let Some(preset) = self.$field {
                    made.push(($key, preset.expand().map_err(|error| error.at($key))?));
                })*
                if !made.is_empty() && self.input.is_some() {
                    return Err(Error::config("input", "expected input only together with layers, got it with a preset"));
                }
                match (self.layers, self.input) {
                    (Some(layers), Some(input)) => made.push(("layers", Architecture { input, layers })),
                    (Some(_), None) => {
                        return Err(Error::config("input", "expected the shape of one sample, which is required with layers, got nothing"));
                    }
                    (None, _) => {}
                }
                let count = made.len();
                match made.pop() {
                    Some((_, architecture)) if count == 1 => Ok(architecture),
                    _ => Err(Error::config("", format!(
                        "expected exactly one of {} or layers with input, got {count}", Self::PRESETS.join(", ")
                    ))),
                }
            }
        }
    };
}

presets! {
    /// Fully connected layers with an activation between them.
    mlp "mlp": Mlp,
    /// Blocks of convolution, batch norm, relu and max pooling, followed by a linear layer.
    conv_net "convNet": ConvNet,
    /// Transformer encoder for texts: token vectors, blocks of self-attention, a pooled vector, and a head.
    text_encoder "textEncoder": TextEncoder,
}
