//! The files of a model folder.
//!
//! Names that come from a file of the folder (shards in an index, folders in `modules.json`) must be plain names, so that
//! no file outside the folder is read. Links are followed, because the download cache of Hugging Face consists of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::blocks::reserve;
use crate::checkpoint::fs::{Disk, Fs, patient};
use crate::checkpoint::header::{LARGEST_HEADER, MOST_TENSORS, refuse};
use crate::error::{Code, Error, Result};
use crate::json::{self, Reader};

/// Largest size of a configuration; a list of 20,000 classes needs 1 MB.
const LARGEST_JSON: u64 = 4 << 20;
const DEEPEST: usize = 32;

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Endings of weights in formats that are not read, with the names of the formats.
const OTHER_FORMATS: [(&str, &str); 6] = [
    (".bin", "a pickle"),
    (".bin.index.json", "pickles"),
    (".pt", "a pickle"),
    (".pth", "a pickle"),
    (".h5", "weights of TensorFlow"),
    (".msgpack", "weights of Flax"),
];

/// A folder on disk.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

/// The safetensors files of a folder.
#[derive(Debug, PartialEq)]
pub(crate) struct Weights {
    /// Names of the files, sorted.
    pub(crate) files: Vec<String>,
    /// The file of each tensor by the tensor's name, if the folder has an index.
    pub(crate) index: Option<BTreeMap<String, String>>,
}

impl Folder {
    pub(crate) fn open(path: &Path) -> Result<Folder> {
        let failed = |got: String| {
            let message = format!("expected a folder with config.json and {WEIGHTS}, got {got}");
            Err(Error::new(Code::Io, path.display().to_string(), message))
        };
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => Ok(Folder { path: path.to_path_buf() }),
            Ok(_) => failed("a file: pass the folder that contains it".into()),
            Err(error) => failed(error.to_string()),
        }
    }

    /// The folder `name` inside this one.
    pub(crate) fn below(&self, name: &str) -> Result<Folder> {
        plain(name)?;
        Folder::open(&self.path.join(name))
    }

    /// The path of a file, as errors show it.
    pub(crate) fn shown(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The bytes of a file of at most `largest` bytes; `None` if there is no such file.
    pub(crate) fn bytes(&self, name: &str, largest: u64) -> Result<Option<Vec<u8>>> {
        let read = || {
            plain(name)?;
            let opened = match Disk.open(&self.path.join(name)) {
                Ok(opened) => opened,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(failed(&error)),
            };
            if let Some(other) = opened.other {
                return Err(refuse(format!("expected a regular file, got {other}")));
            }
            if opened.size > largest {
                return Err(refuse(format!("expected at most {largest} bytes, got {}", opened.size)));
            }
            let mut bytes = Vec::new();
            reserve(&mut bytes, opened.size as usize)?;
            let mut source = patient(opened.source).take(opened.size);
            source.read_to_end(&mut bytes).map_err(|error| failed(&error))?;
            Ok(Some(bytes))
        };
        read().map_err(|error| error.at(&self.shown(name)))
    }

    /// A JSON file; `None` if there is no such file.
    pub(crate) fn json(&self, name: &str) -> Result<Option<Json>> {
        let Some(bytes) = self.bytes(name, LARGEST_JSON)? else { return Ok(None) };
        let value = text(&bytes).and_then(|text| json::parse(text, DEEPEST));
        value.map(Some).map_err(|error| error.at(&self.shown(name)))
    }

    /// The safetensors files: one, or the shards of an index.
    pub(crate) fn weights(&self) -> Result<Weights> {
        if self.path.join(WEIGHTS).exists() {
            return Ok(Weights { files: vec![WEIGHTS.into()], index: None });
        }
        let Some(bytes) = self.bytes(INDEX, LARGEST_HEADER)? else { return Err(self.no_weights()) };
        let index = text(&bytes).and_then(weight_map).map_err(|error| error.at(&self.shown(INDEX)))?;
        let mut files: Vec<String> = index.values().cloned().collect();
        files.sort();
        files.dedup();
        for file in &files {
            if !self.path.join(file).exists() {
                let message = format!(
                    "expected the file {file:?}, which weight_map names, in the folder, got none: download the complete \
                     folder"
                );
                return Err(refuse(message).at(&self.shown(INDEX)));
            }
        }
        Ok(Weights { files, index: Some(index) })
    }

    /// The error for a folder without safetensors. Other formats are named with their remedy: a pickle can execute code.
    fn no_weights(&self) -> Error {
        let names = Disk.list(&self.path).unwrap_or_default();
        let other = OTHER_FORMATS
            .iter()
            .find_map(|(ending, format)| names.iter().find(|name| name.ends_with(ending)).map(|name| (name, *format)));
        let message = match other {
            Some((name, format)) => format!(
                "expected {WEIGHTS}, got only {name}, {format}; convert the model to safetensors: in Python, \
                 AutoModel.from_pretrained(folder).save_pretrained(folder) writes it"
            ),
            None => format!("expected {WEIGHTS} or {INDEX} in the folder, got none of them"),
        };
        refuse(message).at(&self.path.display().to_string())
    }
}

fn failed(error: &std::io::Error) -> Error {
    Error::new(Code::Io, "", format!("expected to read the file, got: {error}"))
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes)
        .map_err(|error| refuse(format!("expected UTF-8, got an invalid byte at {}", error.valid_up_to())))
}

