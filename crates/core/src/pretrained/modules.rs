//! The files that sentence-transformers adds to a folder: what becomes of the token vectors, the longest text, prompts.
//!
//! Source: sentence-transformers 6.2, `modules.json` and `1_Pooling/config.json`; both forms of their keys are read.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::config::Config;
use super::folder::Folder;
use crate::checkpoint::header::refuse;
use crate::error::{Error, Result};
use crate::layers::TokenPooling;

const MODULES: &str = "modules.json";
const PROMPTS: &str = "config_sentence_transformers.json";

/// Poolings by their names, and by the flags of older versions.
const POOLINGS: [(&str, &str, Option<TokenPooling>); 6] = [
    ("mean", "pooling_mode_mean_tokens", Some(TokenPooling::Mean)),
    ("cls", "pooling_mode_cls_token", Some(TokenPooling::First)),
    ("max", "pooling_mode_max_tokens", Some(TokenPooling::Max)),
    ("lasttoken", "pooling_mode_lasttoken", Some(TokenPooling::Last)),
    ("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", None),
    ("weightedmean", "pooling_mode_weightedmean_tokens", None),
];

/// The modules of a folder.
#[derive(Debug, PartialEq)]
pub(crate) struct Modules {
    /// The folder with the transformer's files, relative to the root; empty for the root.
    pub(crate) transformer: String,
    /// The pooling, and the width that it expects.
    pub(crate) pooling: Option<(TokenPooling, Option<usize>)>,
    /// Whether vectors are scaled to length 1.
    pub(crate) normalize: bool,
}

/// Texts that are put before inputs, and the name of the one that is used by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Prompts {
    pub(crate) all: BTreeMap<String, String>,
    pub(crate) default: Option<String>,
}

impl Modules {
    /// The modules of a folder; without `modules.json`, the transformer alone.
    pub(crate) fn read(folder: &Folder) -> Result<Modules> {
        let mut modules = Modules { transformer: String::new(), pooling: None, normalize: false };
        let Some(json) = folder.json(MODULES)? else { return Ok(modules) };
        let listed = list(&json).map_err(|error| error.at(&folder.shown(MODULES)))?;
        for (place, (kind, path)) in listed.iter().enumerate() {
            match (place, kind.as_str()) {
                (0, "Transformer") => modules.transformer = path.clone(),
                (1, "Pooling") => modules.pooling = Some(pooling(&folder.below(path)?)?),
                (2, "Normalize") => modules.normalize = true,
                _ => {
                    let message = format!(
                        "expected the modules Transformer, Pooling and Normalize in this order, got {kind} as module \
                         {place}, which limbeck does not support"
                    );
                    return Err(refuse(message).at(&folder.shown(MODULES)));
                }
            }
        }
        Ok(modules)
    }
}

/// Kind and folder of every module, in the order of their indices.
fn list(json: &Json) -> Result<Vec<(String, String)>> {
    let unfit = || refuse("expected a list of modules, each with idx, type and path, got something else");
    let mut found = Vec::new();
    for module in json.as_array().ok_or_else(unfit)? {
        let text = |key: &str| module.get(key).and_then(Json::as_str).ok_or_else(unfit);
        let index = module.get("idx").and_then(Json::as_u64).ok_or_else(unfit)?;
        // The modules that contain the classes changed between versions; the names of the classes did not.
        let kind = text("type")?.rsplit('.').next().unwrap_or_default();
        found.push((index, kind.chars().take(64).collect(), text("path")?.to_string()));
    }
    found.sort_by_key(|(index, _, _)| *index);
    Ok(found.into_iter().map(|(_, kind, path)| (kind, path)).collect())
}

/// The pooling of a folder such as `1_Pooling`, and the width that it expects.
fn pooling(folder: &Folder) -> Result<(TokenPooling, Option<usize>)> {
    let file = "config.json";
    let read = || {
        let json = folder.json(file)?.ok_or_else(|| refuse("expected the file, got none").at(&folder.shown(file)))?;
        read_pooling(&Config::new(json)?).map_err(|error| error.at(&folder.shown(file)))
    };
    read()
}

