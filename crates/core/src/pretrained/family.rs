//! Families of models: each reads its configuration and has a table of the names of its tensors.
//!
//! To add one: `pretrained/<name>.rs`, its line in `families!`, and a folder of a small model with outputs of the original
//! library in `__test__/golden/folders`.

use serde_json::json;

use super::config::Config;
use super::rename::Rename;
use super::{bert, distilbert, roberta};
use crate::error::Result;
use crate::models::TextEncoder;
use crate::ops::activation::Activation;

pub(crate) trait Family: Sync {
    /// Values of `model_type`.
    fn types(&self) -> &'static [&'static str];

    /// The start of the names in `architectures` (`Bert` of `BertModel`), for configurations without `model_type`.
    fn class(&self) -> &'static str;

    /// An optional first part of the names of tensors: files of a model with a head have it.
    fn prefix(&self) -> &'static str;

    /// The encoder, without what follows it.
    fn encoder(&self, config: &Config) -> Result<TextEncoder>;

    /// Names of the encoder's tensors.
    fn body(&self) -> &'static [Rename];

    /// Names of the tensors of a head for classes: the layers `pooler` and `head`.
    fn head(&self) -> &'static [Rename];

    /// Names of tensors that only other heads need; they are dropped.
    fn dropped(&self) -> &'static [Rename];

    /// The activation of `pooler` in a head for classes.
    fn pooler(&self) -> Activation {
        Activation::Tanh
    }
}

macro_rules! families {
    ($($name:ident: $family:ident,)*) => {
        const FAMILIES: &[&dyn Family] = &[$(&$name::$family),*];
    };
}

families! {
    bert: Bert,
    distilbert: DistilBert,
    roberta: Roberta,
}

/// The family of a configuration.
pub(crate) fn find(config: &Config) -> Result<&'static dyn Family> {
    let wanted = config.text("model_type")?;
    let classes = config.architectures();
    let fits = |family: &&&'static dyn Family| match wanted {
        Some(name) => family.types().contains(&name),
        None => classes.iter().any(|class| {
            let rest = class.strip_prefix(family.class());
            rest.is_some_and(|rest| rest == "Model" || rest.starts_with("For"))
        }),
    };
    FAMILIES.iter().find(fits).copied().ok_or_else(|| {
        let known: Vec<&str> = FAMILIES.iter().flat_map(|family| family.types()).copied().collect();
        config.unfit("model_type", &format!("one of {}", known.join(", ")))
    })
}

/// Rejects what the original computes and `textEncoder` does not.
pub(crate) fn plain_encoder(config: &Config) -> Result<()> {
    for key in ["is_decoder", "add_cross_attention"] {
        config.expect(key, &json!(false))?;
    }
    config.expect("position_embedding_type", &json!("absolute"))?;
    config.expect("pruned_heads", &json!({}))?;
    match config.get("quantization_config") {
        None => Ok(()),
        Some(_) => Err(config.unfit("quantization_config", "weights that are not quantized")),
    }
}

/// The number of heads; it must divide the width.
pub(crate) fn heads(config: &Config, key: &str, width: usize) -> Result<usize> {
    let heads = config.size(key)?;
    if width.is_multiple_of(heads) {
        return Ok(heads);
    }
    Err(config.unfit(key, &format!("a number that divides the width {width}")))
}

/// The number of layers: at most 1,000, so that a configuration cannot claim endless memory.
pub(crate) fn layers(config: &Config, key: &str) -> Result<usize> {
    let layers = config.size(key)?;
    if layers <= 1_000 { Ok(layers) } else { Err(config.unfit(key, "at most 1000 layers")) }
}
