//! Reads models from folders of Hugging Face.
//!
//! ```text
//! modules.json ─► Modules ──────────┐
//! config.json ─► family ─► TextEncoder ─► Network ─► names and shapes ─┐
//! safetensors ─► headers ─► names of the family ─► Assignment ─────────┴─► numbers ─► Model
//! ```
//!
//! `folder` opens files and rejects names that lead out of the folder; `tensors` reads the headers of all safetensors files
//! before any number; `family` has one file per family, which reads `config.json` and has a table of names for `rename`;
//! `assignment` compares both sides; `modules` and `labels` read what follows the encoder. No tensor is dropped or drawn
//! without being listed.

mod assignment;
mod bert;
mod config;
mod distilbert;
mod family;
mod folder;
mod labels;
mod modules;
mod rename;
mod roberta;
mod tensors;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::checkpoint::ModelFile;
use crate::checkpoint::header::refuse;
use crate::error::{Error, Result};
use crate::labels::LabelKind;
use crate::layers::TokenPooling;
use crate::models::{Model, ModelOptions, Network, TextEncoder};
use crate::signature;
use crate::text::{LARGEST_FILE, Tokenizer};
use assignment::{Assignment, absent};
use config::Config;
use family::Family;
use folder::Folder;
use labels::Classes;
use modules::{Modules, Prompts};
use rename::Rename;
use tensors::Tensors;

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";

/// Options for reading a folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PretrainedOptions {
    /// Blocks to keep, counted from 0, in this order: `[0, 2, 4]` makes a student with three of them. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<usize>>,
    /// Number of classes of the model. If the folder has no head for as many classes, the model gets a new linear head on
    /// the pooled vector, drawn from the seed. Default: the head of the folder, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// How token vectors are pooled if the model has no head from the folder. Default: as the folder states, or 'mean'.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pooling: Option<TokenPooling>,
    /// Whether pooled vectors are scaled to length 1; not together with a head. Default: as the folder states.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalize: Option<bool>,
    /// Whether tensors that the model does not need are accepted and listed. Default false: they are refused, except those
    /// of heads for pre-training.
    pub allow_unused: bool,
    /// Whether tensors that the folder does not contain are drawn from the seed and listed. Default false: they are
    /// refused.
    pub allow_missing: bool,
    /// Seed of tensors that are drawn. Default 0.
    pub seed: u64,
}

/// A model from a folder, and what was found there.
#[derive(Clone)]
pub struct Pretrained {
    /// With the tokenizer of `tokenizer.json`, if the folder has it.
    pub model: Model,
    /// The longest text in tokens, special tokens included.
    pub max_tokens: usize,
    /// Names of the folder's tensors that are not in the model.
    pub unused: Vec<String>,
    /// Names of the model's tensors that were drawn from the seed.
    pub missing: Vec<String>,
    /// Names of the folder's tensors that were stored in half precision and are f32 now.
    pub converted: Vec<String>,
    /// Texts to put before inputs, by their names (`query`): the original adds them, limbeck does not.
    pub prompts: BTreeMap<String, String>,
    /// What differs from the original, in sentences.
    pub notes: Vec<String>,
}

