//! Texts as tokens: tokenizers in the format `tokenizer.json` of Hugging Face, and their training.
//!
//! `tokenizer` loads and applies a tokenizer. `train` makes a new one from texts: `words` counts the words, `merges` learns
//! the vocabulary of word pieces and byte pairs, `unigram` that of a unigram model, and `layout` is the rest of the file.
//! The `tokenizers` crate reads the file, normalizes and splits texts, and trains unigram models.

mod layout;
mod merges;
#[cfg(test)]
mod tests;
mod tokenizer;
mod train;
mod unigram;
mod words;

pub use tokenizer::{Encoded, LARGEST_FILE, LONGEST_TEXT, Tokenizer};
pub use train::{Kind, TokenizerOptions, train};
