//! The run folder of a run, and the contents of its checkpoints.

use std::path::Path;

use serde_json::Value as Json;

use crate::checkpoint::{FolderLock, RunFolder, Writer};
use crate::error::{Code, Error, Result};
use crate::options::{CheckpointOptions, TrainOptions};

pub(crate) struct Checkpoints {
    pub folder: RunFolder,
    pub writer: Writer,
    /// The lock is released when the run ends; if the run is dropped before, when the writer has ended.
    lock: Option<FolderLock>,
    pub every: Option<u64>,
    pub resume: bool,
    /// Name of the newest checkpoint that was passed to the writer since the last report.
    pub written: Option<String>,
}

impl Checkpoints {
    pub fn new(options: &TrainOptions) -> Result<Option<Checkpoints>> {
        let Some(checkpoint) = &options.checkpoint else { return Ok(None) };
        let folder = RunFolder::open(Path::new(&checkpoint.folder), checkpoint.keep)?;
        let lock = folder.lock()?;
        // With two runs in one folder, resuming would confuse them: the newest step may belong to the older run.
        if !checkpoint.resume && folder.latest()?.is_some() {
            let given = &checkpoint.folder;
            let message = format!(
                "expected a folder without checkpoints, got {given}, which contains checkpoints of a run; to continue this \
                 run, set resume: {given:?} (--resume on the command line), otherwise choose another folder"
            );
            return Err(Error::config("checkpoint.folder", message));
        }
        let writer = Writer::start(folder.clone())?;
        let CheckpointOptions { every, resume, .. } = *checkpoint;
        Ok(Some(Checkpoints { folder, writer, lock: Some(lock), every, resume, written: None }))
    }

    /// Unlocks the folder after the run has ended.
    pub fn release(&mut self) {
        self.lock = None;
    }
}

/// A part of a checkpoint's state that is not a tensor.
pub(super) fn part<T: serde::de::DeserializeOwned>(json: &Json, key: &str) -> Result<T> {
    serde_json::from_value(json.get(key).cloned().unwrap_or(Json::Null))
        .map_err(|error| Error::new(Code::InvalidFile, key, error.to_string()))
}
