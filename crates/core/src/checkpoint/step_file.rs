//! A checkpoint: one file with everything that a run needs to continue with the same bits. The file can be verified.
//!
//! ```text
//! step-00001200-<hash>.kd.safetensors      hash: first 16 digits of SHA-256 over the file's length field and header
//! __metadata__.limbeck = { "format": "checkpoint", "version": 1, "step", "epoch", "cursor", "config", "configHash",
//!                          "seed", "threads", "isa", "versions", "state", "digests": { tensor: SHA-256 } }
//! ```
//!
//! The format has no place for a checksum at the end. Therefore the name contains the hash of the header, and the header
//! contains the digest of every tensor.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::array::{Array, NamedTensors};
use super::configuration;
use super::format::{self, Contents, KEY, Plan, Wanted};
use super::fs::Fs;
use super::header::{Header, refuse};
use super::model_file::{check_version, no_more, take};
use crate::error::{Error, Result};
use crate::json;
use crate::tensor::Tensor;

const VERSION: u64 = 1;
const DEEPEST: usize = 64;
const HASH_DIGITS: usize = 16;

#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Number of completed optimizer steps.
    pub step: u64,
    pub epoch: u64,
    /// Position in the data.
    pub cursor: Value,
    /// The configuration of the run; `resume` rejects a different one and names the key.
    pub config: Value,
    pub seed: u64,
    /// Number of threads. Results do not depend on it; it is stored only for debugging.
    pub threads: usize,
    /// Instruction set, on which results depend.
    pub isa: String,
    /// Versions of the library and its dependencies.
    pub versions: Value,
    /// The other state: schedule, best validation, early stop. Floats keep their bits; NaN and infinity are not possible
    /// in JSON.
    pub state: Value,
    /// Parameters, optimizer state, averages and parameters of losses, in groups (see `insert_group`).
    pub tensors: NamedTensors,
}

impl Checkpoint {
    /// Adds tensors as `group/name`.
    pub fn insert_group(&mut self, group: &str, tensors: NamedTensors) {
        self.tensors.extend(tensors.into_iter().map(|(name, array)| (format!("{group}/{name}"), array)));
    }

    /// Removes the tensors `group/…` and returns them without the prefix.
    pub fn take_group(&mut self, group: &str) -> NamedTensors {
        let prefix = format!("{group}/");
        let (taken, kept) =
            std::mem::take(&mut self.tensors).into_iter().partition(|(name, _)| name.starts_with(&prefix));
        self.tensors = kept;
        let taken: NamedTensors = taken;
        taken.into_iter().map(|(name, array)| (name[prefix.len()..].to_string(), array)).collect()
    }

    /// Adds copies of tensors as `group/name`.
    pub(crate) fn insert_tensors(&mut self, group: &str, tensors: BTreeMap<String, Tensor>) -> Result<()> {
        let copy = |(name, tensor): (String, Tensor)| Ok((name, Array::copy_of(&tensor)?));
        self.insert_group(group, tensors.into_iter().map(copy).collect::<Result<_>>()?);
        Ok(())
    }

    /// Like `take_group`, but returns tensors that are ready for use.
    pub(crate) fn take_tensors(&mut self, group: &str) -> Result<BTreeMap<String, Tensor>> {
        self.take_group(group).into_iter().map(|(name, array)| Ok((name, array.into_tensor()?))).collect()
    }

    /// Rejects another configuration; the error's path is the first key that differs.
    pub fn expect_config(&self, given: &Value) -> Result<()> {
        configuration::expect_same(&self.config, given)
    }

    /// The name and content of the file.
    pub(super) fn plan(&self) -> Result<(String, Plan<'_>)> {
        let described = json!({
            "format": "checkpoint",
            "version": VERSION,
            "step": self.step,
            "epoch": self.epoch,
            "cursor": self.cursor,
            "config": self.config,
            "configHash": configuration::hash(&self.config),
            "seed": self.seed,
            "threads": self.threads,
            "isa": self.isa,
            "versions": self.versions,
            "state": self.state,
            "digests": format::digests(&self.tensors)?,
        });
        let text = described.to_string();
        if json::depth(text.as_bytes()) > DEEPEST {
            return Err(refuse(format!("expected a state at most {DEEPEST} levels deep, got more")));
        }
        let plan = Plan::new(&self.tensors, &text)?;
        let hash = &super::digest::of(&plan.head)[..HASH_DIGITS];
        Ok((format!("step-{:08}-{hash}{SUFFIX}", self.step), plan))
    }

