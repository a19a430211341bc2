//! Checkpoints of a run, and recovery: a resumed run continues with the same bits.

use serde_json::{Value as Json, json};

use super::checkpoints::part;
use super::feed::Feed;
use super::member::Member;
use super::state::Run;
use crate::checkpoint::{Checkpoint, NamedTensors};
use crate::error::{Error, Result};
use crate::kernels::cpu::isa;
use crate::models::Model;
use crate::proofs::{CheckpointWhole, Finding};

/// Options that may change between a run and its continuation: they do not change its bits.
const FREE: [&str; 6] = ["checkpoint", "threads", "niceness", "reportEvery", "maxMemoryBytes", "backend"];

impl Run {
    /// Resumes from the newest complete checkpoint of the folder, if `checkpoint.resume` is set and there is one.
    pub(super) fn resume(&mut self) -> Result<()> {
        let Some(checkpoints) = self.checkpoints.as_ref().filter(|checkpoints| checkpoints.resume) else {
            return Ok(());
        };
        let recovered = checkpoints.folder.recover()?;
        if let Some((_, mut checkpoint)) = recovered.checkpoint {
            let mut config = self.config()?;
            self.without_length(&mut config);
            self.without_length(&mut checkpoint.config);
            if checkpoint.config.get("known").is_none() {
                // Checkpoints of older versions contain no names.
                config["known"] = Json::Null;
            }
            checkpoint.expect_config(&config).map_err(|error| {
                let message = format!(
                    "{}; only {} may change, and epochs or steps if no schedule depends on the length of the run",
                    error.message,
                    FREE.join(", ")
                );
                Error { message, ..error }
            })?;
            self.expect_length(checkpoint.step)?;
            self.restore(checkpoint)?;
        }
        for skipped in recovered.skipped {
            let message = format!("the checkpoint is damaged and was skipped: {}", skipped.reason);
            self.findings.add::<CheckpointWhole>(skipped.name, message)?;
        }
        Ok(())
    }

    pub(super) fn checkpoint_if_due(&mut self, ended_epoch: bool) -> Result<()> {
        let Some(checkpoints) = &self.checkpoints else { return Ok(()) };
        let due = match checkpoints.every {
            Some(every) => self.step.is_multiple_of(every),
            None => ended_epoch,
        };
        if due { self.checkpoint() } else { Ok(()) }
    }

    /// Starts to write a checkpoint; the file is complete once `flush_checkpoints` or a later report has returned.
    pub fn checkpoint(&mut self) -> Result<()> {
        if self.checkpoints.is_none() {
            return Err(Error::config("checkpoint", "expected a run folder in the options, got none"));
        }
        let snapshot = self.snapshot()?;
        let name = format!("step {}", snapshot.step);
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.writer.save(snapshot)?;
            checkpoints.written = Some(name);
        }
        Ok(())
    }

    /// Writes the last checkpoint; it is durable when this returns.
    pub(super) fn checkpoint_last(&mut self) -> Result<()> {
        if self.checkpoints.is_none() {
            return Ok(());
        }
        self.checkpoint()?;
        self.flush_checkpoints().map(|_| ())
    }

    /// Waits until every started checkpoint is on the disk; returns the path of the newest.
    pub fn flush_checkpoints(&mut self) -> Result<Option<String>> {
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(None) };
        let saved = checkpoints.writer.flush()?;
        let path = saved.map(|saved| saved.path.display().to_string());
        checkpoints.written.clone_from(&path);
        Ok(path)
    }

    /// The part of the run's configuration that determines the bits of the results.
    fn config(&self) -> Result<Json> {
        let internal = |error: serde_json::Error| Error::internal(error.to_string());
        let mut options = serde_json::to_value(&self.options).map_err(internal)?;
        if let Some(options) = options.as_object_mut() {
            for key in FREE {
                options.remove(key);
            }
        }
        let architecture = |member: &Member| serde_json::to_value(member.learner.model.network.architecture());
        let peers = self.peers().skip(1);
        let others = peers.map(|member| {
            let mut own = serde_json::to_value(&member.options).map_err(internal)?;
            own.as_object_mut().into_iter().for_each(|own| FREE.iter().for_each(|key| drop(own.remove(*key))));
            Ok(json!({ "student": architecture(member).map_err(internal)?, "options": own }))
        });
        let known = |model: &Model| json!({ "names": model.signature(), "preprocessing": model.preprocessing });
        let teachers: Vec<Json> = self.teachers.models().map(|(_, model)| known(model)).collect();
        let mut config = json!({
            "options": options,
            "student": architecture(&self.members[0]).map_err(internal)?,
            "teacher": self.teachers.fingerprint()?,
            "data": self.feed.fingerprint(),
            "validation": self.validation.as_ref().map(|validation| validation.data.fingerprint()),
            "known": { "student": known(&self.members[0].learner.model), "teachers": teachers },
            "instructions": isa::current().name(),
        });
        if let Some(mutual) = &self.mutual {
            config["mutual"] = serde_json::to_value(mutual).map_err(internal)?;
            config["others"] = Json::Array(others.collect::<Result<_>>()?);
        }
        Ok(config)
    }

    fn snapshot(&self) -> Result<Checkpoint> {
        let place = |feed: &Feed| json!({ "epoch": feed.epoch, "used": feed.used });
        let mut cursor = place(&self.feed);
        if let Some(feed) = &self.control_feed {
            cursor["control"] = place(feed);
        }
        let mut checkpoint = Checkpoint {
            step: self.step,
            epoch: self.feed.epoch,
            cursor,
            config: self.config()?,
            seed: self.options.seed,
            threads: self.pool.threads(),
            isa: isa::current().name().into(),
            versions: json!({ "limbeck": env!("CARGO_PKG_VERSION") }),
            state: Json::Null,
            tensors: NamedTensors::new(),
        };
        let mut members = serde_json::Map::new();
        for member in &self.members {
            members.insert(member.role.group(), member.save(&mut checkpoint)?);
        }
        checkpoint.state = json!({ "findings": self.findings.list, "members": members });
        Ok(checkpoint)
    }

    fn restore(&mut self, mut checkpoint: Checkpoint) -> Result<()> {
        self.step = checkpoint.step;
        self.began = checkpoint.step;
        self.first_rows = None;
        self.feed.go_to(part(&checkpoint.cursor, "epoch")?, part(&checkpoint.cursor, "used")?, &self.cancel)?;
        // Checkpoints of version 0.1 contain no position for a control run with its own batches.
        if let (Some(feed), Some(cursor)) = (&mut self.control_feed, checkpoint.cursor.get("control")) {
            feed.go_to(part(cursor, "epoch")?, part(cursor, "used")?, &self.cancel)?;
        }
        self.findings.list = part::<Vec<Finding>>(&checkpoint.state, "findings")?;
        let members: Json = part(&checkpoint.state, "members")?;
        for member in &mut self.members {
            let state: Json = part(&members, &member.role.group())?;
            member.restore(&mut checkpoint, &state)?;
        }
        Ok(())
    }
}
