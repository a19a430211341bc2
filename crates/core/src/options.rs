//! The options of a training run. JavaScript passes them once, as JSON.
//!
//! Unknown keys and invalid values are rejected with their path: `losses.kl.temperature: expected a number above 0, got -1`.

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
    /// The losses to minimise: the total is the sum of weight × loss, and at least one weight must be above 0. Or the
    /// name of a preset, which is a mixture of losses as its authors released it.
    #[serde(deserialize_with = "presets::read")]
    #[schemars(with = "presets::LossesOrPreset")]
    pub losses: LossesOptions,
    /// Trains a generator that computes the student's parameters from the teacher's (phase 1 of Weight Distillation).
    /// At the end the student gets the computed numbers. With a generator, `freeze`, `average` and `optimizer` apply to
    /// the generator's own parameters, such as `layers.0.weight.wOut`. Default: the student's parameters are trained
    /// directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<GeneratorOptions>,
    /// How gradients change the parameters. Default: adamW with its defaults.
    #[serde(default)]
    pub optimizer: OptimizerOptions,
    /// Factor of the optimizer's learning rate at each step. Default: constant.
    #[serde(default)]
    pub schedule: Schedule,
    /// Rows per batch; 1…2³¹. Default: 64.
    #[serde(default = "sixty_four")]
    pub batch_size: usize,
    /// Batches per optimizer step, whose gradients are combined; 1…2²⁰. For row losses and models without batch norm,
    /// the result is that of one large batch. Default: 1.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// Passes over the data; 1…2³¹. Default: 1 if `steps` is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Number of optimizer steps, as an alternative to `epochs`; 1…2⁵³ − 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Seed of all random numbers: an integer in 0…2⁵³ − 1. Default: 0.
    #[serde(default)]
    pub seed: u64,
    /// Whether each epoch takes the rows in a new random order. Default: true.
    #[serde(default = "yes")]
    pub shuffle: bool,
    /// Whether the last batch of an epoch is left out if it is smaller than the others. Default: false.
    #[serde(default)]
    pub drop_last: bool,
    /// Random changes of the inputs, drawn anew for each sample in each epoch. Default: none.
    #[serde(default, skip_serializing_if = "Augment::is_empty")]
    pub augment: Augment,
    /// Largest global norm of the gradients: larger gradients are scaled down to it. Above 0. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// A running average (EMA) of the parameters. Validation uses it, and it is what the student keeps. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<AverageOptions>,
    /// Parameters that are not trained: names of parameters or layers, or patterns with `*`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// Optimizer steps between two validations; at least 1. Default: one validation after each epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_every: Option<u64>,
    /// Stops the run when validation no longer improves. Default: the run does not stop early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stop: Option<EarlyStopOptions>,
    /// Which parameters the student keeps: those of the last step, or those of the best validation. Default: `last`.
    #[serde(default)]
    pub keep: Keep,
    /// Metrics to compute at each validation in addition to accuracy, loss and agreement, such as
    /// `{ calibrationError: { bins: 15 } }`. Default: none.
    #[serde(default, skip_serializing_if = "Metrics::is_empty")]
    pub metrics: Metrics,
    /// The metric by which `keep: 'best'` and `earlyStop` compare validations; its options are set under `metrics`.
    /// Default: accuracy for one label per row, `loss` for other labels. Without labels: the agreement with the
    /// teacher, or the distance to the teacher's outputs if no loss treats them as classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<MetricChoice>,
    /// Optimizer steps between two reports; at least 1. The run executes no JavaScript between them. Default: 50.
    #[serde(default = "fifty")]
    pub report_every: u64,
    /// Trains the same student a second time, from the same start and with the same batches but without a teacher, and
    /// reports both. If some rows of a data set have no label, the second training gets batches of the same size in
    /// which every row has a label. Doubles the student's cost. Default: false.
    #[serde(default)]
    pub control: bool,
    /// How several teachers are combined. Default: `losses`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combine: Option<Combine>,
    /// Permutes the teacher's logits of the wrong classes, anew for each row in each epoch (DKPP). This keeps the
    /// teacher's confidence and removes its class relations. Default: false.
    #[serde(default, skip_serializing_if = "is_not")]
    pub permute_teacher: bool,
    /// Multiplies each row's weight by the teacher's largest probability (CWTM): rows count in proportion to the
    /// teacher's confidence. Default: false.
    #[serde(default, skip_serializing_if = "is_not")]
    pub weight_rows_by_teacher: bool,
    /// Whether the teacher's outputs for each row are computed once, before the first step, and then reused. This needs
    /// inputs without augmentation and rows that occur more than once. Otherwise the teacher runs at every step.
    /// Default: true.
    #[serde(default = "yes")]
    pub cache_teacher: bool,
    /// What happens when a proof finds a mistake in the run (docs/proofs.md lists the proofs): `warn` adds a finding to
    /// the report and prints a warning, `strict` ends the run with `ERR_LIMBECK_PROOF_FAILED`, `off` runs no proof.
    /// Default: `warn`.
    #[serde(default)]
    pub proofs: Proofs,
    /// Writes the complete state of the run to a folder. A run that is resumed from it ends with the same bits.
    /// Default: no checkpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointOptions>,
    /// Threads of the computation; 1…1024. The result has the same bits for any number. Default: one less than this
    /// process may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Niceness of the run's threads, added to that of this process; 0…19, only on Linux. At a higher niceness the
    /// event loop, the threads of `fs` and `dns`, and other processes take precedence over the run. Niceness costs
    /// nothing while a core is free; on a core that a busy process shares, a run gets half of the time at 0 and a tenth
    /// at 10. The command line uses 0 by default, because it has no event loop to protect. The result has the same bits
    /// for any value. Default: 10.
    #[serde(default = "ten")]
    pub niceness: u8,
    /// Limit of the run's native memory in bytes; a run that needs more is refused. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory_bytes: Option<u64>,
    /// Device of the computation. Default: `auto`.
    #[serde(default)]
    pub backend: Backend,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Backend {
    /// The best available device.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU; this version rejects it.
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
    /// Number of validations without improvement after which the run stops; at least 1.
    pub patience: u64,
    /// A validation counts as an improvement if the metric improves by more than this; at least 0. Default: 0.
    #[serde(default)]
    pub min_delta: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckpointOptions {
    /// The run folder. It is created if it does not exist.
    pub folder: String,
    /// Optimizer steps between two checkpoints; at least 1. Default: one checkpoint after each epoch, and one at the
    /// end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Number of checkpoints to keep; at least 1. Default: 3.
    #[serde(default = "three")]
    pub keep: usize,
    /// Whether the run continues from the newest checkpoint in the folder, if there is one. Default: false.
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
fn is_not(flag: &bool) -> bool {
    !flag
}
fn yes() -> bool {
    true
}

/// More threads could use up the machine's memory before the system refuses to start one.
const MOST_THREADS: u64 = 1024;
/// Limit of `batchSize` and `epochs`: their product with a number of rows still fits in 64 bits.
const MOST_ROWS: u64 = 1 << 31;
/// Limit of `accumulate` and `checkpoint.keep`.
const MOST_BATCHES: u64 = 1 << 20;
/// The largest integer that JavaScript represents exactly.
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
            return Err(Error::config("steps", "expected either steps or epochs, got both: remove one of them"));
        }
        if self.seed > (1 << 53) - 1 {
            return Err(Error::config("seed", format!("expected an integer from 0 to 2⁵³ − 1, got {}", self.seed)));
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
            return Err(Error::config("niceness", format!("expected an integer from 0 to 19, got {}", self.niceness)));
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
            return Err(Error::config(
                "average.decay",
                format!("expected a number of at least 0 and below 1, got {}", average.decay),
            ));
        }
        if let Some(stop) = &self.early_stop {
            counts("earlyStop.patience", stop.patience, MOST_STEPS)?;
            if !(stop.min_delta >= 0.0 && stop.min_delta.is_finite()) {
                return Err(Error::config(
                    "earlyStop.minDelta",
                    format!("expected a number of at least 0, got {}", stop.min_delta),
                ));
            }
        }
        if let Some(checkpoint) = &self.checkpoint {
            counts("checkpoint.keep", checkpoint.keep as u64, MOST_BATCHES)?;
            if let Some(every) = checkpoint.every {
                counts("checkpoint.every", every, MOST_STEPS)?;
            }
            if checkpoint.folder.is_empty() {
                return Err(Error::config("checkpoint.folder", "expected a path, got an empty string"));
            }
        }
        if self.backend == Backend::Cuda {
            return Err(Error::new(
                crate::error::Code::Backend,
                "backend",
                "expected 'cpu' or 'auto', got 'cuda': this version does not support GPUs",
            ));
        }
        Ok(())
    }
}
