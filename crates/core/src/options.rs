//! The options of a training run, as they cross from JavaScript once, as JSON.
//!
//! Unknown keys and bad values are refused by path: `losses.kl.temperature: expected a number above 0, got -1`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dataset::Augment;
use crate::error::{Error, Result};
use crate::learning_rate::Schedule;
use crate::losses::{LossesOptions, presets};
use crate::metrics::{MetricChoice, Metrics};
use crate::optimizers::OptimizerOptions;
use crate::proofs::Proofs;
use crate::teacher::Combine;
use crate::weights::GeneratorOptions;

/// Options of `train` and `distill` besides models and data.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainOptions {
    /// What is minimised: the sum over the losses of weight · value. At least one weight above 0. Or the name of a preset,
    /// a mixture as its authors released it.
    #[serde(deserialize_with = "presets::read")]
    #[schemars(with = "presets::LossesOrPreset")]
    pub losses: LossesOptions,
    /// Makes the student's parameters from the teacher's and trains what makes them (phase 1 of Weight Distillation); in
    /// the end the student has them as plain numbers. `freeze`, `average` and `optimizer` then mean the generator's own
    /// parameters, `layers.0.weight.wOut` and others. Default: the student's parameters are trained themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<GeneratorOptions>,
    /// How parameters are changed. Default: adamW with its defaults.
    #[serde(default)]
    pub optimizer: OptimizerOptions,
    /// Multiplies the optimizer's learning rate. Default: constant.
    #[serde(default)]
    pub schedule: Schedule,
    /// Rows of one batch; 1…2³¹. Default: 64.
    #[serde(default = "sixty_four")]
    pub batch_size: usize,
    /// Batches whose gradients make one optimizer step; 1…2²⁰. Row losses without batch norm give what one big
    /// batch gives. Default: 1.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// Passes over the data; 1…2³¹. Default: 1 where `steps` is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Optimizer steps, instead of epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Everything random follows from it: an integer of 0…2⁵³ − 1. Default: 0.
    #[serde(default)]
    pub seed: u64,
    /// Whether rows come in a new order each epoch. Default: true.
    #[serde(default = "yes")]
    pub shuffle: bool,
    /// Whether the last batch of an epoch is left out when it is smaller. Default: false.
    #[serde(default)]
    pub drop_last: bool,
    /// Random changes of the inputs, keyed by sample and epoch.
    #[serde(default, skip_serializing_if = "Augment::is_empty")]
    pub augment: Augment,
    /// Gradients are scaled down to this global norm where it is larger; above 0. Default: they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// A running average of the parameters (EMA), which validation uses and the run keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<AverageOptions>,
    /// Parameters that stay as they are: names, layer names, or patterns with `*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// Optimizer steps between two validations. Default: one validation after each epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_every: Option<u64>,
    /// Stops when validation no longer improves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stop: Option<EarlyStopOptions>,
    /// Which parameters the student has in the end: those of the last step, or of the best validation. Default: `last`.
    #[serde(default)]
    pub keep: Keep,
    /// Metrics of the validation in addition to accuracy, loss and agreement: `{ calibrationError: { bins: 15 } }`.
    #[serde(default, skip_serializing_if = "Metrics::is_empty")]
    pub metrics: Metrics,
    /// The metric that `keep: 'best'` and `earlyStop` compare validations by; its options are those under `metrics`.
    /// Default: accuracy for one label per row, `loss` for other labels; without labels the agreement with the teacher,
    /// or the distance to its outputs where no loss treats them as classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<MetricChoice>,
    /// Optimizer steps between two reports; at least 1. Between them nothing in JavaScript runs. Default: 50.
    #[serde(default = "fifty")]
    pub report_every: u64,
    /// Trains the same student from the same start with the same batches a second time, without a teacher, and reports
    /// both. Where some rows of a data set have no label, it has batches of its own: as large, and every row has a label.
    /// Doubles the student's cost. Default: false.
    #[serde(default)]
    pub control: bool,
    /// How several teachers are combined. Default: `losses`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combine: Option<Combine>,
    /// Permutes the teacher's logits of the wrong classes, anew for every row in each epoch (DKPP): its confidence stays,
    /// its class relations go. Default: false.
    #[serde(default, skip_serializing_if = "is_not")]
    pub permute_teacher: bool,
    /// Multiplies each row's weight by the teacher's largest probability (CWTM): rows count as much as the teacher is
    /// confident. Default: false.
    #[serde(default, skip_serializing_if = "is_not")]
    pub weight_rows_by_teacher: bool,
    /// Whether the teacher is asked once about each row, before the first step, where nothing is augmented and rows come
    /// more than once. Otherwise it is asked at every step. Default: true.
    #[serde(default = "yes")]
    pub cache_teacher: bool,
    /// What happens when a proof finds that the run is not what it looks like (docs/proofs.md lists the proofs): `warn`
    /// puts it in the report and prints a warning, `strict` ends the run with `ERR_LIMBECK_PROOF_FAILED`, `off` runs no
    /// proof. Default: `warn`.
    #[serde(default)]
    pub proofs: Proofs,
    /// Writes the whole state of the run to a folder, so that it can be resumed to the same bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointOptions>,
    /// Threads of the arithmetic; 1…1024. Default: one less than this process may use. Any number gives the same
    /// bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// How far the run's threads stand back behind the event loop, the threads of `fs` and `dns`, and other processes:
    /// added to the niceness of this process; 0…19, on Linux alone. Costs nothing while a core is free; beside a busy
    /// process on the same core a run gets a tenth at 10 and half at 0. The command line, which has no event loop to
    /// spare, begins at 0. Any number gives the same bits. Default: 10.
    #[serde(default = "ten")]
    pub niceness: u8,
    /// The run is refused where it would need more native memory than this; bytes. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory_bytes: Option<u64>,
    /// Where the arithmetic runs. Default: `auto`.
    #[serde(default)]
    pub backend: Backend,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Backend {
    /// The best there is.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// An NVIDIA GPU: refused until this version can use one.
    Cuda,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Keep {
    /// The parameters of the last step.
    #[default]
    Last,
    /// The parameters of the best validation.
    Best,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AverageOptions {
    /// Share of the old average that is kept at each step; 0 ≤ decay < 1. Default: 0.999.
    #[serde(default = "decay")]
    pub decay: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EarlyStopOptions {
    /// Validations without improvement after which the run stops; at least 1.
    pub patience: u64,
    /// What counts as improvement: more than this; at least 0. Default: 0.
    #[serde(default)]
    pub min_delta: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckpointOptions {
    /// The run folder; made if it is not there.
    pub folder: String,
    /// Optimizer steps between two checkpoints; at least 1. Default: one after each epoch, and one at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// How many are kept; at least 1. Default: 3.
    #[serde(default = "three")]
    pub keep: usize,
    /// Whether to go on from the newest checkpoint in the folder, if there is one. Default: false.
    #[serde(default)]
    pub resume: bool,
}

fn sixty_four() -> usize {
    64
}
fn one() -> usize {
    1
}
fn three() -> usize {
    3
}
fn ten() -> u8 {
    10
}
fn fifty() -> u64 {
    50
}
fn decay() -> f64 {
    0.999
}
fn is_not(asked: &bool) -> bool {
    !asked
}
fn yes() -> bool {
    true
}

/// More would cost the host its memory before the machine could refuse.
const MOST_THREADS: u64 = 1024;
/// Rows of a batch, and epochs: their product with another count of rows still fits 64 bits.
const MOST_ROWS: u64 = 1 << 31;
/// Batches of a step, and checkpoints that are kept.
const MOST_BATCHES: u64 = 1 << 20;
/// What JavaScript counts exactly.
const MOST_STEPS: u64 = (1 << 53) - 1;

impl TrainOptions {
    pub fn validate(&self) -> Result<()> {
        let counts = |key: &str, value: u64, most: u64| match value {
            0 => Err(Error::config(key, "expected an integer above 0, got 0")),
            _ if value > most => Err(Error::config(key, format!("expected at most {most}, got {value}"))),
            _ => Ok(()),
        };
        if let Some(generator) = &self.generator {
            generator.validate().map_err(|error| error.at("generator"))?;
        }
        self.optimizer.validate().map_err(|error| error.at("optimizer"))?;
        self.schedule.validate().map_err(|error| error.at("schedule"))?;
        counts("batchSize", self.batch_size as u64, MOST_ROWS)?;
        counts("accumulate", self.accumulate as u64, MOST_BATCHES)?;
        counts("reportEvery", self.report_every, MOST_STEPS)?;
        if let Some(epochs) = self.epochs {
            counts("epochs", epochs, MOST_ROWS)?;
        }
        if let Some(steps) = self.steps {
            counts("steps", steps, MOST_STEPS)?;
        }
        if self.epochs.is_some() && self.steps.is_some() {
            return Err(Error::config("steps", "expected either steps or epochs, got both"));
        }
        if self.seed > (1 << 53) - 1 {
            return Err(Error::config("seed", format!("expected an integer of 0…2⁵³ − 1, got {}", self.seed)));
        }
        if let Some(every) = self.validate_every {
            counts("validateEvery", every, MOST_STEPS)?;
        }
        if let Some(metric) = self.metric.filter(|metric| metric.better().is_none()) {
            let message =
                format!("expected a metric that ranks models, such as accuracy or loss, got {}", metric.name());
            return Err(Error::config("metric", message));
        }
        if let Some(threads) = self.threads {
            counts("threads", threads as u64, MOST_THREADS)?;
        }
        if self.niceness > 19 {
            return Err(Error::config("niceness", format!("expected an integer of 0…19, got {}", self.niceness)));
        }
        self.augment.validate().map_err(|error| error.at("augment"))?;
        if let Some(norm) = self.clip_norm
            && !(norm > 0.0 && norm.is_finite())
        {
            return Err(Error::config("clipNorm", format!("expected a number above 0, got {norm}")));
        }
        if let Some(average) = &self.average
            && !(0.0..1.0).contains(&average.decay)
        {
            return Err(Error::config("average.decay", format!("expected 0 ≤ decay < 1, got {}", average.decay)));
        }
        if let Some(stop) = &self.early_stop {
            counts("earlyStop.patience", stop.patience, MOST_STEPS)?;
            if !(stop.min_delta >= 0.0 && stop.min_delta.is_finite()) {
                return Err(Error::config(
                    "earlyStop.minDelta",
                    format!("expected at least 0, got {}", stop.min_delta),
                ));
            }
        }
        if let Some(checkpoint) = &self.checkpoint {
            counts("checkpoint.keep", checkpoint.keep as u64, MOST_BATCHES)?;
            if let Some(every) = checkpoint.every {
                counts("checkpoint.every", every, MOST_STEPS)?;
            }
            if checkpoint.folder.is_empty() {
                return Err(Error::config("checkpoint.folder", "expected a path, got an empty text"));
            }
        }
        if self.backend == Backend::Cuda {
            return Err(Error::new(
                crate::error::Code::Backend,
                "backend",
                "cuda is not part of this version; use 'cpu' or 'auto'",
            ));
        }
        Ok(())
    }
}