fn read_pooling(config: &Config) -> Result<(TokenPooling, Option<usize>)> {
    let key = "pooling_mode";
    let mut names: Vec<String> = Vec::new();
    match config.get(key) {
        Some(Json::String(name)) => names.push(name.clone()),
        Some(Json::Array(list)) if list.iter().all(Json::is_string) => {
            names.extend(list.iter().filter_map(Json::as_str).map(String::from));
        }
        Some(_) => return Err(config.unfit(key, "the name of a pooling")),
        None => {
            for (name, flag, _) in POOLINGS {
                if config.flag_or(flag, false)? {
                    names.push(name.into());
                }
            }
            // An unknown flag must not be taken for its absence.
            if let Some(other) = config
                .keys()
                .find(|other| other.starts_with("pooling_mode_") && POOLINGS.iter().all(|(_, flag, _)| flag != other))
            {
                return Err(config.unfit(other, "no pooling of this name"));
            }
        }
    }
    let [name] = names.as_slice() else {
        let got = if names.is_empty() { "none".into() } else { names.join(" and ") };
        return Err(refuse(format!("expected one pooling, got {got}; limbeck does not concatenate poolings")).at(key));
    };
    let found = POOLINGS.iter().find(|(known, _, _)| known == name).and_then(|(_, _, pooling)| *pooling);
    let pooling = found.ok_or_else(|| {
        refuse(format!("expected one of the poolings mean, cls, max, lasttoken, got {name:?}")).at(key)
    })?;
    let width = ["embedding_dimension", "word_embedding_dimension"].into_iter().find(|key| config.get(key).is_some());
    Ok((pooling, width.map(|key| config.size(key)).transpose()?))
}

/// The longest text in tokens that the folder states, and a note if its texts were lowercased before tokenization.
pub(crate) fn longest(folder: &Folder) -> Result<(Option<usize>, Option<String>)> {
    let name = "sentence_bert_config.json";
    if let Some(json) = folder.json(name)? {
        let read = || {
            let config = Config::new(json)?;
            let note = config.flag_or("do_lower_case", false)?.then(|| {
                format!(
                    "{name}: do_lower_case is true: the original lowercases texts before tokenization, limbeck does not"
                )
            });
            let length = config.get("max_seq_length").map(|_| config.size("max_seq_length")).transpose()?;
            Ok((length, note))
        };
        let (length, note) = read().map_err(|error: Error| error.at(&folder.shown(name)))?;
        if length.is_some() {
            return Ok((length, note));
        }
    }
    // Tokenizers without a limit have a very large number here.
    let json = folder.json("tokenizer_config.json")?;
    let length = json.as_ref().and_then(|json| json.get("model_max_length")).and_then(Json::as_u64);
    Ok((length.filter(|length| (1..1 << 31).contains(length)).map(|length| length as usize), None))
}

impl Prompts {
    pub(crate) fn read(folder: &Folder) -> Result<Prompts> {
        let Some(json) = folder.json(PROMPTS)? else { return Ok(Prompts::default()) };
        let config = Config::new(json).map_err(|error| error.at(&folder.shown(PROMPTS)))?;
        let mut prompts = Prompts::default();
        for (name, prompt) in config.get("prompts").and_then(Json::as_object).into_iter().flatten() {
            if let Some(prompt) = prompt.as_str().filter(|prompt| !prompt.is_empty()) {
                prompts.all.insert(name.clone(), prompt.into());
            }
        }
        let default = config.text("default_prompt_name").map_err(|error| error.at(&folder.shown(PROMPTS)))?;
        prompts.default = default.filter(|name| prompts.all.contains_key(*name)).map(String::from);
        Ok(prompts)
    }

