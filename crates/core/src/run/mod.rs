//! A run: many steps of one learner over epochs, with validation, early stop, best parameters, a control run
//! beside it, checkpoints, proofs, and reports that are pulled.

mod answers;
mod control;
mod feed;
mod preflight;
mod report;
mod resume;
mod validation;

pub use feed::{Data, Stream};
pub use report::{Best, ControlReport, Report, RunSummary};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::batch::LabelKind;
use crate::check::{self, Findings, Watch};
use crate::dataset::{BatchOptions, Dataset};
use crate::error::{Code, Error, Result};
use crate::generator::Origin;
use crate::learner::{At, Learner, LearnerOptions, StepNumbers, Teacher};
use crate::losses::Losses;
use crate::models::Model;
use crate::options::{Keep, Proofs, TrainOptions};
use crate::parameters::Parameters;
use crate::pool::Pool;
use feed::Feed;
use preflight::{FirstRows, InputStatistics};
use report::Sums;
use validation::Validation;

/// Everything a run needs; it takes copies of what it changes.
pub struct Setup {
    pub student: Model,
    pub teacher: Option<Teacher>,
    pub data: Data,
    pub validation: Option<Dataset>,
    pub options: TrainOptions,
    /// Set by somebody else to stop the run between two operations.
    pub cancel: Arc<AtomicBool>,
}

pub struct Run {
    options: TrainOptions,
    learner: Learner,
    /// The same student from the same start, without teacher.
    control: Option<Learner>,
    teacher: Option<Teacher>,
    /// Whom the steps ask: the teacher, or its answers beside the data.
    asked: Option<Teacher>,
    /// Training rows that the teacher was asked about.
    teacher_rows: u64,
    feed: Feed,
    validation: Option<Validation>,
    pool: Pool,
    cancel: Arc<AtomicBool>,
    /// Set by somebody who waits for the run to pause: the next whole step ends with a report.
    hurry: Arc<AtomicBool>,
    /// Optimizer steps of the whole run, where they are known.
    total: Option<u64>,
    step: u64,
    watch: Watch,
    findings: Findings,
    teacher_digest: Option<u64>,
    /// The student began as a copy of the teacher: a loss between them may well be 0.
    copied: bool,
    /// The teacher of a stream is judged by them.
    first_rows: Option<FirstRows>,
    sums: Sums,
    /// What the last report was made of: shown again where there was no step since.
    shown: Sums,
    best: Option<(Best, Parameters)>,
    /// The control run's best: its value, and its parameters where they are kept.
    control_best: Option<(f64, Parameters)>,
    /// The value that early stopping measures improvements from.
    mark: Option<f64>,
    /// The last validation: its step and accuracy.
    validated: (u64, Option<f64>),
    /// Validations since the last improvement.
    stale: u64,
    inputs: Option<InputStatistics>,
    checkpoints: Option<resume::Checkpoints>,
    started: Instant,
    /// When the next report was asked for.
    reported: Instant,
    ended: Option<&'static str>,
}

/// Refuses what cannot work, by path, without beginning: what `Run::new` looks at first.
pub fn check(setup: &Setup) -> Result<()> {
    checked(setup).map(|_| ())
}

/// The losses of a run that can work.
fn checked(setup: &Setup) -> Result<Losses> {
    setup.options.validate()?;
    preflight::check(&setup.student, setup.teacher.as_ref(), &setup.data, setup.validation.as_ref(), &setup.options)
}

