//! Folders of small models with random weights, written by transformers, are in `__test__/golden/folders`, each with the
//! outputs of the original. The tests read them, variants of them, and folders that must be refused.

mod families;
mod forward;
mod hostile;
mod variants;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::Value as Json;

use super::{Pretrained, PretrainedOptions};
use crate::error::{Error, Result};

/// A tensor of a file: type, shape and bytes.
type Raw = (Dtype, Vec<usize>, Vec<u8>);

/// A folder that a test changes.
struct Changed {
    place: tempfile::TempDir,
    config: Json,
    tensors: BTreeMap<String, Raw>,
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/golden/folders").join(name)
}

fn json_of(path: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn raw(path: &Path) -> BTreeMap<String, Raw> {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let owned =
        |(name, view): (String, TensorView)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()));
    file.tensors().into_iter().map(owned).collect()
}

fn write_tensors(path: &Path, tensors: &BTreeMap<String, Raw>) {
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, bytes))| (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    let metadata = Some([("format".to_string(), "pt".to_string())].into());
    std::fs::write(path, safetensors::serialize(views, metadata).unwrap()).unwrap();
}

fn numbers(raw: &Raw) -> Vec<f32> {
    assert_eq!(raw.0, Dtype::F32);
    raw.2.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

fn f32s(shape: &[usize], value: f32) -> Raw {
    (Dtype::F32, shape.to_vec(), value.to_le_bytes().repeat(shape.iter().product()))
}

impl Changed {
    fn of(name: &str) -> Changed {
        let folder = golden(name);
        Changed {
            place: tempfile::tempdir().unwrap(),
            config: json_of(&folder.join("config.json")),
            tensors: raw(&folder.join("model.safetensors")),
        }
    }

    fn path(&self) -> &Path {
        self.place.path()
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Writes the configuration and one file of tensors.
    fn write(&self) {
        self.file("config.json", self.config.to_string());
        write_tensors(&self.path().join("model.safetensors"), &self.tensors);
    }

    /// Writes the configuration, and the tensors in two files with an index.
    fn write_shards(&self) -> (String, String) {
        self.file("config.json", self.config.to_string());
        let names = [1, 2].map(|part| format!("model-0000{part}-of-00002.safetensors"));
        let mut index = serde_json::Map::new();
        for (part, file) in names.iter().enumerate() {
            let mine = self.tensors.iter().enumerate().filter(|(at, _)| at % 2 == part);
            let mine: BTreeMap<String, Raw> = mine.map(|(_, (name, raw))| (name.clone(), raw.clone())).collect();
            index.extend(mine.keys().map(|name| (name.clone(), Json::from(file.as_str()))));
            write_tensors(&self.path().join(file), &mine);
        }
        let index = serde_json::json!({ "metadata": { "total_size": 1 }, "weight_map": index });
        self.file("model.safetensors.index.json", index.to_string());
        names.into()
    }

    fn read(&self) -> Result<Pretrained> {
        self.read_with(PretrainedOptions::default())
    }

    fn read_with(&self, options: PretrainedOptions) -> Result<Pretrained> {
        Pretrained::read(self.path(), &options)
    }
}

/// A tokenizer of this many words.
fn words(count: usize) -> Json {
    let vocabulary: serde_json::Map<String, Json> =
        (0..count).map(|id| (if id == 0 { "[UNK]".into() } else { format!("w{id}") }, id.into())).collect();
    serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "Whitespace" }, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]" }
    })
}

fn read(name: &str) -> Pretrained {
    Pretrained::read(&golden(name), &PretrainedOptions::default()).unwrap()
}

/// The numbers of a tensor of the model.
fn ours(read: &Pretrained, name: &str) -> Vec<f32> {
    read.model.parameters.get(name).unwrap().1
}

/// All tensors of the model.
fn all(read: &Pretrained) -> BTreeMap<String, Vec<f32>> {
    read.model.parameters.names().map(|name| (name.to_string(), ours(read, name))).collect()
}

/// The error without the path of the temporary folder.
fn said(folder: &Path, error: Error) -> String {
    error.to_string().replace(&format!("{}/", folder.display()), "").replace(&folder.display().to_string(), "folder")
}
