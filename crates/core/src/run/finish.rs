//! The end of a run: the proofs are closed, it is settled which parameters each student keeps, and the last report is made.

use super::member::Member;
use super::role::Role;
use super::{Done, LearnerSummary, Report, Run, RunSummary};
use crate::error::Result;
use crate::evaluate::Evaluation;
use crate::labels::LabelKind;
use crate::models::Model;
use crate::proofs;
use crate::weights::Origin;

impl Run {
    /// The last report: closes the proofs, settles which parameters are kept, saves the last checkpoint.
    pub(super) fn finish(
        &mut self,
        ended: &'static str,
        last: Option<(Done, Option<Vec<Evaluation>>)>,
    ) -> Result<Report> {
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
            // Checkpoints do not hold the last validation.
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

    /// The student: the best parameters where they are kept, else the current ones. The numbers are copies.
    pub fn student(&self) -> Result<Model> {
        Ok(self.students()?.remove(0))
    }

    /// The same for every learner.
    pub fn students(&self) -> Result<Vec<Model>> {
        let named = |member: &Member| Ok(Model { provenance: self.provenance(member), ..member.student()? });
        self.peers().map(named).collect()
    }

    /// The control run's student, where there is one.
    pub fn control_student(&self) -> Result<Option<Model>> {
        self.members.iter().find(|member| member.role == Role::Control).map(Member::student).transpose()
    }

    /// Where the student's parameters came from, where a generator made them.
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
