//! A tokenizer: texts to ids of tokens and back.
//!
//! ```text
//! text → normalized text → words → ids of tokens → the same with special tokens, such as [CLS] … [SEP]
//! ```
//!
//! Source: `tokenizer.json` of Hugging Face, read by the `tokenizers` crate. Where we differ: the truncation, the padding
//! and the dropout of the file are switched off, because a batch has no padding, the caller sets the largest number of
//! tokens, and equal texts always give equal ids.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;
use tokenizers::Encoding;
use tokenizers::models::ModelWrapper;

use crate::checkpoint::digest;
use crate::checkpoint::fs::{Disk, Fs};
use crate::error::{Code, Error, Result};
use crate::{blocks, json, pool};

/// Largest tokenizer file in bytes; the largest published ones have about 35 MB.
pub const LARGEST_FILE: usize = 128 << 20;
/// Largest text in bytes.
pub const LONGEST_TEXT: usize = 16 << 20;
/// Deepest nesting of a tokenizer file.
const DEEPEST: usize = 32;
/// Texts per task. It does not depend on the number of threads.
const TEXTS: usize = 64;
/// Bytes of memory that the crate needs for a byte of a text: the normalized text with its alignment, and the tokens.
const PER_BYTE: usize = 128;
/// Bytes of memory that the crate needs for a byte of the file.
const PER_FILE_BYTE: usize = 12;
/// From this size on, memory is requested before the crate allocates it.
const LARGE: usize = 64 << 10;

/// The ids of some texts, one text after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoded {
    pub ids: Vec<u32>,
    /// The ids of text `t` are `ids[offsets[t]..offsets[t + 1]]`. One entry more than there are texts; the first is 0.
    pub offsets: Vec<u32>,
    /// Number of texts that had more tokens than allowed, whose last tokens are missing.
    pub cut: usize,
}

/// A tokenizer. It does not change after it is made, so that threads can share it.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The file, without truncation, padding and dropout.
    text: String,
    vocabulary: usize,
    /// Special tokens that are added to every text.
    special: usize,
    /// Of `text`, computed when it is first needed.
    digest: OnceLock<String>,
}

/// The ids of the texts of one task, and the number of ids of each.
#[derive(Default)]
struct Part {
    ids: Vec<u32>,
    counts: Vec<usize>,
    cut: usize,
}

impl Tokenizer {
    /// Reads `tokenizer.json`; `path` is the file, or the folder that contains it. The path is in every error.
    pub fn load(path: &Path) -> Result<Tokenizer> {
        let path = if path.is_dir() { path.join("tokenizer.json") } else { path.to_path_buf() };
        let made = || Tokenizer::from_json(&read(&path)?);
        made().map_err(|error| error.at(&path.display().to_string()))
    }

    /// Reads the content of `tokenizer.json`.
    pub fn from_json(bytes: &[u8]) -> Result<Tokenizer> {
        check_size(bytes.len() as u64)?;
        let text = std::str::from_utf8(bytes)
            .map_err(|error| refused(format!("UTF-8, got another byte at {}", error.valid_up_to())))?;
        if json::depth(bytes) > DEEPEST {
            return Err(refused(format!("JSON at most {DEEPEST} levels deep, got more")));
        }
        blocks::room(bytes.len().saturating_mul(PER_FILE_BYTE));
        check_tables(text)?;
        let mut inner = whole(|| tokenizers::Tokenizer::from_bytes(bytes))?;
        let random = matches!(inner.get_model(), ModelWrapper::BPE(model) if model.dropout.is_some());
        let text = if random || inner.get_truncation().is_some() || inner.get_padding().is_some() {
            let plain = switched_off(text)?;
            inner = whole(|| tokenizers::Tokenizer::from_bytes(&plain))?;
            plain
        } else {
            text.to_string()
        };
        let added = whole(|| inner.post_process(Encoding::default(), None, true))?;
        let largest = inner.get_vocab(true).into_values().chain(added.get_ids().iter().copied()).max();
        let vocabulary = match largest {
            Some(u32::MAX) => return Err(refused(format!("ids below {}, got {}", u32::MAX, u32::MAX))),
            Some(largest) => largest as usize + 1,
            None => return Err(refused("a vocabulary of at least one token, got none".into())),
        };
        Ok(Tokenizer { special: added.len(), inner, text, vocabulary, digest: OnceLock::new() })
    }

