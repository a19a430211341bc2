//! Example re-weighting w_t over the rows of a data set: its distribution, and its growth with the teacher's confidence.
//!
//! Formula and source of the per-row value are in `metrics/reweighting.rs`. The rows are divided into groups of equal
//! count by the teacher's confidence p~_t = softmax(v / T)_t in the label; each group reports its confidence and the
//! weights of its rows. If w_t is the same in every group, the teacher does not re-weight rows at all. A teacher that is
//! confident about every row has this effect (Tang et al., 2020, arXiv:2002.03532).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::seen::{Seen, Who};
use crate::error::{Error, Result};
use crate::metrics::reweighting::masses;
use crate::metrics::{self, Metric, Spread};

/// Options of the re-weighting w_t.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "ReweightingDiagnostic")]
pub struct Reweighting {
    /// Weight λ of the teacher's part; cross entropy has weight 1 − λ. 0…1. Default 0.5.
    pub weight: f64,
    /// Temperature applied to student and teacher logits in the teacher's part; must be > 0. Default 1.
    pub temperature: f64,
    /// Number of groups into which the rows are divided by the teacher's confidence; 1…100,000. Default 5.
    pub groups: usize,
    /// Whether the report contains w_t of every row. Default false.
    pub each_row: bool,
}

impl Default for Reweighting {
    fn default() -> Self {
        let metrics::Reweighting { weight, temperature } = Default::default();
        Reweighting { weight, temperature, groups: 5, each_row: false }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReweightingReport {
    /// w_t over all rows. A row is skipped if the student is so certain of its label that cross entropy has no gradient.
    pub weights: Spread,
    /// Share of the rows with w_t below 0: the teacher lowers the student's confidence in their labels.
    pub negative: f64,
    /// The groups of rows, from the teacher's lowest confidence to the highest.
    pub by_confidence: Vec<ConfidenceGroup>,
    /// w_t of every row, in the order of the data; null for a skipped row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each_row: Option<Vec<Option<f64>>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfidenceGroup {
    /// The teacher's lowest confidence in the label within the group.
    pub from: f64,
    /// The teacher's highest confidence in the label within the group.
    pub to: f64,
    pub weights: Spread,
}

/// The report on plain numbers: for each row, the teacher's confidence in the label, and w_t.
pub fn report(confidence: &[f64], weights: Vec<Option<f64>>, groups: usize, each_row: bool) -> ReweightingReport {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|a, b| confidence[*a].total_cmp(&confidence[*b]));
    let cut = |group: usize| group * order.len() / groups;
    let by_confidence = (0..groups).map(|group| &order[cut(group)..cut(group + 1)]).filter(|rows| !rows.is_empty());
    let group = |rows: &[usize]| ConfidenceGroup {
        from: confidence[rows[0]],
        to: confidence[rows[rows.len() - 1]],
        weights: Spread::of(rows.iter().map(|row| weights[*row])),
    };
    let counted = weights.iter().flatten();
    ReweightingReport {
        negative: counted.clone().filter(|weight| **weight < 0.0).count() as f64 / counted.count().max(1) as f64,
        by_confidence: by_confidence.map(group).collect(),
        weights: Spread::of(weights.iter().copied()),
        each_row: each_row.then_some(weights),
    }
}

impl Reweighting {
    fn metric(&self) -> metrics::Reweighting {
        metrics::Reweighting { weight: self.weight, temperature: self.temperature }
    }
}

impl Diagnostic for Reweighting {
    type Report = ReweightingReport;

    fn validate(&self) -> Result<()> {
        if !(1..=100_000).contains(&self.groups) {
            let message = format!("expected an integer from 1 to 100000, got {}", self.groups);
            return Err(Error::config("groups", message));
        }
        self.metric().validate(0)
    }

    fn report(&self, seen: &Seen<'_>) -> Result<ReweightingReport> {
        let (teacher, student, labels) = (seen.logits(Who::Teacher)?, seen.logits(Who::Student)?, seen.labels()?);
        let metric = self.metric();
        let rows = || teacher.rows().zip(student.rows()).zip(&labels);
        let confidence: Vec<f64> = rows().map(|((v, _), label)| masses(v, *label, self.temperature).0).collect();
        let weights = rows().map(|((v, z), label)| metric.row(z, v, *label)).collect();
        Ok(report(&confidence, weights, self.groups, self.each_row))
    }
}