impl Pretrained {
    /// Reads a folder with `config.json` and safetensors files. Everything is checked before memory for the numbers is
    /// allocated.
    pub fn read(path: &Path, options: &PretrainedOptions) -> Result<Pretrained> {
        let root = Folder::open(path)?;
        let (modules, prompts) = (Modules::read(&root)?, Prompts::read(&root)?);
        let folder = match modules.transformer.as_str() {
            "" => root.clone(),
            name => root.below(name)?,
        };
        let (longest, lowercased) = modules::longest(&folder)?;
        let Described { family, mut encoder, classes } = described(&folder)?;
        let tensors = Tensors::open(&folder)?;

        let head = Head::choose(classes, options)?;
        let rules = head.rules(family);
        let mut assignment = Assignment::new(&tensors, &rules, family.prefix())?;
        let blocks = chosen_blocks(options, encoder.layers)?;
        assignment.keep_blocks(&blocks, encoder.layers);
        encoder.layers = blocks.len();
        let widened = widen_vocabulary(&mut encoder, &assignment, &tensors);
        let completed = head.complete(&mut encoder, family, &modules, options);
        completed.map_err(|error| error.at(&root.shown("modules.json")))?;
        let max_tokens = encoder.positions - encoder.first_position;
        let tokenizer = tokenizer_of(&folder, encoder.vocabulary)?;

        let network = network_of(encoder).map_err(|error| error.at(&folder.shown(CONFIG)))?;
        let missing = assignment.fit(network.specs(), &tensors, options.allow_unused)?;
        let refused: Vec<String> = missing.iter().filter(|name| !head.draws(name)).cloned().collect();
        if !refused.is_empty() && !options.allow_missing {
            return Err(absent(&refused, &rules, &blocks).at(&path.display().to_string()));
        }

        let (names, unnamed) = head.names();
        let mut file = ModelFile { tensors: tensors.read(&assignment.by_file())?, ..ModelFile::default() };
        file.tensors.extend(network.initialize_only(options.seed, &missing)?.snapshot()?);
        file.label_names = names;
        file.provenance = json!({
            "pretrained": { "family": family.types()[0], "layers": options.layers },
            "labels": head.several().then_some(LabelKind::Several.name()),
        });
        let mut model = Model::from_tensors(network.architecture().clone(), file)
            .map_err(|error| error.at(&path.display().to_string()))?;
        let max_tokens = longest.map_or(max_tokens, |longest| longest.min(max_tokens));
        if let Some(tokenizer) = &tokenizer {
            let set = model.set_tokenizer(tokenizer.clone(), Some(max_tokens));
            set.map_err(|error| error.at(&path.display().to_string()))?;
        }
        let notes = [widened, lowercased, unnamed, prompts.note()];
        Ok(Pretrained {
            model,
            max_tokens,
            converted: assignment.halves(&tensors),
            unused: assignment.unused,
            missing,
            prompts: prompts.all,
            notes: notes.into_iter().flatten().collect(),
        })
    }
}

impl Pretrained {
    /// The model, with what was found in the folder in its provenance, under `pretrained`.
    pub fn described(self) -> Model {
        let mut model = self.model;
        let found = json!({
            "maxTokens": self.max_tokens,
            "unused": self.unused,
            "missing": self.missing,
            "converted": self.converted.len(),
            "prompts": self.prompts,
            "notes": self.notes,
        });
        if let (Some(pretrained), Json::Object(found)) = (model.provenance["pretrained"].as_object_mut(), found) {
            pretrained.extend(found);
        }
        model
    }
}

/// The network of an encoder whose options come from a file.
fn network_of(encoder: TextEncoder) -> Result<Network> {
    let architecture = ModelOptions { text_encoder: Some(encoder), ..ModelOptions::default() }.expand();
    architecture.and_then(Network::new).map_err(|error| refuse(error.to_string()))
}

/// What `config.json` describes.
struct Described {
    family: &'static dyn Family,
    encoder: TextEncoder,
    /// The classes, if the stored model is a classifier of texts.
    classes: Option<Classes>,
}

fn described(folder: &Folder) -> Result<Described> {
    let json = folder.json(CONFIG)?;
    let read = || {
        let config = Config::new(json.ok_or_else(|| refuse("expected the file, got none"))?)?;
        let family = family::find(&config)?;
        let classifies = config.architectures().iter().any(|name| name.ends_with("ForSequenceClassification"));
        let classes = if classifies { Some(Classes::read(&config)?) } else { None };
        Ok(Described { family, encoder: family.encoder(&config)?, classes })
    };
    read().map_err(|error: Error| error.at(&folder.shown(CONFIG)))
}

/// The tokenizer of a folder. It may have fewer ids than the model has vectors, but not more.
fn tokenizer_of(folder: &Folder, vocabulary: usize) -> Result<Option<Arc<Tokenizer>>> {
    let Some(bytes) = folder.bytes(TOKENIZER, LARGEST_FILE as u64)? else { return Ok(None) };
    let read = || {
        let tokenizer = Tokenizer::from_json(&bytes)?;
        if tokenizer.vocabulary() > vocabulary {
            let message = format!(
                "expected ids below {vocabulary}, the number of token vectors of the model, got {}: tokenizer.json is that \
                 of another model",
                tokenizer.vocabulary() - 1
            );
            return Err(refuse(message));
        }
        Ok(Some(Arc::new(tokenizer)))
    };
    read().map_err(|error| error.at(&folder.shown(TOKENIZER)))
}

/// What follows the encoder.
enum Head {
    /// The pooled vector.
    None,
    /// The folder's head for classes.
    Stored(Classes),
    /// A new head for this number of classes.
    New(usize),
}

