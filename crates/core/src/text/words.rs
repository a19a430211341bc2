//! Counts the words of texts, as a tokenizer normalizes and splits them.

use std::collections::{BTreeMap, HashMap};

use tokenizers::{NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

use super::tokenizer::LONGEST_TEXT;
use crate::error::{Error, Result};
use crate::{blocks, pool};

/// Texts per task. It does not depend on the number of threads.
const TEXTS: usize = 256;
/// Longest word in characters; a longer one counts as several words.
const LONGEST: usize = 256;

/// The number of times that each word occurs, sorted by word: the result does not depend on the order of the texts.
pub(super) type Words = BTreeMap<String, u64>;

pub(super) fn count(tokenizer: &tokenizers::Tokenizer, texts: &[String]) -> Result<Words> {
    let mut parts = blocks::empty::<Result<HashMap<String, u64>>>(texts.len().div_ceil(TEXTS));
    parts.extend(texts.chunks(TEXTS).map(|_| Ok(HashMap::new())));
    pool::pieces(&mut parts, 1, |index, part| {
        let chosen = &texts[index * TEXTS..texts.len().min((index + 1) * TEXTS)];
        part[0] = of_task(tokenizer, index * TEXTS, chosen);
    });
    let mut words = Words::new();
    for part in parts {
        for (word, count) in part? {
            *words.entry(word).or_default() += count;
        }
    }
    Ok(words)
}

fn of_task(tokenizer: &tokenizers::Tokenizer, first: usize, texts: &[String]) -> Result<HashMap<String, u64>> {
    let mut words: HashMap<String, u64> = HashMap::new();
    for (at, text) in texts.iter().enumerate() {
        let path = || format!("texts[{}]", first + at);
        if text.len() > LONGEST_TEXT {
            let message = format!("expected a text of at most {LONGEST_TEXT} bytes, got {}; split it", text.len());
            return Err(Error::data(path(), message));
        }
        let split = split(tokenizer, text);
        let split = split.map_err(|error| Error::data(path(), format!("expected a text of words, got: {error}")))?;
        for (word, ..) in split.get_splits(OffsetReferential::Normalized, OffsetType::None) {
            let mut rest = word;
            while !rest.is_empty() {
                let end = rest.char_indices().nth(LONGEST).map_or(rest.len(), |(at, _)| at);
                match words.get_mut(&rest[..end]) {
                    Some(count) => *count += 1,
                    None => _ = words.insert(rest[..end].to_string(), 1),
                }
                rest = &rest[end..];
            }
        }
    }
    Ok(words)
}

fn split(tokenizer: &tokenizers::Tokenizer, text: &str) -> tokenizers::Result<PreTokenizedString> {
    let mut normalized = NormalizedString::from(text);
    if let Some(normalizer) = tokenizer.get_normalizer() {
        normalizer.normalize(&mut normalized)?;
    }
    let mut split = PreTokenizedString::from(normalized);
    if let Some(splitter) = tokenizer.get_pre_tokenizer() {
        splitter.pre_tokenize(&mut split)?;
    }
    Ok(split)
}
