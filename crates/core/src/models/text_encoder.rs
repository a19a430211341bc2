//! Transformer encoder for texts: token vectors, blocks of self-attention and feed-forward layers, a pooled vector, and a
//! head.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::architecture::{IdsInput, IdsLength};
use super::{Architecture, Input};
use crate::error::{Error, Result};
use crate::layers::{
    Attention, ConstantInit, Dropout, Initializer, LayerInit, LayerNorm, LayerOptions, Linear, NormalInit, Normalize,
    Residual, TokenEmbedding, TokenPool, TokenPooling,
};
use crate::ops::activation::Activation;

/// Transformer encoder in the layout of BERT: normalization after each residual sum. Its layers are `embeddings`,
/// `embeddingNorm`, `blocks.0.attention`, `blocks.0.attentionNorm`, `blocks.0.feedForward`, `blocks.0.feedForwardNorm`, …,
/// `pool`, `pooler`, `normalize` and `head`. Its output is the pooled vector of each text, or the logits of `classes`.
///
/// Source: Devlin, Chang, Lee, Toutanova, "BERT", 2018, arXiv:1810.04805. Where we differ: tokens are not padded, and
/// dropout is not applied to attention weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TextEncoder {
    /// Number of different tokens; must be ≥ 1.
    pub vocabulary: usize,
    /// Width of the token vectors; must be a multiple of `heads`.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads per block.
    pub heads: usize,
    /// Width inside the feed-forward layers. Default: 4 · width.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner: Option<usize>,
    /// Number of position vectors: the longest text in tokens, plus `firstPosition`. Default 512.
    #[serde(default = "positions")]
    pub positions: usize,
    /// The position of the first token. Default 0; RoBERTa has 2.
    #[serde(default)]
    pub first_position: usize,
    /// Number of segment types. Default 0: none.
    #[serde(default)]
    pub types: usize,
    /// Activation inside the feed-forward layers. Default 'gelu'.
    #[serde(default = "gelu")]
    pub activation: Activation,
    /// Number added to the variance in layer normalization; must be > 0. Default 1e-12.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// Dropout after the embeddings, the attention, the feed-forward layers, and before the head; ≥ 0 and < 1.
    /// Default 0.1.
    #[serde(default = "dropout")]
    pub dropout: f64,
    /// How the vectors of a text's tokens become one. Default 'mean'.
    #[serde(default)]
    pub pooling: TokenPooling,
    /// Activation of a linear layer after the pooling, in the width of the tokens; BERT's pooler has 'tanh'. Default: no
    /// such layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooler: Option<Activation>,
    /// Whether the pooled vectors are scaled to length 1; not together with `classes`. Default false.
    #[serde(default)]
    pub normalize: bool,
    /// Number of outputs of a linear head. Default: no head; the output is the pooled vector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
}

fn positions() -> usize {
    512
}

fn gelu() -> Activation {
    Activation::Gelu
}

fn epsilon() -> f64 {
    1e-12
}

fn dropout() -> f64 {
    0.1
}

impl TextEncoder {
    pub(super) fn expand(self) -> Result<Architecture> {
        if self.normalize && self.classes.is_some() {
            return Err(Error::config("normalize", "expected false together with classes, got true"));
        }
        if self.classes == Some(0) {
            return Err(Error::config("classes", "expected a number above 0, got 0"));
        }
        let inner = self.inner.unwrap_or(self.width.saturating_mul(4));
        let mut layers = vec![
            LayerOptions::TokenEmbedding(TokenEmbedding {
                name: Some("embeddings".into()),
                vocabulary: self.vocabulary,
                width: self.width,
                positions: self.positions,
                first_position: self.first_position,
                types: self.types,
            }),
            self.norm("embeddingNorm"),
        ];
        layers.extend(self.dropped("embeddingDropout"));
        for block in 0..self.layers {
            let attention = LayerOptions::Attention(Attention {
                name: Some("self".into()),
                heads: self.heads,
                bias: true,
                causal: false,
            });
            let feed =
                [self.linear("inner", inner, self.activation), self.linear("outer", self.width, Activation::None)];
            layers.push(self.around(&format!("blocks.{block}.attention"), vec![attention]));
            layers.push(self.norm(&format!("blocks.{block}.attentionNorm")));
            layers.push(self.around(&format!("blocks.{block}.feedForward"), feed.into()));
            layers.push(self.norm(&format!("blocks.{block}.feedForwardNorm")));
        }
        layers.push(LayerOptions::TokenPool(TokenPool { name: Some("pool".into()), pooling: self.pooling }));
        layers.extend(self.pooler.map(|activation| self.linear("pooler", self.width, activation)));
        if self.normalize {
            layers.push(LayerOptions::Normalize(Normalize { name: Some("normalize".into()) }));
        }
        if let Some(classes) = self.classes {
            layers.extend(self.dropped("headDropout"));
            layers.push(self.linear("head", classes, Activation::None));
        }
        Ok(Architecture { input: Input::Ids(IdsInput { ids: IdsLength { length: None } }), layers })
    }

    fn norm(&self, name: &str) -> LayerOptions {
        LayerOptions::LayerNorm(LayerNorm { name: Some(name.into()), epsilon: self.epsilon, init: None })
    }

    /// Weights start as in BERT: normal with standard deviation 0.02; biases start at 0.
    fn linear(&self, name: &str, outputs: usize, activation: Activation) -> LayerOptions {
        let init = LayerInit {
            weight: Some(Initializer::Normal(NormalInit { std: 0.02 })),
            bias: Some(Initializer::Constant(ConstantInit { value: 0.0 })),
        };
        LayerOptions::Linear(Linear { name: Some(name.into()), outputs, bias: true, activation, init: Some(init) })
    }

    fn dropped(&self, name: &str) -> Option<LayerOptions> {
        let dropout = Dropout { name: Some(name.into()), rate: self.dropout };
        (self.dropout > 0.0).then_some(LayerOptions::Dropout(dropout))
    }

    /// A residual block around these layers, with dropout behind them.
    fn around(&self, name: &str, mut layers: Vec<LayerOptions>) -> LayerOptions {
        layers.extend(self.dropped("dropout"));
        LayerOptions::Residual(Residual {
            name: Some(name.into()),
            layers,
            shortcut: Vec::new(),
            activation: Activation::None,
        })
    }
}
