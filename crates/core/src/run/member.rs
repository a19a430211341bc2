//! One learner of a run, with its best parameters and its progress since the last report.
//!
//! A run has one member, two with a control run, or two or more in mutual learning.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::checkpoints::part;
use super::entrant::{Entrant, Start};
use super::report::{Best, LearnerReport, Sums};
use super::role::Role;
use super::validation::Validation;
use crate::checkpoint::Checkpoint;
use crate::error::{Code, Result};
use crate::evaluate::Evaluation;
use crate::learner::{At, Learner, REMEDY, Weights};
use crate::metrics::Better;
use crate::models::Model;
use crate::numbers::{StepNumbers, TermReport};
use crate::options::{Keep, TrainOptions};
use crate::parameters::Parameters;
use crate::proofs::{self, Findings, FirstUpdates, Term};

pub(crate) struct Member {
    pub role: Role,
    pub options: TrainOptions,
    pub seed: u64,
    pub learner: Learner,
    pub start: Start,
    pub kept: Kept,
    best: Option<Parameters>,
    sums: Sums,
    /// The sums of the last report, for a report without a step since then.
    shown: Sums,
    /// The first value of every loss.
    first: BTreeMap<String, f64>,
    /// The results of the last step.
    last: StepNumbers,
    /// The earlier runs that trained its initial parameters, the oldest first.
    pub before: Vec<Json>,
}

/// Maximum number of earlier runs in a model's provenance.
const BEFORE: usize = 8;

/// The runs in a model's provenance, the oldest first.
fn runs_of(provenance: &Json) -> Vec<Json> {
    let mut last = provenance.clone();
    let before = last.as_object_mut().and_then(|last| last.remove("before"));
    let mut runs = before.as_ref().and_then(Json::as_array).cloned().unwrap_or_default();
    runs.extend(last.is_object().then_some(last));
    runs.split_off(runs.len().saturating_sub(BEFORE))
}

/// Results of a member's validations.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub best: Option<Best>,
    /// The reference value for improvements in early stopping.
    mark: Option<f64>,
    /// Validations since the last improvement.
    pub stale: u64,
    /// The last validation: its step and accuracy.
    pub validated: (u64, Option<f64>),
}

impl Member {
    pub fn new(entrant: Entrant) -> Result<Member> {
        let Entrant { role, options, parts } = entrant;
        let seed = parts.seed;
        let learner = Learner::new(parts, &options).map_err(|error| error.at(&role.path()))?;
        Ok(Member {
            role,
            options,
            seed,
            before: runs_of(&learner.model.provenance),
            learner,
            start: Start::default(),
            kept: Kept::default(),
            best: None,
            sums: Sums::default(),
            shown: Sums::default(),
            first: BTreeMap::new(),
            last: StepNumbers::default(),
        })
    }

    /// The factor of its schedule for the learning rate.
    fn factor(&self, step: u64, total: Option<u64>) -> f64 {
        self.options.schedule.factor(step, total.unwrap_or(u64::MAX))
    }

    /// Its position in the run, with its seed and learning rate.
    pub fn at(&self, run: &At, total: Option<u64>) -> At {
        At { seed: self.seed, rate: self.factor(run.step, total), ..run.clone() }
    }

    /// Adds the results of a step. The end of an epoch closes the proofs of the first updates early.
    pub fn did(&mut self, numbers: StepNumbers, rate: f64, epoch_ended: bool, findings: &mut Findings) -> Result<()> {
        self.sums.add(&numbers);
        for (name, term) in numbers.terms.iter().filter(|(_, term)| !term.no_rows && term.value.is_finite()) {
            if !self.first.contains_key(*name) {
                self.first.insert(name.to_string(), term.value);
            }
        }
        let full = self.learner.watch.updated(&numbers, rate * self.options.optimizer.learning_rate());
        self.last = numbers;
        if full || (epoch_ended && self.learner.watch.is_open()) { self.close(findings) } else { Ok(()) }
    }

    /// Ends the proofs of the first updates.
    pub fn close(&mut self, findings: &mut Findings) -> Result<()> {
        let Some(seen) = self.learner.watch.close(&self.learner.trained())? else { return Ok(()) };
        let evidence = FirstUpdates { place: &self.role.path(), copied: self.start.copied, seen };
        proofs::first_updates(&evidence, findings)
    }

    /// Each loss of the last step, with its first value and its mean since the last report.
    pub fn terms(&self) -> Vec<Term> {
        let means = if self.sums.steps == 0 { self.shown.terms() } else { self.sums.terms() };
        let term = |(name, last): (&&str, &TermReport)| {
            let (first, mean) = (*self.first.get(*name)?, *means.get(*name)?);
            Some(Term { weight: last.weight, first, mean, last: last.value })
        };
        self.last.terms.iter().filter_map(term).collect()
    }

    /// Records the results of a validation after this step.
    pub fn validated(&mut self, validation: &Validation, evaluation: &Evaluation, step: u64) -> Result<()> {
        let (metric, value, better) = validation.score(evaluation, &self.options)?;
        let margin = self.options.early_stop.as_ref().map_or(0.0, |stop| stop.min_delta);
        let exceeds = |before: Option<f64>, margin: f64| match before {
            None => true,
            Some(before) if better == Better::Higher => value > before + margin,
            Some(before) => value < before - margin,
        };
        if exceeds(self.kept.best.as_ref().map(|best| best.value), 0.0) {
            self.kept.best = Some(Best { step, metric: metric.into(), value, better });
            self.best = match self.options.keep {
                Keep::Best => Some(self.current()?.parameters.deep_copy()?),
                Keep::Last => None,
            };
        }
        if exceeds(self.kept.mark, margin) {
            (self.kept.mark, self.kept.stale) = (Some(value), 0);
        } else {
            self.kept.stale += 1;
        }
        self.kept.validated = (step, evaluation.accuracy);
        Ok(())
    }

