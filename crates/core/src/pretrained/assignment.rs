//! Which tensor of the files becomes which tensor of the model. It is decided from names and shapes, before any number is
//! read.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::rename::{Place, Rename, original, place};
use super::tensors::Tensors;
use crate::checkpoint::Dtype;
use crate::checkpoint::header::refuse;
use crate::error::{Error, Result};
use crate::layers::Spec;

/// How many names a message lists.
const LISTED: usize = 8;

/// The names of the files' tensors, sorted by what becomes of them.
#[derive(Debug, Default)]
pub(crate) struct Assignment {
    /// Names in the files by names in the model.
    pub(crate) found: BTreeMap<String, String>,
    /// Names in the files that the model does not need, sorted.
    pub(crate) unused: Vec<String>,
    /// Names in the files for which the family has no rule.
    unknown: Vec<String>,
}

impl Assignment {
    pub(crate) fn new(tensors: &Tensors, rules: &[Rename], prefix: &str) -> Result<Assignment> {
        let mut sorted = Assignment::default();
        let mut tied = Vec::new();
        for name in tensors.all.keys() {
            match place(rules, prefix, name) {
                Place::Ours(ours) => {
                    if let Some(other) = sorted.found.insert(ours, name.clone()) {
                        let message = format!("expected one name for the same tensor, got also {other:?}");
                        return Err(tensors.unfit(name, &message));
                    }
                }
                Place::Tied(ours) => tied.push((ours, name.clone())),
                Place::Ignored => sorted.unused.push(name.clone()),
                Place::Unknown => sorted.unknown.push(name.clone()),
            }
        }
        for (ours, name) in tied {
            match sorted.found.entry(ours) {
                Entry::Occupied(_) => sorted.unused.push(name),
                Entry::Vacant(free) => drop(free.insert(name)),
            }
        }
        Ok(sorted)
    }

    /// Keeps these blocks, in this order, of as many as `config.json` states; the tensors of others are unused, and those
    /// of further blocks unknown.
    pub(crate) fn keep_blocks(&mut self, blocks: &[usize], stated: usize) {
        let all = std::mem::take(&mut self.found);
        for (ours, name) in all {
            let Some((block, rest)) = block_of(&ours) else {
                self.found.insert(ours, name);
                continue;
            };
            match blocks.iter().position(|kept| *kept == block) {
                Some(at) => drop(self.found.insert(format!("blocks.{at}.{rest}"), name)),
                None if block < stated => self.unused.push(name),
                None => self.unknown.push(name),
            }
        }
    }

    /// Compares with the tensors of a model and returns the names of those that the files do not contain. Tensors of the
    /// files that the model does not have become unused, or are refused.
    pub(crate) fn fit(&mut self, specs: &[Spec], tensors: &Tensors, allow_unused: bool) -> Result<Vec<String>> {
        let mut needed = BTreeMap::new();
        let mut missing = Vec::new();
        for spec in specs {
            let Some(name) = self.found.remove(&spec.name) else {
                missing.push(spec.name.clone());
                continue;
            };
            let stored = &tensors.all[&name];
            if stored.shape != spec.shape {
                let message = format!(
                    "expected shape {:?}, as config.json states, got {:?}: config.json is that of another model",
                    spec.shape, stored.shape
                );
                return Err(tensors.unfit(&name, &message));
            }
            if !matches!(stored.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                let message = format!("expected numbers of type F32, F16 or BF16, got {}", stored.dtype.name());
                return Err(tensors.unfit(&name, &message));
            }
            needed.insert(spec.name.clone(), name);
        }
        let left = std::mem::replace(&mut self.found, needed);
        self.unknown.extend(left.into_values());
        self.unknown.sort();
        if let Some(first) = self.unknown.first().filter(|_| !allow_unused) {
            let message = format!(
                "expected only tensors of the model in config.json, got {}; pass allowUnused: true to ignore them",
                listed(&self.unknown)
            );
            return Err(refuse(message).at(&tensors.file_of(first)));
        }
        self.unused.append(&mut self.unknown);
        self.unused.sort();
        Ok(missing)
    }

    /// Names of the needed tensors that are stored in half precision.
    pub(crate) fn halves(&self, tensors: &Tensors) -> Vec<String> {
        let half = |name: &&String| tensors.all[*name].dtype != Dtype::F32;
        let mut names: Vec<String> = self.found.values().filter(half).cloned().collect();
        names.sort();
        names
    }

    /// Names in the model by names in the files.
    pub(crate) fn by_file(&self) -> BTreeMap<String, String> {
        self.found.iter().map(|(ours, name)| (name.clone(), ours.clone())).collect()
    }
}

/// The error for tensors that the files do not contain, by the names that the family gives them.
pub(crate) fn absent(missing: &[String], rules: &[Rename], blocks: &[usize]) -> Error {
    let names: Vec<String> = missing
        .iter()
        .map(|ours| {
            let before = block_of(ours).and_then(|(block, rest)| Some(format!("blocks.{}.{rest}", blocks.get(block)?)));
            original(rules, before.as_ref().unwrap_or(ours)).unwrap_or_else(|| ours.clone())
        })
        .collect();
    refuse(format!(
        "expected all tensors of the model in config.json, got none for {}; pass allowMissing: true to draw them from the \
         seed",
        listed(&names)
    ))
}

/// The number of the block of a tensor, and its name inside the block.
fn block_of(ours: &str) -> Option<(usize, &str)> {
    let (block, rest) = ours.strip_prefix("blocks.")?.split_once('.')?;
    Some((block.parse().ok()?, rest))
}

fn listed(names: &[String]) -> String {
    let text = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > LISTED { format!("{text} and {} more", names.len() - LISTED) } else { text }
}
