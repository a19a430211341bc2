//! Steps of a run, until a report is due.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::member::Member;
use super::mutual;
use super::report::Report;
use super::role::Role;
use super::state::{Done, Run};
use crate::error::{Code, Error, Result};
use crate::evaluate::Evaluation;
use crate::learner::{At, REMEDY};
use crate::proofs::{self, FirstStep, TeacherRows};

impl Run {
    /// Trains up to the next report. `None` after the last one, which contains the summary. An error leaves the run in
    /// its current state; it must not be used further.
    #[allow(clippy::should_implement_trait)] // `Iterator::next` cannot return an error
    pub fn next(&mut self) -> Result<Option<Report>> {
        if self.ended.is_some() {
            return Ok(None);
        }
        // The time in which the caller processes a report is not counted.
        self.reported = Instant::now();
        loop {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(Error::cancelled());
            }
            // A run that was resumed after its end only returns its last report.
            if let Some(ended) = self.over() {
                return self.finish(ended, None).map(Some);
            }
            let Some(done) = self.one_step()? else { return self.finish("finished", None).map(Some) };
            let hurry = self.hurry.load(Ordering::Relaxed);
            let reports = hurry || self.step.is_multiple_of(self.options.report_every);
            let ends = done.is_last || (reports && self.feed.is_over());
            let last = ends || self.total.is_some_and(|total| self.step >= total);
            let due = match self.options.validate_every {
                Some(every) => self.step.is_multiple_of(every),
                None => done.ended_epoch,
            };
            let mut validated = None;
            if (due || last) && self.validation.is_some() {
                validated = self.validate()?;
            }
            if let Some(ended) = self.over().or(ends.then_some("finished")) {
                return self.finish(ended, Some((done, validated))).map(Some);
            }
            self.checkpoint_if_due(done.ended_epoch)?;
            if validated.is_some() || reports {
                return self.report(&done, validated).map(Some);
            }
        }
    }

    /// The reason for the end of the run, if it is over.
    fn over(&self) -> Option<&'static str> {
        let last = self.total.is_some_and(|total| self.step >= total);
        if self.peers().all(Member::is_stale) { Some("earlyStop") } else { last.then_some("finished") }
    }

    fn one_step(&mut self) -> Result<Option<Done>> {
        let Run { feed, control_feed, control_rows, members, mutual, pool, options, cancel, total, first_rows, .. } =
            self;
        let next_step = self.step + 1;
        let last = *total == Some(next_step);
        let open = members.iter().any(|member| member.learner.watch.is_open());
        let norms = last
            || next_step.is_multiple_of(options.report_every)
            || (open && (next_step <= 5 || next_step.is_multiple_of(10)));
        let run = At { step: self.step, seed: options.seed, rate: 1.0, norms, cancel: cancel.clone() };
        let mut at: Vec<At> = members.iter().map(|member| member.at(&run, *total)).collect();
        let epoch = feed.epoch;
        let step = pool.enter(|| -> Result<_> {
            let Some(group) = feed.next(cancel)? else { return Ok(None) };
            at.iter_mut().for_each(|at| at.norms |= group.is_last);
            if let Some(first) = first_rows {
                group.batches.iter().try_for_each(|batch| first.see(batch, cancel))?;
            }
            let numbers = match mutual {
                Some(mutual) => mutual::step(members, &group.batches, &at, mutual.updates)?,
                None => {
                    let own = control_feed.as_mut().map(|feed| feed.next(cancel)).transpose()?.flatten();
                    let alone = &own.as_ref().unwrap_or(&group).batches;
                    let step = |(member, at): (&mut Member, &At)| {
                        if member.role != Role::Control {
                            return member.learner.step(&group.batches, at);
                        }
                        alone.iter().for_each(|batch| control_rows.add(batch));
                        member.learner.step(alone, at)
                    };
                    members.iter_mut().zip(&at).map(step).collect::<Result<Vec<_>>>()?
                }
            };
            Ok(Some((numbers, group.ends_epoch, group.is_last)))
        })?;
        let Some((numbers, ended_epoch, is_last)) = step else { return Ok(None) };
        for (member, numbers) in self.members.iter().zip(&numbers) {
            if !numbers.loss.is_finite() {
                let remedy = if next_step > 1 { REMEDY } else { "" };
                let message = format!("the loss is {} at step {next_step}{remedy}", numbers.loss);
                return Err(Error::new(Code::NotFinite, "losses", message).at(&member.role.path()));
            }
            if self.step == 0 && member.role != Role::Control {
                let (place, classes) = (&member.role.path(), member.learner.model.network.classes());
                proofs::first_step(&FirstStep { place, numbers, classes }, &mut self.findings)?;
            }
        }
        if self.first_rows.as_ref().is_some_and(TeacherRows::are_enough) {
            self.judge_first_rows()?;
        }
        self.step = next_step;
        if self.members[0].learner.asks_models() {
            self.teacher_rows += numbers.first().map_or(0, |numbers| numbers.rows as u64);
        }
        for ((member, numbers), at) in self.members.iter_mut().zip(numbers).zip(&at) {
            member.did(numbers, at.rate, ended_epoch, &mut self.findings)?;
        }
        Ok(Some(Done { epoch, ended_epoch, is_last }))
    }

    pub(super) fn judge_first_rows(&mut self) -> Result<()> {
        self.first_rows.take().map_or(Ok(()), |first| first.prove(&mut self.findings))
    }

    pub(super) fn validate(&mut self) -> Result<Option<Vec<Evaluation>>> {
        let Some(evaluations) = self.evaluate()? else { return Ok(None) };
        if let Some(validation) = &self.validation {
            for (member, evaluation) in self.members.iter_mut().zip(&evaluations) {
                member.validated(validation, evaluation, self.step)?;
            }
        }
        Ok(Some(evaluations))
    }

    /// Evaluates every member on the validation rows, with its current parameters.
    pub(super) fn evaluate(&self) -> Result<Option<Vec<Evaluation>>> {
        let Some(validation) = &self.validation else { return Ok(None) };
        let (members, mutual) = (&self.members, self.mutual.is_some());
        let evaluations = self.pool.enter(|| -> Result<Vec<Evaluation>> {
            let models = members.iter().map(Member::current);
            match mutual {
                true => validation.evaluate_peers(&models.collect::<Result<Vec<_>>>()?),
                false => models.map(|model| validation.evaluate(&model?)).collect(),
            }
        })?;
        Ok(Some(evaluations))
    }
}
