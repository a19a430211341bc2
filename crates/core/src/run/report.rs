//! What a run says, each time it is asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Done, Run};
use crate::error::Result;
use crate::evaluate::Evaluation;
use crate::numbers::StepNumbers;
use crate::proofs::Finding;
use crate::weights::Origin;

/// Numbers of the steps since the last report.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Optimizer steps done.
    pub step: u64,
    /// All steps of the run, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// The epoch of the last step, counted from 0; none for a stream, which does not say where one ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Mean over the steps since the last report: Σ weight · value.
    pub loss: f64,
    /// Unweighted value of each loss, mean over those steps in which it had rows.
    pub terms: BTreeMap<String, f64>,
    /// Norm of each weighted loss's gradient at the student's outputs, at the last step.
    pub gradient_norms: BTreeMap<String, f64>,
    /// What a loss counts beside its value, mean over those steps: `{ triplet: { openHinges: 0.4 } }`, shares of the rows.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, BTreeMap<String, f64>>,
    /// Global norm of the parameters' gradients at the last step, before clipping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_norm: Option<f64>,
    pub learning_rate: f64,
    pub rows_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Evaluation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<ControlReport>,
    /// Of learners that teach each other what each of them did; the loss above is their mean.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub learners: Vec<LearnerReport>,
    /// What the proofs found so far; empty in a sound run.
    pub findings: Vec<Finding>,
    /// The checkpoint that was written since the last report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Stands in the last report alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<RunSummary>,
}

/// One of several learners.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LearnerReport {
    pub loss: f64,
    pub terms: BTreeMap<String, f64>,
    pub gradient_norms: BTreeMap<String, f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, BTreeMap<String, f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_norm: Option<f64>,
    pub learning_rate: f64,
    /// With the mean entropy of its predictions, and how often its peers agree with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Evaluation>,
}

/// The same student without teacher.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlReport {
    pub loss: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Evaluation>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSummary {
    /// `finished` or `earlyStop`.
    pub ended: String,
    pub steps: u64,
    /// None for a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    pub seconds: f64,
    /// Step of the parameters that were kept.
    pub kept_step: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
    /// The teacher on the validation rows, where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<Evaluation>,
    /// Training rows that the teacher was asked about in this process.
    pub teacher_rows: u64,
    /// The student was saved, read again, and gave the same outputs.
    pub reloaded: bool,
    /// It was resumed after its end: nothing was left to do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub finished_before: bool,
    /// Of learners that teach each other, which parameters each of them kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub learners: Vec<LearnerSummary>,
    /// How much of the student came from where, where a generator made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    pub findings: Vec<Finding>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LearnerSummary {
    pub kept_step: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Best {
    pub step: u64,
    pub metric: String,
    pub value: f64,
}

impl Run {
    pub(super) fn report(&mut self, done: &Done, validated: Option<Vec<Evaluation>>) -> Result<Report> {
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
}

/// Sums since the last report.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sums {
    pub steps: u64,
    pub rows: usize,
    pub loss: f64,
    pub terms: BTreeMap<String, f64>,
    #[serde(default)]
    pub details: BTreeMap<String, BTreeMap<String, f64>>,
    /// Steps in which a loss had no rows, where there were any: all of weight 0, or without the labels that it needs.
    #[serde(default)]
    pub without_rows: BTreeMap<String, u64>,
}

impl Sums {
    pub fn add(&mut self, numbers: &StepNumbers) {
        self.steps += 1;
        self.rows += numbers.rows;
        self.loss += numbers.loss;
        for (name, term) in &numbers.terms {
            *self.terms.entry(name.to_string()).or_default() += term.value;
            if term.no_rows {
                *self.without_rows.entry(name.to_string()).or_default() += 1;
            }
            for (detail, share) in &term.details {
                let details = self.details.entry(name.to_string()).or_default();
                *details.entry(detail.to_string()).or_default() += share;
            }
        }
    }

    /// The mean of every loss.
    pub fn terms(&self) -> BTreeMap<String, f64> {
        self.terms.iter().map(|(name, sum)| (name.clone(), sum / self.steps_of(name))).collect()
    }

    /// The mean of every detail.
    pub fn details(&self) -> BTreeMap<String, BTreeMap<String, f64>> {
        let mut details = self.details.clone();
        for (name, of_loss) in &mut details {
            of_loss.values_mut().for_each(|sum| *sum /= self.steps_of(name));
        }
        details
    }

    /// The steps in which a loss had rows.
    fn steps_of(&self, name: &str) -> f64 {
        (self.steps - self.without_rows.get(name).copied().unwrap_or(0)).max(1) as f64
    }

    pub fn mean(&self, sum: f64) -> f64 {
        sum / self.steps.max(1) as f64
    }
}