    /// A sentence if the original puts a prompt before every text.
    pub(crate) fn note(&self) -> Option<String> {
        let name = self.default.as_ref()?;
        Some(format!("the original puts the prompt {name:?} before every text, limbeck does not"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(config: Json) -> Result<(TokenPooling, Option<usize>)> {
        read_pooling(&Config::new(config).unwrap())
    }

    #[test]
    fn both_forms_of_a_pooling_are_read() {
        for (config, want) in [
            (
                json!({ "word_embedding_dimension": 384, "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": false }),
                TokenPooling::Mean,
            ),
            (json!({ "word_embedding_dimension": 384, "pooling_mode_cls_token": true }), TokenPooling::First),
            (json!({ "embedding_dimension": 384, "pooling_mode": "cls", "include_prompt": true }), TokenPooling::First),
            (json!({ "embedding_dimension": 384, "pooling_mode": "lasttoken" }), TokenPooling::Last),
            (json!({ "embedding_dimension": 384, "pooling_mode": ["max"] }), TokenPooling::Max),
        ] {
            assert_eq!(read(config.clone()).unwrap(), (want, Some(384)), "{config}");
        }
    }

    #[test]
    fn a_pooling_that_limbeck_does_not_have_is_refused_by_name() {
        for (config, says) in [
            (json!({ "pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true }), "got mean and cls"),
            (json!({ "pooling_mode": ["mean", "max"] }), "got mean and max"),
            (json!({}), "pooling_mode: expected one pooling, got none"),
            (json!({ "pooling_mode": "weightedmean" }), "got \"weightedmean\""),
            (json!({ "pooling_mode_mean_sqrt_len_tokens": true }), "got \"mean_sqrt_len_tokens\""),
            (
                json!({ "pooling_mode_mean_tokens": true, "pooling_mode_new": true }),
                "pooling_mode_new: expected no pooling",
            ),
            (json!({ "pooling_mode": 1 }), "pooling_mode: expected the name of a pooling, got 1"),
        ] {
            let error = read(config.clone()).unwrap_err().to_string();
            assert!(error.contains(says), "{config}: {error}");
        }
    }

    #[test]
    fn modules_are_read_in_the_order_of_their_indices_and_others_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let module = |idx: u64, path: &str, kind: &str| json!({ "idx": idx, "name": idx.to_string(), "path": path, "type": kind });
        let write = |name: &str, json: &Json| std::fs::write(place.path().join(name), json.to_string()).unwrap();
        assert_eq!(Modules::read(&folder).unwrap().pooling, None);
        std::fs::create_dir(place.path().join("1_Pooling")).unwrap();
        write("1_Pooling/config.json", &json!({ "pooling_mode": "max" }));
        let (first, second) = (
            module(0, "", "sentence_transformers.base.modules.transformer.Transformer"),
            module(1, "1_Pooling", "sentence_transformers.models.Pooling"),
        );
        write(MODULES, &json!([second, first, module(2, "2_Normalize", "sentence_transformers.models.Normalize")]));
        let want = Modules { transformer: String::new(), pooling: Some((TokenPooling::Max, None)), normalize: true };
        assert_eq!(Modules::read(&folder).unwrap(), want);
        for (modules, says) in [
            (
                json!([first, second, module(2, "2_Dense", "sentence_transformers.models.Dense")]),
                "got Dense as module 2",
            ),
            (json!([second]), "got Pooling as module 0"),
            (json!([first, module(1, "../1_Pooling", "Pooling")]), "got \"../1_Pooling\""),
            (json!([first, module(1, "2_Pooling", "Pooling")]), "expected a folder"),
            (json!({}), "expected a list of modules"),
            (json!([{ "idx": 0 }]), "expected a list of modules"),
        ] {
            write(MODULES, &modules);
            let error = Modules::read(&folder).unwrap_err().to_string();
            assert!(error.contains(says), "{modules}: {error}");
        }
    }

    #[test]
    fn the_longest_text_is_that_of_sentence_transformers_or_of_the_tokenizer() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text).unwrap();
        assert_eq!(longest(&folder).unwrap(), (None, None));
        write("tokenizer_config.json", r#"{"model_max_length":1000000000000000019884624838656}"#);
        assert_eq!(longest(&folder).unwrap(), (None, None));
        write("tokenizer_config.json", r#"{"model_max_length":512}"#);
        assert_eq!(longest(&folder).unwrap(), (Some(512), None));
        write("sentence_bert_config.json", r#"{"max_seq_length":256,"do_lower_case":true}"#);
        let (length, note) = longest(&folder).unwrap();
        assert_eq!(length, Some(256));
        assert!(note.unwrap().contains("do_lower_case is true"));
        write("sentence_bert_config.json", r#"{"max_seq_length":null,"do_lower_case":false}"#);
        assert_eq!(longest(&folder).unwrap(), (Some(512), None));
        write("sentence_bert_config.json", r#"{"max_seq_length":"256"}"#);
        assert!(longest(&folder).unwrap_err().to_string().contains("max_seq_length: expected a whole number"));
    }

    #[test]
    fn prompts_are_returned() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        assert_eq!(Prompts::read(&folder).unwrap(), Prompts::default());
        let text = r#"{"prompts":{"query":"query: ","document":""},"default_prompt_name":"query"}"#;
        std::fs::write(place.path().join(PROMPTS), text).unwrap();
        let prompts = Prompts::read(&folder).unwrap();
        assert_eq!(prompts.all, BTreeMap::from([("query".to_string(), "query: ".to_string())]));
        assert_eq!(prompts.default.as_deref(), Some("query"));
    }
}