    /// The content of `tokenizer.json`. Equal tokenizers can have different texts, but a text gives the same tokenizer.
    pub fn json(&self) -> &str {
        &self.text
    }

    /// One more than the largest id: the number of rows of an embedding for these tokens.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Number of special tokens that are added to every text.
    pub fn special_tokens(&self) -> usize {
        self.special
    }

    /// SHA-256 of the file without truncation, padding and dropout: 64 hexadecimal digits.
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| digest::of(self.text.as_bytes()))
    }

    /// Approximate memory in bytes.
    pub fn bytes(&self) -> usize {
        self.text.len().saturating_mul(PER_FILE_BYTE / 2)
    }

    /// The ids of the tokens of each text, with special tokens. Of a text with more than `max_tokens` tokens, the last
    /// ones are left out, but no special token. The texts are divided among the threads of the current pool.
    ///
    /// Errors: `maxTokens` below the number of special tokens, or 0; a text that is too long or gives no token.
    pub fn encode(&self, texts: &[String], max_tokens: Option<usize>) -> Result<Encoded> {
        let least = self.special.max(1);
        if let Some(most) = max_tokens.filter(|most| *most < least) {
            let message = format!("expected at least {least} (the special tokens of this tokenizer), got {most}");
            return Err(Error::config("maxTokens", message));
        }
        let most = max_tokens.unwrap_or(usize::MAX);
        let mut parts = blocks::empty::<Result<Part>>(texts.len().div_ceil(TEXTS));
        parts.extend(texts.chunks(TEXTS).map(|_| Ok(Part::default())));
        pool::pieces(&mut parts, 1, |index, part| {
            let chosen = &texts[index * TEXTS..texts.len().min((index + 1) * TEXTS)];
            part[0] = self.part(index * TEXTS, chosen, most);
        });
        let mut whole = blocks::empty(parts.len());
        for part in parts {
            whole.push(part?);
        }
        let count = whole.iter().map(|part| part.ids.len()).sum::<usize>();
        if count > u32::MAX as usize {
            let message = format!("expected texts of at most {} tokens in total, got {count}; set maxTokens", u32::MAX);
            return Err(Error::data("texts", message));
        }
        let mut encoded = Encoded { ids: blocks::empty(count), offsets: blocks::empty(texts.len() + 1), cut: 0 };
        encoded.offsets.push(0);
        for part in whole {
            let mut end = encoded.ids.len();
            encoded.ids.extend_from_slice(&part.ids);
            encoded.cut += part.cut;
            encoded.offsets.extend(part.counts.iter().map(|count| {
                end += count;
                end as u32
            }));
        }
        Ok(encoded)
    }

    /// The text of these ids, without special tokens.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        if let Some(at) = ids.iter().position(|id| *id as usize >= self.vocabulary) {
            let message = format!("expected an id below {} (the vocabulary), got {}", self.vocabulary, ids[at]);
            return Err(Error::data(format!("ids[{at}]"), message));
        }
        blocks::room(ids.len().saturating_mul(PER_BYTE));
        tried(|| self.inner.decode(ids, true))
            .map_err(|error| Error::data("ids", format!("expected ids that this tokenizer can decode, got: {error}")))
    }

    /// Encodes the texts of one task; `first` is the position of the first one.
    fn part(&self, first: usize, texts: &[String], most: usize) -> Result<Part> {
        let mut part = Part { ids: Vec::new(), counts: blocks::empty(texts.len()), cut: 0 };
        for (at, text) in texts.iter().enumerate() {
            let failed = |message: String| Error::data(format!("texts[{}]", first + at), message);
            if text.len() > LONGEST_TEXT {
                let message = format!("expected a text of at most {LONGEST_TEXT} bytes, got {}; split it", text.len());
                return Err(failed(message));
            }
            if text.len() >= LARGE {
                blocks::room(text.len().saturating_mul(PER_BYTE));
            }
            let encoding = tried(|| self.inner.encode_fast(text.as_str(), true))
                .map_err(|error| failed(format!("expected a text that this tokenizer can encode, got: {error}")))?;
            let (begin, excess) = (part.ids.len(), encoding.len().saturating_sub(most));
            blocks::reserve(&mut part.ids, encoding.len() - excess)?;
            part.ids.extend(kept(&encoding, excess));
            let count = part.ids.len() - begin;
            if count == 0 {
                return Err(failed("expected a text with at least one token, got none; remove this row".into()));
            }
            part.counts.push(count);
            part.cut += usize::from(excess > 0);
        }
        Ok(part)
    }
}

