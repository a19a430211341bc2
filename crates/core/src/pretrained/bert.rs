//! BERT, and the many models in its layout: MiniLM, bge, e5, gte.
//!
//! Source: transformers 5.24, `models/bert`. Where we differ: dropout is not applied to attention weights.

use super::config::Config;
use super::family::{Family, heads, layers, plain_encoder};
use super::rename::Rename::{self, Ignore, Move, Tie};
use crate::error::Result;
use crate::layers::TokenPooling;
use crate::models::TextEncoder;

pub(crate) struct Bert;

/// Names that RoBERTa has, too.
pub(super) const BODY: [Rename; 14] = [
    // Buffers of older versions.
    Ignore("embeddings.position_ids"),
    Ignore("embeddings.token_type_ids"),
    Move("embeddings.word_embeddings.weight", "embeddings.token"),
    Move("embeddings.position_embeddings.weight", "embeddings.position"),
    Move("embeddings.token_type_embeddings.weight", "embeddings.type"),
    Move("embeddings.LayerNorm", "embeddingNorm"),
    Move("encoder.layer.*.attention.self.query", "blocks.*.attention.self.query"),
    Move("encoder.layer.*.attention.self.key", "blocks.*.attention.self.key"),
    Move("encoder.layer.*.attention.self.value", "blocks.*.attention.self.value"),
    Move("encoder.layer.*.attention.output.dense", "blocks.*.attention.self.output"),
    Move("encoder.layer.*.attention.output.LayerNorm", "blocks.*.attentionNorm"),
    Move("encoder.layer.*.intermediate.dense", "blocks.*.feedForward.inner"),
    Move("encoder.layer.*.output.dense", "blocks.*.feedForward.outer"),
    Move("encoder.layer.*.output.LayerNorm", "blocks.*.feedForwardNorm"),
];

/// The encoder of a configuration with BERT's keys, whose first token has this position.
pub(super) fn encoder(config: &Config, first_position: usize, types: usize) -> Result<TextEncoder> {
    plain_encoder(config)?;
    let width = config.size("hidden_size")?;
    let positions = config.size("max_position_embeddings")?;
    if positions <= first_position {
        return Err(config.unfit("max_position_embeddings", &format!("a number above {first_position}")));
    }
    Ok(TextEncoder {
        vocabulary: config.size("vocab_size")?,
        width,
        layers: layers(config, "num_hidden_layers")?,
        heads: heads(config, "num_attention_heads", width)?,
        inner: Some(config.size("intermediate_size")?),
        positions,
        first_position,
        types: config.whole_or("type_vocab_size", types)?,
        activation: config.activation("hidden_act")?,
        epsilon: config.number_or("layer_norm_eps", 1e-12, 1e-20, 1.0)?,
        dropout: config.number_or("hidden_dropout_prob", 0.1, 0.0, 1.0)?,
        pooling: TokenPooling::Mean,
        pooler: None,
        normalize: false,
        classes: None,
    })
}

impl Family for Bert {
    fn types(&self) -> &'static [&'static str] {
        &["bert"]
    }

    fn class(&self) -> &'static str {
        "Bert"
    }

    fn prefix(&self) -> &'static str {
        "bert"
    }

    fn encoder(&self, config: &Config) -> Result<TextEncoder> {
        encoder(config, 0, 2)
    }

    fn body(&self) -> &'static [Rename] {
        &BODY
    }

    fn head(&self) -> &'static [Rename] {
        &[Move("pooler.dense", "pooler"), Move("classifier", "head")]
    }

    fn dropped(&self) -> &'static [Rename] {
        &[Ignore("pooler"), Tie("cls.predictions.decoder.weight", "embeddings.token"), Ignore("cls")]
    }
}