    /// Reads the file and verifies the header against the name, and the tensors against the header.
    pub(super) fn read(fs: &dyn Fs, path: &Path, name: &StepName) -> Result<Checkpoint> {
        let wanted = Wanted { widen: false, digests: true };
        let agree = |header: &Header| {
            if header.digest[..HASH_DIGITS] != name.hash {
                let got = &header.digest[..HASH_DIGITS];
                return Err(refuse(format!(
                    "expected a header with the hash {} of the file's name, got {got}",
                    name.hash
                )));
            }
            describe(header).map(|_| ())
        };
        let contents = format::read_file(fs, path, wanted, &agree)?;
        let check = || {
            let (checkpoint, digests) = describe(&contents.header)?;
            if checkpoint.step != name.step {
                return Err(refuse(format!(
                    "expected step {}, as in the file's name, got {}",
                    name.step, checkpoint.step
                )));
            }
            for (tensor, digest) in &contents.digests {
                let expected = digests.get(tensor).and_then(Value::as_str);
                if expected != Some(digest) {
                    let expected = expected.unwrap_or("one");
                    return Err(refuse(format!("tensor {tensor:?}: expected digest {expected}, got {digest}")));
                }
            }
            if let Some(tensor) = digests.keys().find(|tensor| !contents.digests.contains_key(*tensor)) {
                return Err(refuse(format!("expected tensor {tensor:?}, because the header has its digest, got none")));
            }
            Ok(checkpoint)
        };
        let checkpoint = check().map_err(|error: Error| error.at(&path.display().to_string()))?;
        let Contents { tensors, .. } = contents;
        Ok(Checkpoint { tensors, ..checkpoint })
    }
}

type Digests = serde_json::Map<String, Value>;

fn describe(header: &Header) -> Result<(Checkpoint, Digests)> {
    let text = header
        .metadata
        .get(KEY)
        .ok_or_else(|| refuse("expected a checkpoint, got a safetensors file without metadata of limbeck"))?;
    let Value::Object(mut fields) = json::parse(text, DEEPEST)? else {
        return Err(refuse("expected an object in the metadata, got another value"));
    };
    match take(&mut fields, "format")?.as_str() {
        Some("checkpoint") => {}
        other => return Err(refuse(format!("expected the format \"checkpoint\", got {other:?}"))),
    }
    check_version(&mut fields, VERSION)?;
    let mut whole = |key: &str| {
        take(&mut fields, key)?
            .as_u64()
            .ok_or_else(|| refuse(format!("expected an integer as {key:?}, got another value")))
    };
    let (step, epoch, seed, threads) = (whole("step")?, whole("epoch")?, whole("seed")?, whole("threads")?);
    let Value::String(isa) = take(&mut fields, "isa")? else {
        return Err(refuse("expected a string as \"isa\", got another value"));
    };
    let Value::Object(digests) = take(&mut fields, "digests")? else {
        return Err(refuse("expected an object as \"digests\", got another value"));
    };
    let checkpoint = Checkpoint {
        step,
        epoch,
        seed,
        threads: threads as usize,
        isa,
        cursor: take(&mut fields, "cursor")?,
        config: take(&mut fields, "config")?,
        versions: take(&mut fields, "versions")?,
        state: take(&mut fields, "state")?,
        tensors: NamedTensors::new(),
    };
    if take(&mut fields, "configHash")? != configuration::hash(&checkpoint.config) {
        return Err(refuse("expected the hash of the configuration as \"configHash\", got another hash"));
    }
    no_more(&fields)?;
    Ok((checkpoint, digests))
}

const SUFFIX: &str = ".kd.safetensors";

/// The parts of a checkpoint's file name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StepName {
    pub(super) step: u64,
    pub(super) hash: String,
}

impl StepName {
    /// `None` for a name that limbeck does not create.
    pub(super) fn parse(name: &str) -> Option<StepName> {
        let (step, hash) = name.strip_prefix("step-")?.strip_suffix(SUFFIX)?.split_once('-')?;
        let digits = |text: &str, known: fn(u8) -> bool| text.bytes().all(known);
        let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if hash.len() != HASH_DIGITS || !digits(hash, lower) || !digits(step, |byte| byte.is_ascii_digit()) {
            return None;
        }
        let number = step.parse().ok()?;
        (step == format!("{number:08}")).then(|| StepName { step: number, hash: hash.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_in_the_written_form_are_read() {
        let good = "step-00001200-0123456789abcdef.kd.safetensors";
        assert_eq!(StepName::parse(good), Some(StepName { step: 1200, hash: "0123456789abcdef".into() }));
        assert_eq!(
            StepName::parse("step-123456789-0123456789abcdef.kd.safetensors").map(|name| name.step),
            Some(123456789)
        );
        for bad in [
            "step-1200-0123456789abcdef.kd.safetensors",
            "step-000001200-0123456789abcdef.kd.safetensors",
            "step-+0001200-0123456789abcdef.kd.safetensors",
            "step-00001200-0123456789ABCDEF.kd.safetensors",
            "step-00001200-0123456789abcde.kd.safetensors",
            "step-00001200-0123456789abcdef.safetensors",
            "step-99999999999999999999-0123456789abcdef.kd.safetensors",
            "xstep-00001200-0123456789abcdef.kd.safetensors",
            "step-00001200-0123456789abcdef.kd.safetensors.tmp",
            "step-00001200-€€€€€0.kd.safetensors",
            "",
        ] {
            assert_eq!(StepName::parse(bad), None, "{bad}");
        }
    }
}
