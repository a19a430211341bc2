//! Tokenizers: texts to ids of tokens and back.

use std::path::PathBuf;
use std::sync::Arc;

use limbeck_core::reading::parse;
use limbeck_core::text::{Encoded, Tokenizer, TokenizerOptions, train};
use napi::Env;
use napi::bindgen_prelude::{Object, ObjectFinalize, Uint32Array};
use napi_derive::napi;
use serde_json::json;

use crate::calls::call;
use crate::errors::{guarded, panic_point};
use crate::external::External;
use crate::made::{IntoObject, Made};
use crate::reply::Reply;

/// Cheap to share: calls that run keep the tokenizer.
#[napi(custom_finalize)]
pub struct NativeTokenizer {
    pub(crate) tokenizer: Arc<Tokenizer>,
    external: External,
}

/// The ids of the tokens of some texts.
#[napi(object)]
pub struct EncodedTexts {
    pub ids: Uint32Array,
    /// The ids of text `t` are `ids[offsets[t]] … ids[offsets[t + 1] - 1]`.
    pub offsets: Uint32Array,
    /// Number of texts that had more tokens than allowed.
    pub cut: u32,
}

impl From<Encoded> for EncodedTexts {
    fn from(Encoded { ids, offsets, cut }: Encoded) -> EncodedTexts {
        EncodedTexts { ids: Uint32Array::new(ids), offsets: Uint32Array::new(offsets), cut: cut as u32 }
    }
}

impl IntoObject for Tokenizer {
    type Class = NativeTokenizer;

    fn object(self, env: &Env) -> NativeTokenizer {
        NativeTokenizer::of(env, Arc::new(self))
    }
}

impl NativeTokenizer {
    pub(crate) fn of(env: &Env, tokenizer: Arc<Tokenizer>) -> NativeTokenizer {
        let external = External::new(env, tokenizer.bytes() as u64);
        NativeTokenizer { tokenizer, external }
    }
}

/// The limit as a number of tokens.
fn limit(most: Option<u32>) -> Option<usize> {
    most.map(|most| most as usize)
}

#[napi]
impl NativeTokenizer {
    /// Reads `tokenizer.json`; `path` is the file or its folder.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeTokenizer>")]
    pub fn load<'env>(env: &'env Env, path: String) -> napi::Result<Object<'env>> {
        let (reply, promise) = Reply::new(env)?;
        call(reply, move |_| Tokenizer::load(&PathBuf::from(path)).map(Made));
        Ok(promise)
    }

    #[napi(factory, catch_unwind)]
    pub fn from_json(env: &Env, json: String) -> napi::Result<NativeTokenizer> {
        guarded(|| {
            panic_point("tokenizer.from_json");
            Ok(NativeTokenizer::of(env, Arc::new(Tokenizer::from_json(json.as_bytes())?)))
        })
    }

    /// `json` is the kind and the size of the vocabulary.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeTokenizer>")]
    pub fn train<'env>(env: &'env Env, json: String, texts: Vec<String>) -> napi::Result<Object<'env>> {
        let options = guarded(|| parse::<TokenizerOptions>(&json))?;
        let (reply, promise) = Reply::new(env)?;
        call(reply, move |pool| pool.enter(|| train(&options, &texts)).map(Made));
        Ok(promise)
    }

    /// JSON: the vocabulary, the number of special tokens of a text, and the digest.
    #[napi(catch_unwind)]
    pub fn describe(&self) -> napi::Result<String> {
        guarded(|| {
            panic_point("tokenizer.describe");
            let tokenizer = &self.tokenizer;
            Ok(json!({
                "vocabulary": tokenizer.vocabulary(),
                "specialTokens": tokenizer.special_tokens(),
                "digest": tokenizer.digest(),
            })
            .to_string())
        })
    }

    /// The content of `tokenizer.json`.
    #[napi(catch_unwind)]
    pub fn json(&self) -> napi::Result<String> {
        guarded(|| Ok(self.tokenizer.json().to_string()))
    }

    #[napi(catch_unwind, ts_return_type = "Promise<EncodedTexts>")]
    pub fn encode<'env>(
        &self,
        env: &'env Env,
        texts: Vec<String>,
        max_tokens: Option<u32>,
    ) -> napi::Result<Object<'env>> {
        let tokenizer = self.tokenizer.clone();
        let (reply, promise) = Reply::new(env)?;
        call(reply, move |pool| pool.enter(|| tokenizer.encode(&texts, limit(max_tokens))).map(EncodedTexts::from));
        Ok(promise)
    }

    /// The same on the JavaScript thread.
    #[napi(catch_unwind)]
    pub fn encode_sync(&self, texts: Vec<String>, max_tokens: Option<u32>) -> napi::Result<EncodedTexts> {
        guarded(|| {
            panic_point("tokenizer.encode_sync");
            self.tokenizer.encode(&texts, limit(max_tokens)).map(EncodedTexts::from)
        })
    }

    #[napi(catch_unwind)]
    pub fn decode(&self, ids: Uint32Array) -> napi::Result<String> {
        guarded(|| {
            panic_point("tokenizer.decode");
            self.tokenizer.decode(&ids)
        })
    }
}

impl ObjectFinalize for NativeTokenizer {
    fn finalize(self, env: Env) -> napi::Result<()> {
        self.external.release(&env);
        Ok(())
    }
}
