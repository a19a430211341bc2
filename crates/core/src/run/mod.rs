//! A run: many steps of one learner, or of several that teach each other, over epochs, with validation, early stop, best
//! parameters, a control run, checkpoints, proofs, and reports that are pulled.
//!
//! ```text
//! Setup ─► prepare.rs, entrant.rs ─► Prepared ─► begin.rs ─► Run ─► next: steps until a report is due
//!          (refuses, fits, binds)                (proves, asks once)
//! ```
//!
//! `member.rs` is one learner of a run with what the run keeps about it, `role.rs` what it is in the run, `mutual.rs` a step
//! of learners that teach each other.

mod answers;
mod begin;
mod control;
mod entrant;
mod feed;
mod member;
mod mutual;
mod prepare;
mod report;
mod resume;
mod role;
mod validation;

pub use feed::{Data, Stream};
pub use mutual::{Mutual, MutualOptions, Updates};
pub use prepare::check;
pub use report::{Best, ControlReport, LearnerReport, LearnerSummary, Report, RunSummary};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::dataset::Dataset;
use crate::error::{Code, Error, Result};
use crate::evaluate::Evaluation;
use crate::labels::LabelKind;
use crate::learner::{At, REMEDY};
use crate::models::Model;
use crate::options::TrainOptions;
use crate::pool::Pool;
use crate::proofs::{self, Findings, FirstRows, InputStatistics};
use crate::teacher::Teachers;
use crate::weights::Origin;
use feed::Feed;
use member::Member;
use role::Role;
use validation::Validation;

/// Everything a run needs; it takes copies of what it changes.
pub struct Setup {
    pub student: Model,
    /// Frozen ones; learners that teach each other may do without.
    pub teacher: Teachers,
    pub data: Data,
    pub validation: Option<Dataset>,
    /// Of the student; of several learners the first one's, which decide what all share: batches, epochs, reports.
    pub options: TrainOptions,
    /// Set by somebody else to stop the run between two operations.
    pub cancel: Arc<AtomicBool>,
    /// Learners that teach the student, and that it teaches.
    pub mutual: Option<Mutual>,
}

pub struct Run {
    options: TrainOptions,
    /// The student first. With a control run the same student without teacher second; of learners that teach each other
    /// all.
    members: Vec<Member>,
    mutual: Option<MutualOptions>,
    teachers: Teachers,
    /// Training rows that the teachers were asked about.
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
    /// The step that it was resumed from.
    began: u64,
    findings: Findings,
    /// Of every model among the teachers.
    teacher_digests: Vec<u64>,
    inputs: Option<InputStatistics>,
    /// The teachers of a stream are judged by them.
    first_rows: Option<FirstRows>,
    checkpoints: Option<resume::Checkpoints>,
    started: Instant,
    /// When the next report was asked for.
    reported: Instant,
    ended: Option<&'static str>,
}

impl Run {
    /// Once this flag is set, `next` reports after the step that it is in.
    pub fn hurry_when(&mut self, flag: Arc<AtomicBool>) {
        self.hurry = flag;
    }

