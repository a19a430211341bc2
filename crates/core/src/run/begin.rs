//! How a prepared run begins: the proofs look at it, teachers are asked about every row where that pays, its learners are
//! made.

use std::sync::Arc;
use std::time::Instant;

use super::answers;
use super::checkpoints::Checkpoints;
use super::entrant::Entrant;
use super::feed::Feed;
use super::member::Member;
use super::prepare::{Prepared, Setup};
use super::role::Role;
use super::state::Run;
use super::validation::Validation;
use crate::error::Result;
use crate::pool::Pool;
use crate::proofs::{self, Findings, FirstRows, InputStatistics, Looked, Proofs};
use crate::teacher::Teachers;

impl Run {
    /// Checks everything that can be checked before the first step; with `checkpoint.resume` takes up where the
    /// newest checkpoint ended.
    pub fn new(setup: Setup) -> Result<Run> {
        Prepared::new(setup)?.begin()
    }
}

impl Prepared {
    /// Checks nothing again.
    fn begin(self) -> Result<Run> {
        let options = self.members[0].options.clone();
        let pool = Pool::new(options.threads)?;
        let mut findings = Findings::new(options.proofs);
        let Prepared { mut members, mutual, teachers, data, validation, batches, total, cancel } = self;
        let rows = data.dataset();
        let sample = rows.map(proofs::some_rows).transpose()?;
        let looked = Looked { sample: sample.as_ref(), data: rows, validation: validation.as_ref(), cancel: &cancel };
        let (copied, inputs) = pool.enter(|| prove(&members, &teachers, &looked, &mut findings))?;
        let first_rows = match rows {
            Some(_) => None,
            None => FirstRows::of(&teachers, validation.as_ref(), options.proofs),
        };
        let validated = |rows| pool.enter(|| Validation::new(rows, &teachers, &options.metrics, &cancel));
        let validation = validation.map(validated).transpose()?;
        // A generator reads the teacher's parameters; its answers are asked for where something compares with them.
        let compared = members.iter().any(|member| member.compares());
        let asked = if compared { teachers.clone() } else { Teachers::default() };
        let layers = members.iter().flat_map(|member| member.parts.losses.teacher_layers()).collect();
        let (data, asked) = answers::asked_once(data, asked, layers, &options, total, &pool, &cancel)?;
        let teacher_rows = data.dataset().filter(|_| asked.cached()).map_or(0, |dataset| dataset.rows() as u64);
        members.iter_mut().for_each(|member| member.parts.teachers.replace_frozen(&asked));
        let mut members = members.into_iter().map(Member::new).collect::<Result<Vec<_>>>()?;
        for (member, copied) in members.iter_mut().zip(copied) {
            member.copied = copied;
            if options.proofs != Proofs::Off {
                member.learner.begin_watch()?;
            }
        }
        show_layers(&mut members);
        let teacher_digests = match options.proofs {
            Proofs::Off => Vec::new(),
            _ => teachers.models().map(|(_, model)| model.parameters.digest()).collect::<Result<_>>()?,
        };
        let now = Instant::now();
        let mut run = Run {
            members,
            mutual,
            teachers,
            teacher_rows,
            feed: Feed::new(data, batches, options.accumulate),
            validation,
            pool,
            cancel,
            hurry: Arc::default(),
            total,
            step: 0,
            began: 0,
            findings,
            teacher_digests,
            inputs,
            first_rows,
            checkpoints: Checkpoints::new(&options)?,
            started: now,
            reported: now,
            ended: None,
            options,
        };
        run.resume()?;
        Ok(run)
    }
}

/// The proofs before the first step: whether each student began as a copy of a teacher, and what the inputs look like.
fn prove(
    members: &[Entrant],
    teachers: &Teachers,
    looked: &Looked,
    findings: &mut Findings,
) -> Result<(Vec<bool>, Option<InputStatistics>)> {
    let students: Vec<_> = members.iter().filter(|member| member.role != Role::Control).collect();
    let inputs = proofs::inputs(&students[0].parts.model, looked.sample)?;
    let mut copied = vec![false; students.len()];
    if students[0].options.proofs == Proofs::Off {
        return Ok((copied, inputs));
    }
    if let Some(data) = looked.data {
        proofs::prove_classes(data, "data", findings)?;
    }
    for (number, student) in students.iter().enumerate() {
        let (path, losses) = (student.role.path(), &student.parts.losses);
        proofs::prove_options(&student.options, losses, &path, findings)?;
        if let Some(data) = looked.data {
            proofs::prove_rows(losses, data, &path, findings)?;
        }
        for other in &students[..number] {
            if proofs::is_copy(&student.parts.model, &other.parts.model)? {
                let message = format!(
                    "starts with the same weights as {}, so the two would never differ; create it with another seed",
                    other.role.path()
                );
                findings.add("learnersDiffer", path.clone(), message)?;
                copied[number] = true;
            }
        }
    }
    for (at, (teacher, _)) in teachers.members.iter().enumerate() {
        let path = teachers.path(at);
        proofs::prove_teacher(teacher, &path, looked, findings)?;
        for (student, copied) in students.iter().zip(&mut copied) {
            *copied |= proofs::prove_apart(&student.parts.model, teacher, &path, findings)?;
        }
    }
    Ok((copied, inputs))
}

/// Peers keep the layers of their forwards that the others' losses look at.
fn show_layers(members: &mut [Member]) {
    for own in 0..members.len() {
        let wanted = members[own].learner.looks_at().clone();
        let others = members.iter_mut().enumerate().filter(|(number, _)| *number != own);
        let peers = others.filter(|(_, member)| matches!(member.role, Role::Peer(_)));
        peers.for_each(|(_, member)| member.learner.show(&wanted));
    }
}
