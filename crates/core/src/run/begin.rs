//! Starts a prepared run: runs the first proofs, precomputes the teachers' outputs if that saves time, and creates the
//! learners.

use std::sync::Arc;
use std::time::Instant;

use super::checkpoints::Checkpoints;
use super::control::labelled;
use super::feed::{Data, Feed};
use super::length;
use super::member::Member;
use super::prepare::{Prepared, Setup};
use super::prove::{Looked, prove_start};
use super::role::Role;
use super::state::Run;
use super::validation::Validation;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::options::TrainOptions;
use crate::pool::Pool;
use crate::proofs::{Findings, Rows};
use crate::teacher::{Asked, Teachers};

/// Teacher outputs above this many bytes are not cached: they would take the memory that the run needs.
const LARGEST: u64 = 1 << 30;

/// Whether caching the teachers' outputs saves time: every row is used at least twice and is never augmented.
fn worth_asking_once(dataset: &Dataset, options: &TrainOptions, total: Option<u64>) -> bool {
    let met = total.unwrap_or(0) * (options.batch_size * options.accumulate) as u64;
    options.cache_teacher && options.augment.is_empty() && met >= 2 * dataset.rows() as u64
}

impl Run {
    /// Checks everything that can be checked before the first step; with `checkpoint.resume` continues from the newest
    /// checkpoint.
    pub fn new(setup: Setup) -> Result<Run> {
        Prepared::new(setup)?.begin()
    }
}

impl Prepared {
    /// Starts the run; repeats no check.
    fn begin(self) -> Result<Run> {
        let options = self.members[0].options.clone();
        let pool = Pool::new(options.threads)?;
        let mut findings = Findings::new(options.proofs);
        let Prepared { mut members, mutual, teachers, data, validation, batches, total, cancel } = self;
        let looked = Looked { data: data.dataset(), validation: validation.as_ref(), cancel: &cancel };
        let starts = pool.enter(|| prove_start(&members, &teachers, &looked, &mut findings))?;
        for member in members.iter().filter(|member| member.role != Role::Control) {
            findings.below(&member.role.path(), |findings| length::prove_warm_up(&member.options, total, findings))?;
        }
        let of_stream = data.dataset().is_none() && !findings.are_off();
        let first_rows = of_stream.then(|| looked.of_stream(&teachers)).filter(|asked| !asked.is_empty());
        let control_feed = match options.control {
            true => labelled(&data, &batches, options.accumulate)?,
            false => None,
        };
        let all: Vec<&TrainOptions> = members.iter().map(|member| &member.options).collect();
        let validated = |rows| pool.enter(|| Validation::new(rows, &teachers, &all, &cancel));
        let validation = validation.map(validated).transpose()?;
        // A generator reads the teacher's parameters; the teacher's outputs are computed only if a loss or a row weight
        // needs them.
        let compared = members.iter().any(|member| member.compares());
        let asked = if compared { teachers.clone() } else { Teachers::default() };
        let layers = members.iter().flat_map(|member| member.parts.losses.teacher_layers()).collect();
        let once = data.dataset().filter(|dataset| worth_asking_once(dataset, &options, total));
        let room = options.max_memory_bytes.map_or(LARGEST, |limit| LARGEST.min(limit / 4));
        let once = once.map(|dataset| pool.enter(|| asked.asked_once(dataset, layers, room, &cancel))).transpose()?;
        let (data, asked) = match once.flatten() {
            Some((dataset, cached)) => (Data::Dataset(dataset), cached),
            None => (data, asked),
        };
        let teacher_rows =
            data.dataset().filter(|_| asked.asked(Asked::Once)).map_or(0, |dataset| dataset.rows() as u64);
        members.iter_mut().for_each(|member| member.parts.teachers.replace_frozen(&asked));
        let mut members = members.into_iter().map(Member::new).collect::<Result<Vec<_>>>()?;
        for (member, start) in members.iter_mut().zip(starts) {
            member.start = start;
            if !findings.are_off() {
                member.learner.begin_watch()?;
            }
        }
        show_layers(&mut members);
        let teacher_digests = match findings.are_off() {
            true => Vec::new(),
            false => teachers.models().map(|(_, model)| model.parameters.digest()).collect::<Result<_>>()?,
        };
        let now = Instant::now();
        let mut run = Run {
            members,
            mutual,
            teachers,
            teacher_rows,
            feed: Feed::new(data, batches, options.accumulate),
            control_feed,
            control_rows: Rows::default(),
            validation,
            pool,
            cancel,
            hurry: Arc::default(),
            total,
            step: 0,
            began: 0,
            findings,
            teacher_digests,
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

/// Peers keep those layers of their forward passes that the losses of other learners read.
fn show_layers(members: &mut [Member]) {
    for own in 0..members.len() {
        let wanted = members[own].learner.looks_at().clone();
        let others = members.iter_mut().enumerate().filter(|(number, _)| *number != own);
        let peers = others.filter(|(_, member)| matches!(member.role, Role::Peer(_)));
        peers.for_each(|(_, member)| member.learner.show(&wanted));
    }
}
