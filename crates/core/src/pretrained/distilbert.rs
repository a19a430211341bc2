//! DistilBERT: BERT's encoder under other names, without segment types.
//!
//! Source: transformers 5.24, `models/distilbert`. Where we differ: dropout is not applied to attention weights.

use super::config::Config;
use super::family::{Family, heads, layers, plain_encoder};
use super::rename::Rename::{self, Ignore, Move, Tie};
use crate::error::Result;
use crate::layers::TokenPooling;
use crate::models::TextEncoder;
use crate::ops::activation::Activation;

pub(crate) struct DistilBert;

impl Family for DistilBert {
    fn types(&self) -> &'static [&'static str] {
        &["distilbert"]
    }

    fn class(&self) -> &'static str {
        "DistilBert"
    }

    fn prefix(&self) -> &'static str {
        "distilbert"
    }

    fn encoder(&self, config: &Config) -> Result<TextEncoder> {
        plain_encoder(config)?;
        let width = config.size("dim")?;
        Ok(TextEncoder {
            vocabulary: config.size("vocab_size")?,
            width,
            layers: layers(config, "n_layers")?,
            heads: heads(config, "n_heads", width)?,
            inner: Some(config.size("hidden_dim")?),
            positions: config.size("max_position_embeddings")?,
            first_position: 0,
            types: 0,
            activation: config.activation("activation")?,
            epsilon: 1e-12,
            dropout: config.number_or("dropout", 0.1, 0.0, 1.0)?,
            pooling: TokenPooling::Mean,
            pooler: None,
            normalize: false,
            classes: None,
        })
    }

    fn body(&self) -> &'static [Rename] {
        &[
            Ignore("embeddings.position_ids"),
            Move("embeddings.word_embeddings.weight", "embeddings.token"),
            Move("embeddings.position_embeddings.weight", "embeddings.position"),
            Move("embeddings.LayerNorm", "embeddingNorm"),
            Move("transformer.layer.*.attention.q_lin", "blocks.*.attention.self.query"),
            Move("transformer.layer.*.attention.k_lin", "blocks.*.attention.self.key"),
            Move("transformer.layer.*.attention.v_lin", "blocks.*.attention.self.value"),
            Move("transformer.layer.*.attention.out_lin", "blocks.*.attention.self.output"),
            Move("transformer.layer.*.sa_layer_norm", "blocks.*.attentionNorm"),
            Move("transformer.layer.*.ffn.lin1", "blocks.*.feedForward.inner"),
            Move("transformer.layer.*.ffn.lin2", "blocks.*.feedForward.outer"),
            Move("transformer.layer.*.output_layer_norm", "blocks.*.feedForwardNorm"),
        ]
    }

    fn head(&self) -> &'static [Rename] {
        &[Move("pre_classifier", "pooler"), Move("classifier", "head")]
    }

    fn dropped(&self) -> &'static [Rename] {
        &[
            Tie("vocab_projector.weight", "embeddings.token"),
            Ignore("vocab_projector"),
            Ignore("vocab_transform"),
            Ignore("vocab_layer_norm"),
        ]
    }

    fn pooler(&self) -> Activation {
        Activation::Relu
    }
}