    /// Optimizer steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Those that learn what the run is for: all but a control run.
    fn peers(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.role != Role::Control)
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
        let last = self.total.is_some_and(|total| self.step >= total);
        if self.peers().all(Member::is_stale) { Some("earlyStop") } else { last.then_some("finished") }
    }

    fn one_step(&mut self) -> Result<Option<Done>> {
        let Run { feed, members, mutual, pool, options, cancel, total, first_rows, findings, .. } = self;
        let next_step = self.step + 1;
        let last = *total == Some(next_step);
        let open = members.iter().any(|member| member.learner.watch.is_open());
        let norms = last
            || next_step.is_multiple_of(options.report_every)
            || (open && (next_step <= 5 || next_step.is_multiple_of(10)));
        let run = At { step: self.step, seed: options.seed, rate: 1.0, norms, cancel: cancel.clone() };
        let at: Vec<At> = members.iter().map(|member| member.at(&run, *total)).collect();
        let epoch = feed.epoch;
        let step = pool.enter(|| -> Result<_> {
            let Some(group) = feed.next(cancel)? else { return Ok(None) };
            if let Some(first) = first_rows {
                group.batches.iter().try_for_each(|batch| first.see(batch, cancel, findings))?;
            }
            let numbers = match mutual {
                Some(mutual) => mutual::step(members, &group.batches, &at, mutual.updates)?,
                None => {
                    let each = members.iter_mut().zip(&at).map(|(member, at)| member.learner.step(&group.batches, at));
                    each.collect::<Result<Vec<_>>>()?
                }
            };
            Ok(Some((numbers, group.ends_epoch)))
        })?;
        let Some((numbers, ended_epoch)) = step else { return Ok(None) };
        for (member, numbers) in self.members.iter().zip(&numbers) {
            if !numbers.loss.is_finite() {
                let remedy = if next_step > 1 { REMEDY } else { "" };
                let message = format!("the loss is {} at step {next_step}{remedy}", numbers.loss);
                return Err(Error::new(Code::NotFinite, "losses", message).at(&member.role.path()));
            }
            if self.step == 0 && member.role != Role::Control {
                proofs::first_loss(numbers, &member.role.path(), &member.learner.model, &mut self.findings)?;
            }
        }
        if self.first_rows.as_ref().is_some_and(FirstRows::are_enough) {
            self.judge_first_rows()?;
        }
        self.step = next_step;
        if self.members[0].learner.asks_models() {
            self.teacher_rows += numbers.first().map_or(0, |numbers| numbers.rows as u64);
        }
        for ((member, numbers), at) in self.members.iter_mut().zip(numbers).zip(&at) {
            member.did(numbers, at.rate, ended_epoch, &mut self.findings)?;
        }
        Ok(Some(Done { stepped: true, epoch, ended_epoch }))
    }

    fn judge_first_rows(&mut self) -> Result<()> {
        self.first_rows.take().map_or(Ok(()), |first| first.judge(&mut self.findings))
    }

    fn validate(&mut self) -> Result<Option<Vec<Evaluation>>> {
        let Some(evaluations) = self.evaluate()? else { return Ok(None) };
        if let Some(validation) = &self.validation {
            for (member, evaluation) in self.members.iter_mut().zip(&evaluations) {
                member.validated(validation, evaluation, self.step)?;
            }
        }
        Ok(Some(evaluations))
    }

    /// Every member on the validation rows, as it stands.
    fn evaluate(&self) -> Result<Option<Vec<Evaluation>>> {
        let Some(validation) = &self.validation else { return Ok(None) };
        let (members, mutual) = (&self.members, self.mutual.is_some());
        let evaluations = self.pool.enter(|| -> Result<Vec<Evaluation>> {
            let models = members.iter().map(|member| member.learner.current());
            match mutual {
                true => validation.evaluate_peers(&models.collect::<Result<Vec<_>>>()?),
                false => models.map(|model| validation.evaluate(&model?)).collect(),
            }
        })?;
        Ok(Some(evaluations))
    }

    fn report(&mut self, done: &Done, validated: Option<Vec<Evaluation>>) -> Result<Report> {
        let seconds = self.reported.elapsed().as_secs_f64();
        let mut evaluations: Vec<Option<Evaluation>> = match validated {
            Some(all) => all.into_iter().map(Some).collect(),
            None => vec![None; self.members.len()],
        };
        let (step, total) = (self.step, self.total);
        let each = self.members.iter_mut().zip(&mut evaluations);
        let mut reports: Vec<(LearnerReport, usize)> =
            each.map(|(member, evaluation)| member.report(done.stepped, step, total, evaluation.take())).collect();
        let rows = reports.first().map_or(0, |(_, rows)| *rows);
        let (own, control, learners) = match self.mutual {
            Some(_) => {
                let learners: Vec<LearnerReport> = reports.into_iter().map(|(report, _)| report).collect();
                let loss = learners.iter().map(|learner| learner.loss).sum::<f64>() / learners.len().max(1) as f64;
                let learning_rate = learners.first().map_or(0.0, |learner| learner.learning_rate);
                (LearnerReport { loss, learning_rate, ..LearnerReport::default() }, None, learners)
            }
            None => {
                let control = (reports.len() > 1).then(|| reports.remove(1).0);
                let control = control.map(|LearnerReport { loss, validation, .. }| ControlReport { loss, validation });
                (reports.remove(0).0, control, Vec::new())
            }
        };
        Ok(Report {
            step: self.step,
            steps: self.total,
            epoch: self.feed.has_epochs().then_some(done.epoch),
            loss: own.loss,
            terms: own.terms,
            gradient_norms: own.gradient_norms,
            details: own.details,
            gradient_norm: own.gradient_norm,
            learning_rate: own.learning_rate,
            rows_per_second: rows as f64 / seconds.max(1e-9),
            control,
            learners,
            validation: own.validation,
            findings: self.findings.list.clone(),
            checkpoint: self.checkpoints.as_mut().and_then(|checkpoints| checkpoints.written.take()),
            summary: None,
        })
    }

    /// The last report: closes the proofs, settles which parameters are kept, saves the last checkpoint.
    fn finish(&mut self, ended: &'static str, last: Option<(Done, Option<Vec<Evaluation>>)>) -> Result<Report> {
        for member in &mut self.members {
            member.close(&mut self.findings)?;
            if member.role != Role::Control {
                member.prove_loss(&mut self.findings)?;
            }
        }
        self.judge_first_rows()?;
        let finished_before = self.step > 0 && self.began == self.step;
        for (before, (path, model)) in self.teacher_digests.iter().zip(self.teachers.models()) {
            if model.parameters.digest()? != *before {
                let message = "the teacher's parameters changed during the run: something wrote into them";
                self.findings.add("teacherFrozen", path, message)?;
            }
        }
        let last = match last {
            // What its last validation gave stands in no checkpoint.
            None if finished_before => Some((Done::none(self.feed.epoch), self.evaluate()?)),
            // A stream ended between two validations.
            None if self.validation.is_some() && self.members[0].kept.validated.0 != self.step => {
                Some((Done::none(self.feed.epoch), self.validate()?))
            }
            last => last,
        };
        self.checkpoint_last()?;
        self.ended = Some(ended);
        let models = self.students()?;
        let rows = self.validation.as_ref().map(|validation| &validation.data);
        let mut reloaded = true;
        for model in &models {
            reloaded &= self.pool.enter(|| proofs::reload(model, rows, &mut self.findings))?;
        }
        let (done, validated) = match last {
            Some((done, validated)) => (done, validated),
            None => (Done::none(self.feed.epoch), None),
        };
        let mut report = self.report(&done, validated)?;
        let student = &self.members[0];
        let summary =
            |member: &Member| LearnerSummary { kept_step: member.kept_step(self.step), best: member.kept.best.clone() };
        report.summary = Some(RunSummary {
            ended: ended.into(),
            steps: self.step,
            epochs: self.feed.has_epochs().then_some(self.feed.epoch),
            seconds: self.started.elapsed().as_secs_f64(),
            kept_step: student.kept_step(self.step),
            best: student.kept.best.clone(),
            teacher: self.validation.as_ref().and_then(|validation| validation.teacher.clone()),
            teacher_rows: self.teacher_rows,
            reloaded,
            finished_before,
            learners: self.mutual.iter().flat_map(|_| self.members.iter().map(summary)).collect(),
            origin: self.origin(),
            findings: self.findings.list.clone(),
        });
        Ok(report)
    }

    /// The student as it stands: the best parameters where they are kept, else the current ones. Storage of its own.
    pub fn student(&self) -> Result<Model> {
        Ok(self.students()?.remove(0))
    }

    /// The same of every learner.
    pub fn students(&self) -> Result<Vec<Model>> {
        let named = |member: &Member| Ok(Model { provenance: self.provenance(member), ..member.student()? });
        self.peers().map(named).collect()
    }

    /// The control run's student, where there is one.
    pub fn control_student(&self) -> Result<Option<Model>> {
        self.members.iter().find(|member| member.role == Role::Control).map(Member::student).transpose()
    }

    /// Somebody gave the teacher other parameters while the run was going: it keeps those it began with, and says so.
    pub fn teacher_replaced(&mut self) -> Result<()> {
        let message = "the teacher was changed during the run; the run goes on with the teacher that it began with";
        self.findings.add("teacherFrozen", "teacher", message)
    }

    /// How much of the student came from where, where a generator made it.
    fn origin(&self) -> Option<Origin> {
        self.members[0].learner.weights.generator().map(|generator| generator.plan().origin())
    }

    fn provenance(&self, member: &Member) -> serde_json::Value {
        let method = match &self.mutual {
            Some(_) => "distillMutually",
            None if self.teachers.is_empty() => "train",
            None => "distill",
        };
        serde_json::json!({
            "library": concat!("limbeck ", env!("CARGO_PKG_VERSION")),
            "method": method,
            "options": member.options,
            "steps": self.step,
            "labels": member.options.losses.several_labels().then_some(LabelKind::Several.name()),
            "inputs": self.inputs,
            "accuracy": member.accuracy(self.step),
            "origin": self.origin(),
            "before": member.before,
        })
    }
}

/// One step that was done, or the end of a run without one.
struct Done {
    stepped: bool,
    epoch: u64,
    ended_epoch: bool,
}

impl Done {
    fn none(epoch: u64) -> Done {
        Done { stepped: false, epoch, ended_epoch: true }
    }
}