    /// Whether it has stopped improving.
    pub fn is_stale(&self) -> bool {
        self.options.early_stop.as_ref().is_some_and(|stop| self.kept.stale >= stop.patience)
    }

    /// The step whose parameters are kept at the end.
    pub fn kept_step(&self, step: u64) -> u64 {
        match (&self.kept.best, self.options.keep) {
            (Some(best), Keep::Best) => best.step,
            _ => step,
        }
    }

    /// The accuracy of the parameters that are kept after this step, if known.
    pub fn accuracy(&self, step: u64) -> Option<f64> {
        match (&self.kept.best, self.options.keep) {
            (Some(best), Keep::Best) => (best.metric == "accuracy").then_some(best.value),
            _ => self.kept.validated.1.filter(|_| self.kept.validated.0 == step),
        }
    }

    /// The student: the best parameters if they are kept, else the current ones. The numbers are copies.
    pub fn student(&self) -> Result<Model> {
        let mut model = match &self.best {
            Some(_) => self.learner.current()?,
            None => self.current()?,
        };
        model.parameters = match &self.best {
            Some(parameters) => parameters.deep_copy()?,
            None => model.parameters.deep_copy()?,
        };
        Ok(model)
    }

    /// The student after the last step, or its running average if there is one; an error if the parameters are not finite.
    pub fn current(&self) -> Result<Model> {
        self.sound(self.learner.current()?)
    }

    /// The model, or an error if its parameters are not finite. Checked before parameters are published, kept or written.
    fn sound(&self, model: Model) -> Result<Model> {
        match model.parameters.expect_finite(Code::NotFinite, &format!(" after the last step{REMEDY}")) {
            Ok(()) => Ok(model),
            Err(error) => Err(error.at("parameters").at(&self.role.path())),
        }
    }

    /// Its progress since the last report, and the number of rows.
    pub fn report(&mut self, step: u64, total: Option<u64>, validation: Option<Evaluation>) -> (LearnerReport, usize) {
        let mut sums = std::mem::take(&mut self.sums);
        if sums.steps == 0 {
            sums = Sums { rows: 0, ..self.shown.clone() };
        }
        self.shown = sums.clone();
        let norms = self.last.terms.iter().filter_map(|(name, term)| Some((name.to_string(), term.gradient_norm?)));
        let report = LearnerReport {
            loss: sums.mean(sums.loss),
            terms: sums.terms(),
            gradient_norms: norms.collect(),
            details: sums.details(),
            gradient_norm: self.last.gradient_norm,
            learning_rate: self.factor(step.saturating_sub(1), total) * self.options.optimizer.learning_rate(),
            validation,
        };
        (report, sums.rows)
    }

    /// Adds everything that determines its bits to a checkpoint; returns the part that is not a tensor.
    pub fn save(&self, checkpoint: &mut Checkpoint) -> Result<Json> {
        let (group, learner) = (&self.role.group(), &self.learner);
        self.sound(learner.model.clone())?;
        checkpoint.insert_group(group, learner.model.parameters.snapshot()?);
        if let Some(generator) = learner.weights.generator() {
            checkpoint.insert_group(&format!("{group}.generator"), generator.parameters().snapshot()?);
        }
        checkpoint.insert_group(&format!("{group}.losses"), learner.loss_parameters.snapshot()?);
        checkpoint.insert_tensors(&format!("{group}.optimizer"), learner.optimizer.export()?)?;
        if let Some(average) = &learner.average {
            checkpoint.insert_tensors(&format!("{group}.average"), average.export()?)?;
        }
        learner.teachers.save(checkpoint, group)?;
        if let Some(best) = &self.best {
            checkpoint.insert_group(&format!("{group}.best"), best.snapshot()?);
        }
        Ok(json!({
            "sums": self.sums, "shown": self.shown, "watch": learner.watch, "copied": self.start.copied, "kept": self.kept,
            "before": self.before, "first": self.first,
        }))
    }

    /// Restores the state that `save` has written.
    pub fn restore(&mut self, checkpoint: &mut Checkpoint, state: &Json) -> Result<()> {
        self.sums = part(state, "sums")?;
        self.shown = part(state, "shown")?;
        self.learner.watch = part(state, "watch")?;
        self.start.copied = part(state, "copied")?;
        self.kept = part(state, "kept")?;
        // Checkpoints of version 0.1 do not contain these.
        if state.get("before").is_some() {
            self.before = part(state, "before")?;
        }
        if state.get("first").is_some() {
            self.first = part(state, "first")?;
        }
        let (group, learner) = (&self.role.group(), &mut self.learner);
        learner.model.parameters.assign(checkpoint.take_group(group))?;
        if let Weights::Generated(generator) = &mut learner.weights {
            generator.parameters_mut().assign(checkpoint.take_group(&format!("{group}.generator")))?;
        }
        learner.loss_parameters.assign(checkpoint.take_group(&format!("{group}.losses")))?;
        learner.optimizer.import(&checkpoint.take_tensors(&format!("{group}.optimizer"))?)?;
        if let Some(average) = &mut learner.average {
            average.import(&checkpoint.take_tensors(&format!("{group}.average"))?)?;
        }
        learner.teachers.restore(checkpoint, group)?;
        if self.kept.best.is_some() && self.options.keep == Keep::Best {
            let mut best = learner.model.parameters.deep_copy()?;
            best.assign(checkpoint.take_group(&format!("{group}.best")))?;
            self.best = Some(best);
        }
        Ok(())
    }
}
