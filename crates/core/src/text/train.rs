//! Trains a new tokenizer from texts. Equal texts, in any order, and equal options give equal files.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::layout::CONTINUING;
use super::tokenizer::Tokenizer;
use super::words::{self, Words};
use super::{merges, unigram};
use crate::error::{Error, Result};

/// Largest vocabulary of a new tokenizer.
const LARGEST: usize = 1_000_000;
/// Most different characters of word pieces; words with a rarer character become `[UNK]`. BERT's number.
const CHARACTERS: usize = 1_000;

/// How a tokenizer divides words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TokenizerKind")]
pub enum Kind {
    /// Word pieces, as in BERT: lower case, without accents; a word with an unknown character becomes `[UNK]`.
    WordPiece,
    /// Byte pairs, as in RoBERTa: every text can be divided, and `decode` returns it unchanged.
    Bpe,
    /// A unigram model, as in XLM-RoBERTa: for languages with and without spaces; unknown characters become `<unk>`.
    Unigram,
}

/// The options of a new tokenizer.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenizerOptions {
    /// How words are divided.
    pub kind: Kind,
    /// The largest number of tokens, up to 1,000,000: five special tokens, the characters of the texts (for `bpe` the 256
    /// bytes), and learned tokens. Word pieces and byte pairs have fewer if no pair of tokens occurs twice.
    pub vocabulary: usize,
}

/// Trains a tokenizer from these texts on the threads of the current pool.
///
/// Errors: a vocabulary that is too small for the characters of the texts, or above 1,000,000; texts without a word.
pub fn train(options: &TokenizerOptions, texts: &[String]) -> Result<Tokenizer> {
    let TokenizerOptions { kind, vocabulary } = *options;
    if vocabulary > LARGEST {
        return Err(Error::config("vocabulary", format!("expected at most {LARGEST}, got {vocabulary}")));
    }
    let special = kind.special();
    let bare = kind.file(kind.model(&special.map(String::from), &[])).to_string();
    let splitter = tokenizers::Tokenizer::from_bytes(&bare).map_err(|error| Error::internal(error.to_string()))?;
    let words = words::count(&splitter, texts)?;
    if words.is_empty() {
        return Err(Error::data("texts", "expected at least one word in the texts, got none"));
    }
    let model = match kind {
        Kind::Unigram => unigram::learn(&words, &special, "<unk>", vocabulary)?,
        Kind::WordPiece | Kind::Bpe => {
            let mut tokens: Vec<String> = special.map(String::from).into();
            tokens.extend(if kind == Kind::Bpe { bytes() } else { characters(&words) });
            let needed = tokens.len();
            if vocabulary < needed {
                let what = if kind == Kind::Bpe { "bytes" } else { "characters of the texts" };
                let message = format!("expected at least {needed} (special tokens and {what}), got {vocabulary}");
                return Err(Error::config("vocabulary", message));
            }
            let prefix = (kind == Kind::WordPiece).then_some(CONTINUING);
            let learned = merges::learn(&words, tokens, prefix, vocabulary);
            kind.model(&learned.tokens, &learned.merges)
        }
    };
    Tokenizer::from_json(kind.file(model).to_string().as_bytes())
}

/// The characters that stand for the 256 bytes.
fn bytes() -> Vec<String> {
    let sorted: BTreeSet<char> = ByteLevel::alphabet().into_iter().collect();
    sorted.into_iter().map(String::from).collect()
}

/// The most frequent characters of the words, then those of them that occur inside a word, with the prefix.
fn characters(words: &Words) -> Vec<String> {
    let mut counts: BTreeMap<char, u64> = BTreeMap::new();
    for (word, count) in words {
        word.chars().for_each(|character| *counts.entry(character).or_default() += count);
    }
    let mut frequent: Vec<(char, u64)> = counts.into_iter().collect();
    // Stable: equally frequent characters stay in their own order.
    frequent.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let kept: BTreeSet<char> = frequent.iter().take(CHARACTERS).map(|(character, _)| *character).collect();
    let inside = words.keys().flat_map(|word| word.chars().skip(1)).filter(|character| kept.contains(character));
    let inside: BTreeSet<char> = inside.collect();
    let pieces = inside.iter().map(|character| format!("{CONTINUING}{character}"));
    kept.iter().copied().map(String::from).chain(pieces).collect()
}

#[cfg(test)]
pub(super) const KINDS: [Kind; 3] = [Kind::WordPiece, Kind::Bpe, Kind::Unigram];

#[cfg(test)]
pub(super) fn options(kind: Kind, vocabulary: usize) -> TokenizerOptions {
    TokenizerOptions { kind, vocabulary }
}
