//! The reports of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::evaluate::Evaluation;
use crate::metrics::Better;
use crate::numbers::StepNumbers;
use crate::proofs::Finding;
use crate::weights::Origin;

/// Numbers of the steps since the last report.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Optimizer steps done.
    pub step: u64,
    /// Optimizer steps of the whole run, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// The epoch of the last step, counted from 0; none for a stream, whose epochs have no known end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Mean over the steps since the last report: Σ weight · value.
    pub loss: f64,
    /// Unweighted value of each loss: the mean over the steps in which it had rows.
    pub terms: BTreeMap<String, f64>,
    /// Norm of each weighted loss's gradient with respect to the student's outputs, at the last step.
    pub gradient_norms: BTreeMap<String, f64>,
    /// Further numbers of a loss, as shares of the rows, mean over those steps: `{ triplet: { openHinges: 0.4 } }`.
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
    /// In mutual learning, the numbers of each learner; `loss` is then the mean of their losses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub learners: Vec<LearnerReport>,
    /// Findings of the proofs so far; empty if there are none.
    pub findings: Vec<Finding>,
    /// The checkpoint that was written since the last report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Only in the last report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<RunSummary>,
}

/// The numbers of one learner in mutual learning.
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
    /// Includes the mean entropy of its predictions, and the share of rows on which its peers predict the same class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Evaluation>,
}

/// The numbers of the control run: the same student without a teacher.
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
    /// The step whose parameters were kept.
    pub kept_step: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
    /// The teacher's metrics on the validation rows, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<Evaluation>,
    /// Number of training rows for which the teacher computed outputs in this process.
    pub teacher_rows: u64,
    /// Whether the student, saved and loaded again, gave the same outputs.
    pub reloaded: bool,
    /// Whether the run was resumed after its end, so that no step was left.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub finished_before: bool,
    /// In mutual learning, the parameters that each learner kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub learners: Vec<LearnerSummary>,
    /// The origin of the student's parameters, if a generator computed them.
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
    /// Missing in checkpoints of version 0.1.
    #[serde(default)]
    pub better: Better,
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
    /// Number of steps in which a loss had no rows, because all rows had weight 0 or lacked labels; only if above 0.
    #[serde(default)]
    pub without_rows: BTreeMap<String, u64>,
}

impl Sums {
    pub fn add(&mut self, numbers: &StepNumbers) {
        self.steps += 1;
        self.rows += numbers.rows;
        self.loss += numbers.loss;
        for (name, term) in &numbers.terms {
            change(&mut self.terms, name, |sum| *sum += term.value);
            if term.no_rows {
                change(&mut self.without_rows, name, |steps| *steps += 1);
            }
            for (detail, share) in &term.details {
                change(&mut self.details, name, |details| change(details, detail, |sum| *sum += share));
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

/// Changes the value of a name. Copies the name only if it is new, because this runs at every step.
fn change<V: Default>(values: &mut BTreeMap<String, V>, name: &str, change: impl FnOnce(&mut V)) {
    match values.get_mut(name) {
        Some(value) => change(value),
        None => {
            let mut value = V::default();
            change(&mut value);
            values.insert(name.to_string(), value);
        }
    }
}
