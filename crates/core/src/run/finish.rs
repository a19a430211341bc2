//! The reports of a run. The last report closes the proofs and decides which parameters each student keeps.

use super::checkpoints::Checkpoints;
use super::member::Member;
use super::report::{ControlReport, LearnerReport, LearnerSummary, Report, RunSummary};
use super::role::Role;
use super::state::{Done, Run};
use crate::error::{Code, Result};
use crate::evaluate::Evaluation;
use crate::labels::LabelKind;
use crate::models::Model;
use crate::proofs::{CheckpointWhole, TeacherFrozen};
use crate::weights::Origin;

impl Run {
    /// The progress of every member since the last report.
    pub(super) fn report(&mut self, done: &Done, validated: Option<Vec<Evaluation>>) -> Result<Report> {
        let seconds = self.reported.elapsed().as_secs_f64();
        let mut evaluations: Vec<Option<Evaluation>> = match validated {
            Some(all) => all.into_iter().map(Some).collect(),
            None => vec![None; self.members.len()],
        };
        let (step, total) = (self.step, self.total);
        let each = self.members.iter_mut().zip(&mut evaluations);
        let mut reports: Vec<(LearnerReport, usize)> =
            each.map(|(member, evaluation)| member.report(step, total, evaluation.take())).collect();
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

    /// The last report: closes the proofs, decides which parameters are kept, saves the last checkpoint.
    pub(super) fn finish(
        &mut self,
        ended: &'static str,
        last: Option<(Done, Option<Vec<Evaluation>>)>,
    ) -> Result<Report> {
        if ended == "finished" {
            self.prove_stream()?;
        }
        for member in &mut self.members {
            member.close(&mut self.findings)?;
        }
        self.judge_first_rows()?;
        let finished_before = self.step > 0 && self.began == self.step;
        for (before, (path, model)) in self.teacher_digests.iter().zip(self.teachers.models()) {
            if model.parameters.digest()? != *before {
                self.findings.add::<TeacherFrozen>(path, TeacherFrozen::WRITTEN)?;
            }
        }
        let last = match last {
            // Checkpoints do not contain the last validation.
            None if finished_before => Some((Done::none(self.feed.last_epoch()), self.evaluate()?)),
            // The stream ended between two validations.
            None if self.validation.is_some() && self.members[0].kept.validated.0 != self.step => {
                Some((Done::none(self.feed.last_epoch()), self.validate()?))
            }
            last => last,
        };
        let reloaded = self.prove_end()?;
        match self.checkpoint_last() {
            // The training is complete, so a failed write must not discard the student.
            Err(error) if error.code == Code::CheckpointWrite => {
                self.checkpoints.iter_mut().for_each(|checkpoints| checkpoints.written = None);
                self.findings.failed_write::<CheckpointWhole>(&error);
            }
            written => written?,
        }
        self.ended = Some(ended);
        self.checkpoints.iter_mut().for_each(Checkpoints::release);
        let (done, validated) = match last {
            Some((done, validated)) => (done, validated),
            None => (Done::none(self.feed.last_epoch()), None),
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

    /// The student: the best parameters if they are kept, else the current ones. The numbers are copies.
    pub fn student(&self) -> Result<Model> {
        Ok(self.students()?.remove(0))
    }

    /// The same for every learner.
    pub fn students(&self) -> Result<Vec<Model>> {
        let named = |member: &Member| Ok(Model { provenance: self.provenance(member), ..member.student()? });
        self.peers().map(named).collect()
    }

    /// The control run's student, if there is one.
    pub fn control_student(&self) -> Result<Option<Model>> {
        self.members.iter().find(|member| member.role == Role::Control).map(Member::student).transpose()
    }

    /// The origin of the student's parameters, if a generator computed them.
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
            "inputs": member.start.inputs,
            "accuracy": member.accuracy(self.step),
            "origin": self.origin(),
            "before": member.before,
        })
    }
}
