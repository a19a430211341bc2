//! The parts of a new tokenizer, as JSON: everything except the learned vocabulary.
//!
//! | kind | like | text becomes | special tokens |
//! | --- | --- | --- | --- |
//! | word pieces | BERT, uncased | lower case without accents, split at spaces and punctuation | `[CLS]` text `[SEP]` |
//! | byte pairs | RoBERTa | bytes as characters, split into words with the space before them | `<s>` text `</s>` |
//! | unigram | XLM-RoBERTa | Unicode form NFKC, split at spaces, which become `▁` | `<s>` text `</s>` |

use serde_json::{Value, json};

use super::train::Kind;

/// The prefix of a word piece that does not begin a word.
pub(super) const CONTINUING: &str = "##";
/// BERT's limit: a longer word becomes `[UNK]`.
const LONGEST_WORD: usize = 100;

impl Kind {
    /// The special tokens; their ids are their positions.
    pub(super) fn special(self) -> [&'static str; 5] {
        match self {
            Kind::WordPiece => ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
            Kind::Bpe | Kind::Unigram => ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        }
    }

    /// The tokenizer with this model.
    pub(super) fn file(self, model: Value) -> Value {
        let special = self.special();
        let added = special.iter().enumerate().map(|(id, token)| {
            // The mask stands in place of a word, with the space before it.
            let lstrip = *token == "<mask>";
            json!({
                "id": id, "content": token, "single_word": false, "lstrip": lstrip, "rstrip": false,
                "normalized": false, "special": true,
            })
        });
        let (normalizer, split, decoder) = match self {
            Kind::WordPiece => (
                json!({
                    "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                    "strip_accents": null, "lowercase": true,
                }),
                json!({ "type": "BertPreTokenizer" }),
                json!({ "type": "WordPiece", "prefix": CONTINUING, "cleanup": true }),
            ),
            Kind::Bpe => {
                let bytes =
                    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
                (Value::Null, bytes.clone(), bytes)
            }
            Kind::Unigram => {
                let spaces =
                    json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true });
                let blanks = json!({ "type": "Replace", "pattern": { "Regex": "\\s+" }, "content": " " });
                let normalizer = json!({ "type": "Sequence", "normalizers": [{ "type": "NFKC" }, blanks] });
                (normalizer, spaces.clone(), spaces)
            }
        };
        let [begin, end] = match self {
            Kind::WordPiece => [2, 3],
            Kind::Bpe | Kind::Unigram => [0, 2],
        };
        let one = |at: usize, kind: usize| json!({ "SpecialToken": { "id": special[at], "type_id": kind } });
        let text = |name: &str, kind: usize| json!({ "Sequence": { "id": name, "type_id": kind } });
        let template = json!({
            "type": "TemplateProcessing",
            "single": [one(begin, 0), text("A", 0), one(end, 0)],
            "pair": [one(begin, 0), text("A", 0), one(end, 0), text("B", 1), one(end, 1)],
            "special_tokens": {
                special[begin]: { "id": special[begin], "ids": [begin], "tokens": [special[begin]] },
                special[end]: { "id": special[end], "ids": [end], "tokens": [special[end]] },
            },
        });
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added.collect::<Value>(),
            "normalizer": normalizer,
            "pre_tokenizer": split,
            "post_processor": template,
            "decoder": decoder,
            "model": model,
        })
    }

    /// The model of word pieces or byte pairs with these tokens, in the order of their ids.
    pub(super) fn model(self, tokens: &[String], merges: &[[u32; 2]]) -> Value {
        let vocabulary = tokens.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect::<Value>();
        match self {
            Kind::WordPiece => json!({
                "type": "WordPiece",
                "unk_token": "[UNK]",
                "continuing_subword_prefix": CONTINUING,
                "max_input_chars_per_word": LONGEST_WORD,
                "vocab": vocabulary,
            }),
            Kind::Bpe | Kind::Unigram => {
                let pair = |[first, second]: &[u32; 2]| json!([tokens[*first as usize], tokens[*second as usize]]);
                json!({
                    "type": "BPE",
                    "dropout": null,
                    "unk_token": null,
                    "continuing_subword_prefix": null,
                    "end_of_word_suffix": null,
                    "fuse_unk": false,
                    "byte_fallback": false,
                    "ignore_merges": false,
                    "vocab": vocabulary,
                    "merges": merges.iter().map(pair).collect::<Value>(),
                })
            }
        }
    }
}
