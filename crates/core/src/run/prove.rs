//! The input of the proofs before a run's first step and at its end.

use super::entrant::{Entrant, Start};
use super::member::Member;
use super::role::Role;
use super::state::Run;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::proofs::{self, Ended, Findings, InputStatistics, TeacherRows, Teaching};
use crate::tape::Cancel;
use crate::teacher::Teachers;

/// The rows that the proofs read before the first step.
pub(super) struct Looked<'a> {
    /// `None` for a stream.
    pub data: Option<&'a Dataset>,
    pub validation: Option<&'a Dataset>,
    pub cancel: &'a Cancel,
}

impl Looked<'_> {
    /// The teachers that can only be checked on the first rows of a stream.
    pub fn of_stream(&self, teachers: &Teachers) -> TeacherRows {
        TeacherRows::new(teachers, |teacher| match teacher.model() {
            Some(_) => self.validation.is_none(),
            None => teacher.reads_column(),
        })
    }
}

/// The proofs before the first step, over each student and each frozen teacher.
pub(super) fn prove_start(
    members: &[Entrant],
    teachers: &Teachers,
    looked: &Looked,
    findings: &mut Findings,
) -> Result<Vec<Start>> {
    let students: Vec<&Entrant> = members.iter().filter(|member| member.role != Role::Control).collect();
    let sample = looked.data.map(|data| proofs::some_rows(data, proofs::ROWS)).transpose()?;
    let mut starts = vec![Start::default(); students.len()];
    for (student, start) in students.iter().zip(&mut starts) {
        let inputs = sample.as_ref().map(|batch| InputStatistics::of(&student.parts.model, batch));
        start.inputs = inputs.transpose()?.flatten();
    }
    if findings.are_off() {
        return Ok(starts);
    }
    for (number, student) in students.iter().enumerate() {
        let mut copy_of = None;
        for other in &students[..number] {
            if proofs::is_copy(&student.parts.model, &other.parts.model)? {
                copy_of = Some(other.role.path());
            }
        }
        starts[number].copied = copy_of.is_some();
        let evidence = proofs::Student {
            place: &student.role.path(),
            losses: &student.parts.losses,
            learning_rate: student.options.optimizer.learning_rate(),
            classes: student.parts.model.network.classes(),
            data: looked.data,
            validation: looked.validation,
            copy_of: copy_of.as_deref(),
        };
        proofs::student(&evidence, findings)?;
    }
    for (path, model) in teachers.models() {
        let mut copied = false;
        for (student, start) in students.iter().zip(&mut starts) {
            if proofs::is_copy(&student.parts.model, model)? {
                (copied, start.copied) = (true, true);
            }
        }
        proofs::teacher(&Teaching { path: &path, copied, ..Teaching::default() }, findings)?;
    }
    // A column exists only for the training rows. A model runs on validation rows, if there are any.
    let mut models = TeacherRows::new(teachers, |teacher| teacher.model().is_some());
    let apart = looked.validation.filter(|_| !models.is_empty());
    let apart = apart.map(|rows| proofs::some_rows(rows, proofs::ROWS)).transpose()?;
    let mut columns = TeacherRows::new(teachers, |teacher| teacher.reads_column());
    for (asked, rows) in [(&mut models, apart.as_ref().or(sample.as_ref())), (&mut columns, sample.as_ref())] {
        if let Some(rows) = rows {
            asked.see(rows, looked.cancel)?;
            asked.prove(findings)?;
        }
    }
    Ok(starts)
}

impl Run {
    /// The proofs at the end; returns whether each student can be saved and read again.
    pub(super) fn prove_end(&mut self) -> Result<bool> {
        let (models, control) = (self.students()?, self.control_student()?);
        let Run { members, teachers, validation, feed, control_rows, pool, cancel, findings, step, .. } = self;
        let validation = validation.as_ref().map(|validation| &validation.data);
        let (looked, cancel) = (validation.or(feed.dataset()), &*cancel);
        pool.enter(|| {
            let rows = looked.filter(|_| !findings.are_off());
            let rows = rows.map(|rows| proofs::some_rows(rows, proofs::ROWS / 2)).transpose()?;
            let students = members.iter().filter(|member| member.role != Role::Control);
            let mut all = true;
            for (member, model) in students.zip(&models) {
                let reloaded = proofs::reloads(model, validation)?;
                all &= reloaded;
                let Member { role, options, .. } = member;
                let evidence = Ended {
                    place: &role.path(),
                    steps: *step,
                    learning_rate: options.optimizer.learning_rate(),
                    terms: member.terms(),
                    model,
                    reloaded,
                    control: control.as_ref(),
                    control_rows: *control_rows,
                    teachers: teachers.members.iter().map(|(teacher, _)| teacher).collect(),
                    rows: rows.as_ref(),
                    cancel,
                };
                proofs::end(&evidence, findings)?;
            }
            Ok(all)
        })
    }
}