/// Rejects everything except the name of a file directly in the folder.
fn plain(name: &str) -> Result<()> {
    let forbidden = |c: char| matches!(c, '/' | '\\' | ':') || c.is_control();
    if name.is_empty() || name.len() > 255 || name == "." || name == ".." || name.contains(forbidden) {
        let short: String = name.chars().take(64).collect();
        return Err(refuse(format!("expected the name of a file or folder directly in the folder, got {short:?}")));
    }
    Ok(())
}

/// The file of each tensor, from the text of an index `{ "metadata": …, "weight_map": { tensor: file } }`.
fn weight_map(text: &str) -> Result<BTreeMap<String, String>> {
    let mut found: Option<BTreeMap<String, String>> = None;
    let mut reader = Reader::new(text, DEEPEST);
    reader.object(|reader, key| {
        if key != "weight_map" {
            return reader.value().map(drop);
        }
        let mut map = BTreeMap::new();
        reader
            .object(|reader, name| {
                let file = reader.string()?;
                plain(&file).map_err(|error| error.at(&name))?;
                if !file.ends_with(".safetensors") {
                    return Err(refuse(format!("expected a safetensors file, got {file:?}")).at(&name));
                }
                if map.len() == MOST_TENSORS {
                    return Err(refuse(format!("expected at most {MOST_TENSORS} tensors, got more")));
                }
                match map.entry(name.into_owned()) {
                    Entry::Occupied(place) => Err(json::twice(place.key())),
                    Entry::Vacant(place) => {
                        place.insert(file.into_owned());
                        Ok(())
                    }
                }
            })
            .map_err(|error| error.at("weight_map"))?;
        match found.replace(map) {
            Some(_) => Err(json::twice("weight_map")),
            None => Ok(()),
        }
    })?;
    reader.end()?;
    match found {
        Some(map) if !map.is_empty() => Ok(map),
        _ => Err(refuse("expected the key \"weight_map\" with the file of each tensor, got none")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused() {
        for name in ["", ".", "..", "../x", "/etc/x", "a/b", "a\\b", "C:x", "a\0b", &"n".repeat(256)] {
            assert!(plain(name).unwrap_err().message.starts_with("expected the name of a file"), "{name:?}");
        }
        for name in ["model-00001-of-00002.safetensors", "1_Pooling", "..a"] {
            plain(name).unwrap();
        }
    }

    #[test]
    fn an_index_is_read_strictly() {
        let map = weight_map(r#"{"metadata":{"total_size":8},"weight_map":{"a":"x.safetensors","b":"y.safetensors"}}"#);
        assert_eq!(map.unwrap().len(), 2);
        for (text, says) in [
            (r#"{"weight_map":{"a":"../x.safetensors"}}"#, "weight_map.a: expected the name of a file"),
            (r#"{"weight_map":{"a":"/x.safetensors"}}"#, "weight_map.a: expected the name of a file"),
            (r#"{"weight_map":{"a":"x.bin"}}"#, "weight_map.a: expected a safetensors file, got \"x.bin\""),
            (
                r#"{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}"#,
                "weight_map: expected every key once, got \"a\"",
            ),
            (r#"{"weight_map":{"a":"x.safetensors"},"weight_map":{}}"#, "got \"weight_map\" twice"),
            (r#"{"weight_map":{"a":1}}"#, "weight_map: expected a string"),
            (r#"{"weight_map":{}}"#, "expected the key \"weight_map\""),
            (r#"{}"#, "expected the key \"weight_map\""),
            (r#"{"weight_map":{"a":"x.safetensors"}} x"#, "expected the end"),
        ] {
            let error = weight_map(text).unwrap_err();
            assert!(error.to_string().contains(says), "{text}: {error}");
            assert_eq!(error.code, Code::InvalidFile);
        }
    }

    #[test]
    fn weights_in_another_format_are_refused_with_the_remedy() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        assert!(folder.weights().unwrap_err().message.contains("got none of them"));
        for (name, format) in [("pytorch_model.bin", "a pickle"), ("tf_model.h5", "weights of TensorFlow")] {
            std::fs::write(place.path().join(name), "x").unwrap();
            let message = folder.weights().unwrap_err().message;
            assert!(
                message.contains(&format!("got only {name}, {format}; convert the model to safetensors")),
                "{message}"
            );
            std::fs::remove_file(place.path().join(name)).unwrap();
        }
    }

    #[test]
    fn a_path_that_is_no_folder_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("config.json");
        assert_eq!(Folder::open(&file).unwrap_err().code, Code::Io);
        std::fs::write(&file, "{}").unwrap();
        assert!(Folder::open(&file).unwrap_err().message.contains("got a file"));
    }

    #[test]
    fn a_large_or_invalid_json_file_is_refused_by_name() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        assert_eq!(folder.json("config.json").unwrap(), None);
        for (bytes, says) in [
            (vec![b' '; LARGEST_JSON as usize + 1], "expected at most 4194304 bytes"),
            (vec![0xff], "expected UTF-8"),
            (b"{\"a\":1,\"a\":2}".to_vec(), "got \"a\" twice"),
        ] {
            std::fs::write(place.path().join("config.json"), bytes).unwrap();
            let error = folder.json("config.json").unwrap_err();
            assert!(error.path.ends_with("config.json") && error.message.contains(says), "{error}");
        }
    }
}