impl Run {
    /// Checks everything that can be checked before the first step; with `checkpoint.resume` takes up where the
    /// newest checkpoint ended.
    pub fn new(setup: Setup) -> Result<Run> {
        let losses = checked(&setup)?;
        let Setup { student, teacher, data, validation, options, cancel } = setup;
        let pool = Pool::new(options.threads)?;
        let mut findings = Findings::new(options.proofs);
        let batches = BatchOptions {
            batch_size: options.batch_size,
            shuffle: options.shuffle,
            drop_last: options.drop_last,
            seed: options.seed,
            augment: options.augment.clone(),
            pairs: losses.needs_pairs(),
        };
        let sample = match &data {
            Data::Dataset(dataset) => Some(preflight::some_rows(dataset)?),
            Data::Stream(_) => None,
        };
        let before = pool.enter(|| {
            preflight::prove(&student, teacher.as_ref(), sample, validation.as_ref(), &options, &mut findings, &cancel)
        })?;
        let validation = validation
            .map(|data| pool.enter(|| Validation::new(data, teacher.as_ref(), &options.metrics, &cancel)))
            .transpose()?;
        let labels = match &data {
            Data::Dataset(dataset) => dataset.label_kind(),
            Data::Stream(_) => LabelKind::Single,
        };
        let total = match (options.steps, data.steps_per_epoch(&batches, options.accumulate)?) {
            (Some(steps), _) => Some(steps),
            (None, Some(per_epoch)) => Some(per_epoch.saturating_mul(options.epochs.unwrap_or(1))),
            (None, None) => None,
        };
        if total.is_none() && options.schedule.needs_total() {
            return Err(Error::config(
                "steps",
                "expected the count of steps: this schedule runs over the whole training, and a stream does not say how long it is",
            ));
        }
        // A generator reads the teacher's parameters; its answers are asked for where a loss compares with them.
        let asked = teacher.clone().filter(|_| losses.needs_teacher());
        let (data, asked) = match losses.teacher_layers().is_empty() {
            true => answers::asked_once(data, asked, &options, total, &pool, &cancel)?,
            false => (data, asked),
        };
        let teacher_rows = match (&data, &asked) {
            (Data::Dataset(dataset), Some(Teacher::Cached(_))) => dataset.rows() as u64,
            _ => 0,
        };
        let first_rows = FirstRows::of(&data, teacher.as_ref(), validation.as_ref().map(|held| &held.data), options.proofs);
        let feed = Feed::new(data, batches, options.accumulate);
        let made_from = match (&teacher, &options.generator) {
            (Some(Teacher::Model(model)), Some(generator)) => Some((model.as_ref(), generator)),
            _ => None,
        };
        let learner_options = |losses, generator| LearnerOptions {
            losses,
            teacher: teacher.as_ref().and_then(Teacher::network),
            generator,
            seed: options.seed,
            optimizer: &options.optimizer,
            freeze: &options.freeze,
            clip_norm: options.clip_norm,
            average_decay: options.average.as_ref().map(|average| average.decay),
        };
        let learner = Learner::new(&student, &learner_options(&options.losses, made_from))?;
        let control = match options.control {
            true => {
                let losses = control::without_teacher(&options.losses, labels)?;
                Some(Learner::new(&student, &learner_options(&losses, None))?)
            }
            false => None,
        };
        let watch = match options.proofs {
            Proofs::Off => Watch::off(),
            _ => {
                let cancelled = learner.model.network.cancelled_biases();
                Watch::new(&learner.trained(), |name| learner.trains(name) && !learner.cancelled(name, &cancelled))?
            }
        };
        let teacher_digest = match &teacher {
            Some(Teacher::Model(model)) if options.proofs != Proofs::Off => Some(check::digest_all(&model.parameters)?),
            _ => None,
        };
        let now = Instant::now();
        let mut run = Run {
            learner,
            control,
            teacher,
            asked,
            teacher_rows,
            feed,
            validation,
            pool,
            cancel,
            hurry: Arc::default(),
            total,
            step: 0,
            watch,
            findings,
            teacher_digest,
            copied: before.copied,
            first_rows,
            sums: Sums::default(),
            best: None,
            control_best: None,
            mark: None,
            validated: (0, None),
            shown: Sums::default(),
            stale: 0,
            inputs: before.inputs,
            checkpoints: resume::Checkpoints::new(&options)?,
            started: now,
            reported: now,
            ended: None,
            options,
        };
        run.resume()?;
        Ok(run)
    }

    /// Once this flag is set, `next` reports after the step that it is in.
    pub fn hurry_when(&mut self, flag: Arc<AtomicBool>) {
        self.hurry = flag;
    }

