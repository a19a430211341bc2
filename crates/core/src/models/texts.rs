//! The tokenizer of a model: with it, the inputs can be texts. It is part of the model's file.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Network;
use crate::blocks::copied;
use crate::checkpoint::{Array, ModelFile, Numbers};
use crate::error::{Code, Error, Result};
use crate::layers::LayerOptions;
use crate::reading::parse;
use crate::text::Tokenizer;

/// The tensor of the file that holds the bytes of `tokenizer.json`.
const TENSOR: &str = "tokenizer.json";

/// A tokenizer, and the longest text that a model takes.
#[derive(Clone)]
pub struct Texts {
    pub tokenizer: Arc<Tokenizer>,
    /// The largest number of tokens of a text, with special tokens; longer texts are truncated.
    pub max_tokens: Option<usize>,
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Texts {{ vocabulary: {}, max_tokens: {:?} }}", self.tokenizer.vocabulary(), self.max_tokens)
    }
}

/// The metadata of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stored {
    max_tokens: Option<usize>,
}

impl Network {
    /// The number of ids that the first layer knows, and the longest row in ids, if there is a limit; `None` if the inputs
    /// are not ids of any number.
    fn reads_tokens(&self) -> Option<(usize, Option<usize>)> {
        if self.architecture().input.ids() != Some(None) {
            return None;
        }
        match self.architecture().layers.first()? {
            LayerOptions::TokenEmbedding(layer) => Some((layer.vocabulary, layer.longest())),
            LayerOptions::Embedding(layer) => Some((layer.vocabulary, None)),
            _ => None,
        }
    }
}

impl Texts {
    /// Without `max_tokens`, texts are truncated to what the network takes.
    pub(super) fn new(network: &Network, tokenizer: Arc<Tokenizer>, max_tokens: Option<usize>) -> Result<Texts> {
        let Some((vocabulary, longest)) = network.reads_tokens() else {
            let message = "expected a model of ids of any number ({ ids: {} }) that begins with an embedding";
            return Err(Error::config("tokenizer", message));
        };
        if tokenizer.vocabulary() > vocabulary {
            let largest = tokenizer.vocabulary() - 1;
            let message = format!("expected ids below {vocabulary}, the vocabulary of the model, got {largest}");
            return Err(Error::config("tokenizer", message));
        }
        let least = tokenizer.special_tokens().max(1);
        let max_tokens = max_tokens.or(longest);
        if let Some(most) = max_tokens.filter(|most| *most < least || longest.is_some_and(|longest| *most > longest)) {
            let limit = longest.map_or(String::new(), |longest| format!(" and at most {longest}"));
            let message = format!("expected at least {least}{limit} tokens, got {most}");
            return Err(Error::config("maxTokens", message));
        }
        Ok(Texts { tokenizer, max_tokens })
    }

    /// Adds the tokenizer to a model's file.
    pub(super) fn write(&self, file: &mut ModelFile) -> Result<()> {
        let stored = serde_json::to_value(Stored { max_tokens: self.max_tokens });
        file.texts = stored.map_err(|error| Error::internal(error.to_string()))?;
        let bytes = copied(self.tokenizer.json().as_bytes());
        file.tensors.insert(TENSOR.into(), Array::new(vec![bytes.len()], Numbers::U8(bytes))?);
        Ok(())
    }

    /// Takes the tokenizer out of a model's file.
    pub(super) fn read(network: &Network, file: &mut ModelFile) -> Result<Option<Texts>> {
        if file.texts.is_null() {
            return Ok(None);
        }
        let invalid = |message: String| Error::new(Code::InvalidFile, TENSOR, message);
        let Stored { max_tokens } = parse(&file.texts.to_string())
            .map_err(|error| Error::new(Code::InvalidFile, error.path, error.message).at("texts"))?;
        let array = file.tensors.remove(TENSOR).ok_or_else(|| invalid("expected the tokenizer, got none".into()))?;
        let Numbers::U8(bytes) = array.numbers() else {
            return Err(invalid(format!("expected bytes, got {}", array.dtype().name())));
        };
        let tokenizer = Tokenizer::from_json(bytes).map_err(|error| invalid(error.message))?;
        let texts = Texts::new(network, Arc::new(tokenizer), max_tokens);
        texts.map(Some).map_err(|error| Error::new(Code::InvalidFile, error.path, error.message))
    }
}
