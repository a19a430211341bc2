//! Checkpoints of a run, and the way back: a resumed run goes on to the same bits.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::report::{Best, Sums};
use super::{Keep, Run};
use crate::check::{Finding, Watch};
use crate::checkpoint::{Array, Checkpoint, NamedTensors, RunFolder, Writer};
use crate::error::{Error, Result};
use crate::kernels::cpu::isa;
use crate::learner::{Learner, Teacher};
use crate::options::TrainOptions;
use crate::parameters::Parameters;
use crate::tensor::Tensor;

/// Options that may change between a run and its continuation: they do not change its bits.
const FREE: [&str; 6] = ["checkpoint", "threads", "niceness", "reportEvery", "maxMemoryBytes", "backend"];

pub(crate) struct Checkpoints {
    folder: RunFolder,
    writer: Writer,
    every: Option<u64>,
    resume: bool,
    /// Name of the newest one that was handed over since the last report.
    pub written: Option<String>,
}

impl Checkpoints {
    pub fn new(options: &TrainOptions) -> Result<Option<Checkpoints>> {
        let Some(checkpoint) = &options.checkpoint else { return Ok(None) };
        let folder = RunFolder::open(Path::new(&checkpoint.folder), checkpoint.keep)?;
        // Two runs in one folder would be mixed up by whoever resumes: the newest step may be the older run's.
        if let (false, Some(found)) = (checkpoint.resume, folder.latest()?) {
            let found = found.display();
            let message = format!("expected a folder without checkpoints, or resume: true, got {found}");
            return Err(Error::config("checkpoint.folder", message));
        }
        let writer = Writer::start(folder.clone())?;
        Ok(Some(Checkpoints { folder, writer, every: checkpoint.every, resume: checkpoint.resume, written: None }))
    }
}

