//! The length of a run: values that depend on the number of steps, and streams that end.

use serde_json::Value as Json;

use super::member::Member;
use super::state::Run;
use crate::error::{Code, Error, Result};
use crate::options::TrainOptions;
use crate::proofs::{Findings, StreamLasts, WarmUpEnds};

/// Options that set the length of a run.
const LENGTH: [&str; 2] = ["epochs", "steps"];

/// Reports a warm-up that is longer than the run.
pub(super) fn prove_warm_up(options: &TrainOptions, total: Option<u64>, findings: &mut Findings) -> Result<()> {
    let warmup = options.schedule.warmup_steps();
    let Some(total) = total.filter(|total| *total < warmup) else { return Ok(()) };
    let message = format!(
        "the warm-up takes {warmup} steps and the run has {total}: the rate never rises above {:.1} % of the learning \
         rate; shorten warmupSteps",
        100.0 * total as f64 / warmup as f64
    );
    findings.add::<WarmUpEnds>("schedule", message)
}

impl Run {
    fn members_need_total(&self) -> bool {
        self.members.iter().any(|member: &Member| member.options.schedule.needs_total())
    }

    /// Removes the length from a configuration if no schedule depends on it: such a run may be resumed with a greater length.
    pub(super) fn without_length(&self, config: &mut Json) {
        if self.members_need_total() {
            return;
        }
        let others = config.get_mut("others").and_then(Json::as_array_mut).into_iter().flatten();
        for own in others.filter_map(|other| other.get_mut("options")) {
            own.as_object_mut().into_iter().for_each(|own| LENGTH.iter().for_each(|key| drop(own.remove(*key))));
        }
        let options = config.get_mut("options").and_then(Json::as_object_mut);
        options.into_iter().for_each(|own| LENGTH.iter().for_each(|key| drop(own.remove(*key))));
    }

    /// Rejects a resumed run whose new length is below the number of steps already done.
    pub(super) fn expect_length(&self, done: u64) -> Result<()> {
        let Some(total) = self.total.filter(|total| *total < done) else { return Ok(()) };
        let key = if self.options.steps.is_some() { "steps" } else { "epochs" };
        let message = format!("expected at least the {done} steps of the checkpoint, got {total}: train for longer");
        Err(Error::new(Code::CheckpointMismatch, key, message))
    }

    /// A stream that ended early: without any batch this is an error, with fewer batches than requested a finding.
    pub(super) fn prove_stream(&mut self) -> Result<()> {
        let Some(note) = self.feed.stream_ended() else { return Ok(()) };
        if self.step == 0 {
            let message = "expected at least one batch, got none: the source is empty or already consumed; pass a function \
                           that returns new batches";
            return Err(Error::data("data", message));
        }
        let batches = self.feed.used;
        if let Some(total) = self.total.filter(|total| self.step < *total) {
            let message = format!(
                "the stream ended after {batches} batches and {} of {total} steps: pass more batches, or a function that \
                 returns new batches for each epoch",
                self.step
            );
            self.findings.add::<StreamLasts>("data", message)?;
        }
        match note {
            Some(note) => self.findings.add::<StreamLasts>("data", note),
            None => Ok(()),
        }
    }
}