    /// Optimizer steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Trains up to the next report. `None` after the last one, which holds the summary.
    /// An error leaves the run as it is; it must not be used further.
    #[allow(clippy::should_implement_trait)] // that one could not fail
    pub fn next(&mut self) -> Result<Option<Report>> {
        if self.ended.is_some() {
            return Ok(None);
        }
        // Who holds a report for a while does not make the run slower.
        self.reported = Instant::now();
        loop {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(Error::cancelled());
            }
            // A run that was resumed after its end has nothing left to do but to say so.
            if let Some(ended) = self.over() {
                return self.finish(ended, None).map(Some);
            }
            let Some(done) = self.one_step()? else { return self.finish("finished", None).map(Some) };
            let last = self.total.is_some_and(|total| self.step >= total);
            let due = match self.options.validate_every {
                Some(every) => self.step.is_multiple_of(every),
                None => done.ended_epoch,
            };
            let mut validated = None;
            if (due || last) && self.validation.is_some() {
                validated = self.validate()?;
            }
            if let Some(ended) = self.over() {
                return self.finish(ended, Some((done, validated))).map(Some);
            }
            self.checkpoint_if_due(done.ended_epoch)?;
            let hurry = self.hurry.load(Ordering::Relaxed);
            if validated.is_some() || hurry || self.step.is_multiple_of(self.options.report_every) {
                return self.report(&done, validated).map(Some);
            }
        }
    }

    /// Why the run is over, if it is.
    fn over(&self) -> Option<&'static str> {
        let early = self.options.early_stop.as_ref().is_some_and(|stop| self.stale >= stop.patience);
        let last = self.total.is_some_and(|total| self.step >= total);
        if early { Some("earlyStop") } else { last.then_some("finished") }
    }

    fn one_step(&mut self) -> Result<Option<Done>> {
        let Run { feed, learner, control, teacher, asked, pool, watch, options, cancel, first_rows, findings, .. } = self;
        let next_step = self.step + 1;
        let rate = options.schedule.factor(self.step, self.total.unwrap_or(u64::MAX));
        let last = self.total == Some(next_step);
        let norms = last
            || next_step.is_multiple_of(options.report_every)
            || (watch.is_open() && (next_step <= 5 || next_step.is_multiple_of(10)));
        let at = At { step: self.step, seed: options.seed, rate, norms, cancel: cancel.clone() };
        let epoch = feed.epoch;
        let step = pool.enter(|| -> Result<_> {
            let Some(group) = feed.next(cancel)? else { return Ok(None) };
            if let (Some(first), Some(teacher)) = (first_rows, teacher) {
                group.batches.iter().try_for_each(|batch| first.see(teacher, batch, cancel, findings))?;
            }
            let numbers = learner.step(&group.batches, asked.as_ref(), &at, watch)?;
            let control = match control {
                Some(control) => Some(control.step(&group.batches, None, &at, &mut Watch::off())?),
                None => None,
            };
            Ok(Some((numbers, control, group.ends_epoch)))
        })?;
        let Some((numbers, control, ended_epoch)) = step else { return Ok(None) };
        if !numbers.loss.is_finite() {
            let message = format!("the loss is {} at step {next_step}", numbers.loss);
            return Err(Error::new(Code::NotFinite, "losses", message));
        }
        if self.step == 0 {
            preflight::first_loss(&numbers, &self.learner.model, &mut self.findings)?;
        }
        if self.first_rows.as_ref().is_some_and(FirstRows::are_enough) {
            self.judge_first_rows()?;
        }
        self.step = next_step;
        self.sums.add(&numbers, control.as_ref());
        if matches!(self.asked, Some(Teacher::Model(_))) {
            self.teacher_rows += numbers.rows as u64;
        }
        let learning_rate = rate * self.options.optimizer.learning_rate();
        let full = self.watch.updated(&numbers, learning_rate);
        if full || (ended_epoch && self.watch.is_open()) {
            self.watch.close(&self.learner.trained(), self.copied, &mut self.findings)?;
        }
        Ok(Some(Done { numbers, learning_rate, epoch, ended_epoch }))
    }

    fn judge_first_rows(&mut self) -> Result<()> {
        match (self.first_rows.take(), &self.teacher) {
            (Some(first), Some(teacher)) => first.judge(teacher, &mut self.findings),
            _ => Ok(()),
        }
    }

    fn validate(&mut self) -> Result<Option<Validated>> {
        let Some(validation) = &self.validation else { return Ok(None) };
        let (learner, control) = (&self.learner, self.control.as_ref());
        let (student, control) = self.pool.enter(|| -> Result<_> {
            let student = validation.evaluate(&learner.current()?)?;
            Ok((student, control.map(|control| validation.evaluate(&control.current()?)).transpose()?))
        })?;
        let (metric, value, higher) = validation.score(&student, self.options.metric)?;
        let margin = self.options.early_stop.as_ref().map_or(0.0, |stop| stop.min_delta);
        let exceeds = |value: f64, before: Option<f64>, margin: f64| match before {
            None => true,
            Some(before) if higher => value > before + margin,
            Some(before) => value < before - margin,
        };
        let kept = |learner: &Learner, keep: Keep| match keep {
            Keep::Best => learner.current()?.parameters.deep_copy(),
            Keep::Last => Ok(Parameters::default()),
        };
        if exceeds(value, self.best.as_ref().map(|(best, _)| best.value), 0.0) {
            let parameters = kept(&self.learner, self.options.keep)?;
            self.best = Some((Best { step: self.step, metric: metric.into(), value }, parameters));
        }
        if let (Some(learner), Some(evaluation)) = (&self.control, &control) {
            let (_, value, _) = validation.score(evaluation, self.options.metric)?;
            if exceeds(value, self.control_best.as_ref().map(|(best, _)| *best), 0.0) {
                self.control_best = Some((value, kept(learner, self.options.keep)?));
            }
        }
        if exceeds(value, self.mark, margin) {
            (self.mark, self.stale) = (Some(value), 0);
        } else {
            self.stale += 1;
        }
        self.validated = (self.step, student.accuracy);
        Ok(Some(Validated { student, control }))
    }

    fn report(&mut self, done: &Done, validated: Option<Validated>) -> Result<Report> {
        let mut sums = std::mem::take(&mut self.sums);
        if sums.steps == 0 {
            sums = Sums { rows: 0, ..self.shown.clone() };
        }
        self.shown = sums.clone();
        let seconds = self.reported.elapsed().as_secs_f64();
        let (validation, control_validation) = match validated {
            Some(validated) => (Some(validated.student), validated.control),
            None => (None, None),
        };
        let norms = done.numbers.terms.iter().filter_map(|(name, term)| Some((name.to_string(), term.gradient_norm?)));
        Ok(Report {
            step: self.step,
            steps: self.total,
            epoch: self.feed.has_epochs().then_some(done.epoch),
            loss: sums.mean(sums.loss),
            terms: sums.terms.iter().map(|(name, sum)| (name.clone(), sums.mean(*sum))).collect(),
            gradient_norms: norms.collect(),
            details: sums.details(),
            gradient_norm: done.numbers.gradient_norm,
            learning_rate: done.learning_rate,
            rows_per_second: sums.rows as f64 / seconds.max(1e-9),
            control: self
                .control
                .as_ref()
                .map(|_| ControlReport { loss: sums.mean(sums.control_loss), validation: control_validation }),
            validation,
            findings: self.findings.list.clone(),
            checkpoint: self.checkpoints.as_mut().and_then(|checkpoints| checkpoints.written.take()),
            summary: None,
        })
    }

    /// The last report: closes the proofs, settles which parameters are kept, saves the last checkpoint.
    fn finish(&mut self, ended: &'static str, last: Option<(Done, Option<Validated>)>) -> Result<Report> {
        self.watch.close(&self.learner.trained(), self.copied, &mut self.findings)?;
        self.judge_first_rows()?;
        if let (Some(before), Some(Teacher::Model(model))) = (self.teacher_digest, &self.teacher)
            && check::digest_all(&model.parameters)? != before
        {
            let message = "the teacher's parameters changed during the run: something wrote into them";
            self.findings.add("teacherFrozen", "teacher", message)?;
        }
        let last = match last {
            // A stream ended between two validations.
            None if self.validation.is_some() && self.validated.0 != self.step => {
                Some((Done::none(self.feed.epoch), self.validate()?))
            }
            last => last,
        };
        self.checkpoint_last()?;
        self.ended = Some(ended);
        let model = self.student()?;
        let rows = self.validation.as_ref().map(|validation| &validation.data);
        let reloaded = self.pool.enter(|| preflight::reload(&model, rows, &mut self.findings))?;
        let (done, validated) = match last {
            Some((done, validated)) => (done, validated),
            None => (Done::none(self.feed.epoch), None),
        };
        let mut report = self.report(&done, validated)?;
        report.summary = Some(RunSummary {
            ended: ended.into(),
            steps: self.step,
            epochs: self.feed.has_epochs().then_some(self.feed.epoch),
            seconds: self.started.elapsed().as_secs_f64(),
            kept_step: match (&self.best, self.options.keep) {
                (Some((best, _)), Keep::Best) => best.step,
                _ => self.step,
            },
            best: self.best.as_ref().map(|(best, _)| best.clone()),
            teacher: self.validation.as_ref().and_then(|validation| validation.teacher.clone()),
            teacher_rows: self.teacher_rows,
            reloaded,
            origin: self.origin(),
            findings: self.findings.list.clone(),
        });
        Ok(report)
    }

    /// The student as it stands: the best parameters where they are kept, else the current ones. Storage of its own.
    pub fn student(&self) -> Result<Model> {
        let mut model = self.learner.current()?;
        model.parameters = match (&self.best, self.options.keep) {
            (Some((_, parameters)), Keep::Best) if !parameters.0.is_empty() => parameters.deep_copy()?,
            _ => model.parameters.deep_copy()?,
        };
        model.provenance = self.provenance();
        Ok(model)
    }

    /// The control run's student, where there is one.
    pub fn control_student(&self) -> Result<Option<Model>> {
        let Some(control) = &self.control else { return Ok(None) };
        let mut model = control.current()?;
        model.parameters = match (&self.control_best, self.options.keep) {
            (Some((_, parameters)), Keep::Best) if !parameters.0.is_empty() => parameters.deep_copy()?,
            _ => model.parameters.deep_copy()?,
        };
        Ok(Some(model))
    }

    /// Somebody gave the teacher other parameters while the run was going: it keeps those it began with, and says so.
    pub fn teacher_replaced(&mut self) -> Result<()> {
        let message = "the teacher was changed during the run; the run goes on with the teacher that it began with";
        self.findings.add("teacherFrozen", "teacher", message)
    }

    /// How much of the student came from where, where a generator made it.
    fn origin(&self) -> Option<Origin> {
        self.learner.generator.as_ref().map(|generator| generator.plan().origin())
    }

    fn provenance(&self) -> serde_json::Value {
        let accuracy = match (&self.best, self.options.keep) {
            (Some((best, _)), Keep::Best) => (best.metric == "accuracy").then_some(best.value),
            _ => self.validated.1.filter(|_| self.validated.0 == self.step),
        };
        serde_json::json!({
            "library": concat!("limbeck ", env!("CARGO_PKG_VERSION")),
            "method": if self.teacher.is_some() { "distill" } else { "train" },
            "options": self.options,
            "steps": self.step,
            "labels": self.options.losses.several_labels().then_some(LabelKind::Several.name()),
            "inputs": self.inputs,
            "accuracy": accuracy,
            "origin": self.origin(),
        })
    }
}

/// One step that was done.
struct Done {
    numbers: StepNumbers,
    learning_rate: f64,
    epoch: u64,
    ended_epoch: bool,
}

impl Done {
    fn none(epoch: u64) -> Done {
        Done { numbers: StepNumbers::default(), learning_rate: 0.0, epoch, ended_epoch: true }
    }
}

struct Validated {
    student: crate::evaluate::Evaluation,
    control: Option<crate::evaluate::Evaluation>,
}