impl Run {
    /// Takes up the newest whole checkpoint of the folder, where `checkpoint.resume` asks for it and there is one.
    pub(super) fn resume(&mut self) -> Result<()> {
        let Some(checkpoints) = self.checkpoints.as_ref().filter(|checkpoints| checkpoints.resume) else {
            return Ok(());
        };
        let recovered = checkpoints.folder.recover()?;
        if let Some((_, checkpoint)) = recovered.checkpoint {
            checkpoint.expect_config(&self.config()?).map_err(|error| {
                let message = format!("{}; only {} may change", error.message, FREE.join(", "));
                Error { message, ..error }
            })?;
            self.restore(checkpoint)?;
        }
        for skipped in recovered.skipped {
            let message = format!("the checkpoint was damaged and is passed over: {}", skipped.reason);
            self.findings.add("checkpointWhole", skipped.name, message)?;
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

    /// Writes one now; the file is whole once `flush_checkpoints` or a later report returned.
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

    /// The last checkpoint, durable when this returns.
    pub(super) fn checkpoint_last(&mut self) -> Result<()> {
        if self.checkpoints.is_none() {
            return Ok(());
        }
        self.checkpoint()?;
        self.flush_checkpoints().map(|_| ())
    }

    /// Waits until every checkpoint that was begun is on the disk; gives the path of the newest.
    pub fn flush_checkpoints(&mut self) -> Result<Option<String>> {
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(None) };
        let saved = checkpoints.writer.flush()?;
        let path = saved.map(|saved| saved.path.display().to_string());
        checkpoints.written.clone_from(&path);
        Ok(path)
    }

    /// What the run was begun with, as far as it decides the bits.
    fn config(&self) -> Result<Json> {
        let internal = |error: serde_json::Error| Error::internal(error.to_string());
        let mut options = serde_json::to_value(&self.options).map_err(internal)?;
        if let Some(options) = options.as_object_mut() {
            for key in FREE {
                options.remove(key);
            }
        }
        let architecture = serde_json::to_value(self.learner.model.network.architecture()).map_err(internal)?;
        let teacher = match &self.teacher {
            Some(Teacher::Model(model) | Teacher::Cached(model)) => json!(model.fingerprint()?),
            Some(Teacher::Column) => json!("column"),
            None => Json::Null,
        };
        Ok(json!({
            "options": options,
            "student": architecture,
            "teacher": teacher,
            "data": self.feed.fingerprint(),
            "validation": self.validation.as_ref().map(|validation| validation.data.fingerprint()),
            "instructions": isa::current().name(),
        }))
    }

    fn snapshot(&self) -> Result<Checkpoint> {
        let mut checkpoint = Checkpoint {
            step: self.step,
            epoch: self.feed.epoch,
            cursor: json!({ "epoch": self.feed.epoch, "used": self.feed.used }),
            config: self.config()?,
            seed: self.options.seed,
            threads: self.pool.threads(),
            isa: isa::current().name().into(),
            versions: json!({ "limbeck": env!("CARGO_PKG_VERSION") }),
            state: json!({
                "sums": self.sums,
                "watch": self.watch,
                "findings": self.findings.list,
                "best": self.best.as_ref().map(|(best, _)| best),
                "stale": self.stale,
                "mark": self.mark,
                "controlBest": self.control_best.as_ref().map(|(value, _)| value),
                "validated": self.validated,
                "shown": self.shown,
                "copied": self.copied,
            }),
            tensors: NamedTensors::new(),
        };
        save_learner(&self.learner, "student", &mut checkpoint)?;
        if let Some(control) = &self.control {
            save_learner(control, "control", &mut checkpoint)?;
        }
        if let (Some((_, parameters)), Keep::Best) = (&self.best, self.options.keep) {
            checkpoint.insert_group("best", parameters.snapshot()?);
        }
        if let (Some((_, parameters)), Keep::Best) = (&self.control_best, self.options.keep) {
            checkpoint.insert_group("control.best", parameters.snapshot()?);
        }
        Ok(checkpoint)
    }

    fn restore(&mut self, mut checkpoint: Checkpoint) -> Result<()> {
        fn part<T: serde::de::DeserializeOwned>(json: &Json, key: &str) -> Result<T> {
            serde_json::from_value(json.get(key).cloned().unwrap_or(Json::Null))
                .map_err(|error| Error::new(crate::error::Code::InvalidFile, key, error.to_string()))
        }
        self.step = checkpoint.step;
        self.first_rows = None;
        self.feed.go_to(part(&checkpoint.cursor, "epoch")?, part(&checkpoint.cursor, "used")?, &self.cancel)?;
        self.sums = part::<Sums>(&checkpoint.state, "sums")?;
        self.watch = part::<Watch>(&checkpoint.state, "watch")?;
        self.findings.list = part::<Vec<Finding>>(&checkpoint.state, "findings")?;
        self.stale = part(&checkpoint.state, "stale")?;
        self.mark = part(&checkpoint.state, "mark")?;
        self.validated = part(&checkpoint.state, "validated")?;
        self.shown = part(&checkpoint.state, "shown")?;
        self.copied = part(&checkpoint.state, "copied")?;
        restore_learner(&mut self.learner, "student", &mut checkpoint)?;
        if let Some(control) = &mut self.control {
            restore_learner(control, "control", &mut checkpoint)?;
        }
        self.best = match part::<Option<Best>>(&checkpoint.state, "best")? {
            None => None,
            Some(best) if self.options.keep == Keep::Best => {
                let mut parameters = self.learner.model.parameters.deep_copy()?;
                parameters.assign(checkpoint.take_group("best"))?;
                Some((best, parameters))
            }
            Some(best) => Some((best, Parameters::default())),
        };
        self.control_best = match part::<Option<f64>>(&checkpoint.state, "controlBest")? {
            None => None,
            Some(value) if self.options.keep == Keep::Best => {
                let mut parameters = self.learner.model.parameters.deep_copy()?;
                parameters.assign(checkpoint.take_group("control.best"))?;
                Some((value, parameters))
            }
            Some(value) => Some((value, Parameters::default())),
        };
        Ok(())
    }
}

fn arrays(tensors: BTreeMap<String, Tensor>) -> Result<NamedTensors> {
    tensors.into_iter().map(|(name, tensor)| Ok((name, Array::copy_of(&tensor)?))).collect()
}

fn tensors(arrays: NamedTensors) -> Result<BTreeMap<String, Tensor>> {
    arrays.into_iter().map(|(name, array)| Ok((name, array.into_tensor()?))).collect()
}

fn save_learner(learner: &Learner, group: &str, checkpoint: &mut Checkpoint) -> Result<()> {
    checkpoint.insert_group(group, learner.model.parameters.snapshot()?);
    if let Some(generator) = &learner.generator {
        checkpoint.insert_group(&format!("{group}.generator"), generator.parameters().snapshot()?);
    }
    checkpoint.insert_group(&format!("{group}.losses"), learner.loss_parameters.snapshot()?);
    checkpoint.insert_group(&format!("{group}.optimizer"), arrays(learner.optimizer.export()?)?);
    if let Some(average) = &learner.average {
        checkpoint.insert_group(&format!("{group}.average"), arrays(average.export()?)?);
    }
    Ok(())
}

fn restore_learner(learner: &mut Learner, group: &str, checkpoint: &mut Checkpoint) -> Result<()> {
    learner.model.parameters.assign(checkpoint.take_group(group))?;
    if let Some(generator) = &mut learner.generator {
        generator.parameters_mut().assign(checkpoint.take_group(&format!("{group}.generator")))?;
    }
    learner.loss_parameters.assign(checkpoint.take_group(&format!("{group}.losses")))?;
    learner.optimizer.import(&tensors(checkpoint.take_group(&format!("{group}.optimizer")))?)?;
    if let Some(average) = &mut learner.average {
        average.import(&tensors(checkpoint.take_group(&format!("{group}.average")))?)?;
    }
    Ok(())
}
