//! RoBERTa and XLM-R: BERT's encoder, in which positions start behind the id of the padding.
//!
//! Source: transformers 5.24, `models/roberta` and `models/xlm_roberta`. Where we differ: dropout is not applied to
//! attention weights.

use super::bert;
use super::config::Config;
use super::family::Family;
use super::rename::Rename::{self, Ignore, Move, Tie};
use crate::error::Result;
use crate::models::TextEncoder;

pub(crate) struct Roberta;

impl Family for Roberta {
    fn types(&self) -> &'static [&'static str] {
        &["roberta", "xlm-roberta"]
    }

    fn class(&self) -> &'static str {
        "Roberta"
    }

    fn prefix(&self) -> &'static str {
        "roberta"
    }

    fn encoder(&self, config: &Config) -> Result<TextEncoder> {
        let padding = config.whole_or("pad_token_id", 1)?;
        bert::encoder(config, padding + 1, 2)
    }

    fn body(&self) -> &'static [Rename] {
        &bert::BODY
    }

    fn head(&self) -> &'static [Rename] {
        &[Move("classifier.dense", "pooler"), Move("classifier.out_proj", "head")]
    }

    fn dropped(&self) -> &'static [Rename] {
        &[Ignore("pooler"), Tie("lm_head.decoder.weight", "embeddings.token"), Ignore("lm_head")]
    }
}