impl Head {
    fn choose(stored: Option<Classes>, options: &PretrainedOptions) -> Result<Head> {
        let head = match (stored, options.classes) {
            (Some(stored), None) => Head::Stored(stored),
            (Some(stored), Some(classes)) if stored.count == classes => Head::Stored(stored),
            (_, Some(classes)) => Head::New(classes),
            (None, None) => Head::None,
        };
        let refused =
            |key: &str, when: &str| Err(Error::config(key, format!("expected nothing, because {when}, got a value")));
        match head {
            Head::Stored(_) if options.pooling.is_some() => {
                refused("pooling", "the head of the folder reads the first token")
            }
            Head::Stored(_) | Head::New(_) if options.normalize.is_some() => {
                refused("normalize", "the model has a head")
            }
            head => Ok(head),
        }
    }

    fn rules(&self, family: &dyn Family) -> Vec<Rename> {
        let head: Vec<Rename> = match self {
            Head::None => Vec::new(),
            Head::Stored(_) => family.head().to_vec(),
            Head::New(_) => {
                let ignored = |rule: &Rename| match *rule {
                    Rename::Move(from, _) => Rename::Ignore(from),
                    other => other,
                };
                family.head().iter().map(ignored).collect()
            }
        };
        [family.body(), &head, family.dropped()].concat()
    }

    /// Adds what follows the encoder to its options.
    fn complete(
        &self,
        encoder: &mut TextEncoder,
        family: &dyn Family,
        modules: &Modules,
        options: &PretrainedOptions,
    ) -> Result<()> {
        if let Head::Stored(classes) = self {
            encoder.pooling = TokenPooling::First;
            encoder.pooler = Some(family.pooler());
            encoder.classes = Some(classes.count);
            return Ok(());
        }
        if let Some((pooling, width)) = modules.pooling {
            if let Some(width) = width.filter(|width| *width != encoder.width) {
                let message = format!("expected a pooling of vectors of width {}, got {width}", encoder.width);
                return Err(refuse(message));
            }
            encoder.pooling = pooling;
        }
        encoder.pooling = options.pooling.unwrap_or(encoder.pooling);
        match self {
            Head::New(classes) => encoder.classes = Some(*classes),
            _ => encoder.normalize = options.normalize.unwrap_or(modules.normalize),
        }
        Ok(())
    }

    /// Whether this tensor belongs to a new head, which is always drawn.
    fn draws(&self, name: &str) -> bool {
        matches!(self, Head::New(_)) && name.starts_with("head.")
    }

    fn several(&self) -> bool {
        matches!(self, Head::Stored(classes) if classes.several)
    }

    /// Names of the classes. Names that are not all different are dropped, with a note.
    fn names(&self) -> (Option<Vec<String>>, Option<String>) {
        let Head::Stored(Classes { names: Some(names), .. }) = self else { return (None, None) };
        match signature::different("id2label", names) {
            Ok(()) => (Some(names.clone()), None),
            Err(error) => (None, Some(format!("the classes have no names: {error}"))),
        }
    }
}

/// The blocks to keep.
fn chosen_blocks(options: &PretrainedOptions, stored: usize) -> Result<Vec<usize>> {
    let Some(chosen) = &options.layers else { return Ok((0..stored).collect()) };
    if chosen.is_empty() {
        return Err(Error::config("layers", "expected at least one layer, got none"));
    }
    for (at, layer) in chosen.iter().enumerate() {
        let path = format!("layers[{at}]");
        if *layer >= stored {
            return Err(Error::config(path, format!("expected a layer of the folder, below {stored}, got {layer}")));
        }
        if chosen[..at].contains(layer) {
            return Err(Error::config(path, format!("expected every layer at most once, got {layer} twice")));
        }
    }
    Ok(chosen.clone())
}

/// Takes the number of token vectors from the file, because tables are often larger than `vocab_size`: extended by new
/// tokens, or to a multiple of 64.
fn widen_vocabulary(encoder: &mut TextEncoder, assignment: &Assignment, tensors: &Tensors) -> Option<String> {
    let name = assignment.found.get("embeddings.token")?;
    let rows = *tensors.all[name].shape.first().filter(|rows| **rows > 0)?;
    let stated = std::mem::replace(&mut encoder.vocabulary, rows);
    (stated != rows).then(|| format!("config.json states {stated} tokens, {name} has {rows}: the model has {rows}"))
}
