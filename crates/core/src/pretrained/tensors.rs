//! The tensors of a folder's safetensors files. First all headers are read and checked; numbers are read only after the
//! caller has compared the shapes with a model, and only those that it needs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::folder::Folder;
use crate::checkpoint::fs::Disk;
use crate::checkpoint::header::{Entry, MOST_TENSORS, refuse};
use crate::checkpoint::{Dtype, NamedTensors, format};
use crate::error::{Error, Result};

struct File {
    path: PathBuf,
    /// Digest of the header: the file must not change between the two readings.
    digest: String,
}

/// One tensor of a file.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Position of its file.
    file: usize,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
}

/// The headers of all files.
pub(crate) struct Tensors {
    files: Vec<File>,
    pub(crate) all: BTreeMap<String, Stored>,
}

impl Tensors {
    /// Reads the headers. Every name must occur in one file, the one that the index names if there is an index.
    pub(crate) fn open(folder: &Folder) -> Result<Tensors> {
        let weights = folder.weights()?;
        let mut files: Vec<File> = Vec::new();
        let mut all: BTreeMap<String, Stored> = BTreeMap::new();
        for (file, name) in weights.files.iter().enumerate() {
            let path = folder.path_of(name);
            let unfit = |tensor: &str, message: String| {
                Err(refuse(format!("tensor {tensor:?}: {message}")).at(&path.display().to_string()))
            };
            let header = format::read_header(&Disk, &path)?;
            if all.len() + header.tensors.len() > MOST_TENSORS {
                return Err(refuse(format!("expected at most {MOST_TENSORS} tensors in all files, got more"))
                    .at(&path.display().to_string()));
            }
            for Entry { name: tensor, dtype, shape, .. } in header.tensors {
                if let Some(other) = all.get(&tensor) {
                    let other = &weights.files[other.file];
                    return unfit(&tensor, format!("expected every name in one file, got it also in {other:?}"));
                }
                match weights.index.as_ref().map(|index| index.get(&tensor)) {
                    Some(None) => return unfit(&tensor, "expected it in weight_map of the index, got no entry".into()),
                    Some(Some(said)) if said != name => {
                        return unfit(&tensor, format!("expected it in {said:?}, as weight_map states, got it here"));
                    }
                    _ => all.insert(tensor, Stored { file, dtype, shape }),
                };
            }
            files.push(File { path, digest: header.digest });
        }
        for (tensor, file) in weights.index.iter().flatten() {
            if !all.contains_key(tensor) {
                let message = format!("tensor {tensor:?}: expected it in this file, as weight_map states, got none");
                return Err(refuse(message).at(&folder.shown(file)));
            }
        }
        Ok(Tensors { files, all })
    }

    /// The path of the file with this tensor, for messages.
    pub(crate) fn file_of(&self, name: &str) -> String {
        let file = self.all.get(name).map_or(0, |stored| stored.file);
        self.files.get(file).map_or_else(String::new, |file| file.path.display().to_string())
    }

    /// An error about one tensor.
    pub(crate) fn unfit(&self, name: &str, message: &str) -> Error {
        refuse(format!("tensor {name:?}: {message}")).at(&self.file_of(name))
    }

    /// The numbers of the wanted tensors as f32, under new names; `wanted` maps names in the files to them.
    pub(crate) fn read(&self, wanted: &BTreeMap<String, String>) -> Result<NamedTensors> {
        let mut tensors = NamedTensors::new();
        for file in &self.files {
            let chosen = |entry: &Entry| wanted.contains_key(&entry.name);
            for (name, array) in format::read_chosen(&Disk, &file.path, &file.digest, &chosen)? {
                if let Some(ours) = wanted.get(&name) {
                    tensors.insert(ours.clone(), array);
                }
            }
        }
        Ok(tensors)
    }
}
