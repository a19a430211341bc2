//! Learns a unigram model: pieces with the logarithms of their probabilities.
//!
//! ```text
//! the text of a word: the pieces p₁ … pₙ that maximize Σ log P(pᵢ)
//! ```
//!
//! The trainer starts with all frequent substrings, estimates P by expectation maximization, and removes the pieces whose
//! removal costs the least likelihood, until the wanted number is left.
//!
//! Source: Kudo, "Subword Regularization", ACL 2018, arXiv:1804.10959; the trainer of the `tokenizers` crate. Where we
//! differ: nothing depends on the number of threads or on the order of hash tables. The trainer runs in one thread, its
//! words are sorted, and the characters without a probability, which it numbers in the order of a hash table, are numbered
//! in their own order. Probabilities are rounded to six decimals, which every reader of JSON reads exactly.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};
use tokenizers::AddedToken;
use tokenizers::models::unigram::{Unigram, UnigramTrainer};

use super::words::Words;
use crate::blocks;
use crate::error::{Code, Error, Result};

/// The trainer adds this to the score of each further character that has no probability.
const STEP: f64 = 0.0001;
/// Bytes of memory that the trainer needs for a character of the words.
const PER_CHARACTER: usize = 64;

/// The model with at most `size` pieces; the first ones are the special tokens, among them `unknown`.
pub(super) fn learn(words: &Words, special: &[&str], unknown: &str, size: usize) -> Result<Value> {
    let unknown_id = special.iter().position(|token| *token == unknown).unwrap_or_default();
    let characters = words.keys().flat_map(|word| word.chars()).collect::<BTreeSet<char>>().len();
    // The trainer needs a piece for each character, and one more.
    let least = special.len() + characters + 1;
    if size < least {
        let message = format!("expected at least {least} (special tokens and characters of the texts), got {size}");
        return Err(Error::config("vocabulary", message));
    }
    blocks::room(words.keys().map(|word| PER_CHARACTER * word.chars().count()).sum());
    let sorted = words.iter().map(|(word, count)| (word.clone(), u32::try_from(*count).unwrap_or(u32::MAX)));
    let sentences: Vec<(String, u32)> = sorted.collect();
    let pieces = alone(|| trained(sentences, special, unknown, size))??;
    let mut listed: Vec<Value> = special.iter().map(|token| json!([token, 0.0])).collect();
    listed.extend(ordered(pieces).into_iter().map(|(piece, score)| json!([piece, score])));
    Ok(json!({ "type": "Unigram", "unk_id": unknown_id, "vocab": listed, "byte_fallback": false }))
}

/// The learned pieces without the special tokens.
fn trained(sentences: Vec<(String, u32)>, special: &[&str], unknown: &str, size: usize) -> Result<Vec<(String, f64)>> {
    let failed = |error: String| Error::data("texts", format!("expected texts of words to learn from, got: {error}"));
    let trainer = UnigramTrainer::builder()
        .show_progress(false)
        .vocab_size(size as u32)
        .special_tokens(special.iter().map(|token| AddedToken::from(*token, true)).collect())
        .unk_token(Some(unknown.to_string()))
        .build();
    let trainer = trainer.map_err(|error| failed(error.to_string()))?;
    let mut model = Unigram::default();
    trainer.do_train(sentences, &mut model).map_err(|error| failed(error.to_string()))?;
    Ok(model.iter().skip(special.len()).cloned().collect())
}

/// Runs the trainer in one thread of its own, because its sums depend on the number of threads.
fn alone<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "limbeck-unigram".into()).build();
    let pool = pool.map_err(|error| {
        Error::new(Code::Busy, "", format!("expected the system to start a thread, got: {error}; try again later"))
    })?;
    catch_unwind(AssertUnwindSafe(|| pool.install(work))).map_err(|_| {
        Error::data("texts", "expected texts from which a unigram model can be learned, got others; use the kind bpe")
    })
}

/// The pieces from the most to the least probable, in an order that depends on nothing else.
fn ordered(mut pieces: Vec<(String, f64)>) -> Vec<(String, f64)> {
    let floor = pieces.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min);
    let mut ladder = BTreeSet::new();
    let mut above = 0.0;
    for _ in 0..pieces.len() {
        ladder.insert((floor + above).to_bits());
        above += STEP;
    }
    // The characters without a probability, and their scores, in increasing order.
    let numbered = |(piece, score): &(String, f64)| piece.chars().count() == 1 && ladder.contains(&score.to_bits());
    let (mut without, mut with): (Vec<_>, Vec<_>) = pieces.drain(..).partition(numbered);
    let mut scores: Vec<f64> = without.iter().map(|(_, score)| *score).collect();
    scores.sort_by(f64::total_cmp);
    without.sort_by(|(first, _), (second, _)| first.cmp(second));
    with.extend(without.into_iter().zip(scores).map(|((piece, _), score)| (piece, score)));
    for (_, score) in &mut with {
        *score = (*score * 1e6).round() / 1e6;
    }
    with.sort_by(|(a, first), (b, second)| second.total_cmp(first).then_with(|| a.cmp(b)));
    with
}