/// All ids of the special tokens, and the ids of the other tokens without the last `excess` ones.
fn kept(encoding: &Encoding, excess: usize) -> impl Iterator<Item = u32> {
    let ids = encoding.get_ids().iter().zip(encoding.get_special_tokens_mask());
    let other = encoding.get_special_tokens_mask().iter().filter(|special| **special == 0).count();
    let mut left = other.saturating_sub(excess);
    ids.filter_map(move |(id, special)| {
        let stays = *special != 0 || left > 0;
        left = left.saturating_sub(usize::from(*special == 0));
        stays.then_some(*id)
    })
}

/// The file with `truncation`, `padding` and the dropout of the model set to null.
fn switched_off(text: &str) -> Result<String> {
    let mut file = json::parse(text, DEEPEST)?;
    for key in ["truncation", "padding"] {
        if let Some(found) = file.get_mut(key) {
            *found = Value::Null;
        }
    }
    if let Some(dropout) = file.get_mut("model").and_then(|model| model.get_mut("dropout")) {
        *dropout = Value::Null;
    }
    Ok(file.to_string())
}

/// Runs a part of loading, whose failure means that the file is no tokenizer.
fn whole<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
    tried(work).map_err(|error| refused(format!("the tokenizer.json of a fast tokenizer, got: {error}")))
}

/// Calls the crate, which panics for some files whose parts contradict each other. Returns the text of the error.
fn tried<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(made) => made.map_err(|error| error.to_string()),
        Err(_) => Err("a tokenizer.json whose parts contradict each other".into()),
    }
}

/// Rejects a table of normalized characters that claims to be longer than it is: the crate allocates as much as the
/// table claims.
fn check_tables(text: &str) -> Result<()> {
    // An escaped key would not be found.
    if !text.contains("charsmap") && !text.contains("\\u") {
        return Ok(());
    }
    let file = json::parse(text, DEEPEST)?;
    let mut open = vec![&file];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(entries) => open.extend(entries),
            Value::Object(entries) => {
                open.extend(entries.values());
                let table = entries.get("precompiled_charsmap").and_then(Value::as_str);
                let claimed = table.map_or(Some(0), claimed_bytes);
                if claimed.is_none_or(|claimed| claimed > table.map_or(0, str::len)) {
                    return Err(refused("a whole table in precompiled_charsmap, got a part of one".into()));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The number in the first four bytes of a table in base 64.
fn claimed_bytes(table: &str) -> Option<usize> {
    let digits = table.as_bytes().get(..6)?;
    let value = |digit: &u8| match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let bits = digits.iter().try_fold(0u64, |bits, digit| Some((bits << 6) | u64::from(value(digit)?)))?;
    Some(((bits >> 4) as u32).swap_bytes() as usize)
}

fn refused(expected: String) -> Error {
    Error::new(Code::InvalidFile, "", format!("expected {expected}"))
}

fn check_size(size: u64) -> Result<()> {
    match size {
        0 => Err(refused("the content of a tokenizer.json, got no bytes".into())),
        size if size > LARGEST_FILE as u64 => Err(refused(format!("at most {LARGEST_FILE} bytes, got {size}"))),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let io = |error: std::io::Error| Error::new(Code::Io, "", format!("expected to read the file, got: {error}"));
    let opened = Disk.open(path).map_err(io)?;
    if let Some(other) = opened.other {
        return Err(refused(format!("a regular file, got {other}")));
    }
    check_size(opened.size)?;
    let mut bytes = blocks::empty(opened.size as usize);
    // The file may have grown since its size was checked.
    opened.source.take(opened.size).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}
