//! Agreement with the geometry proposition: the more probability the teacher gives to a class, the nearer the distilled
//! student's activation is to the template of that class, also among the wrong classes.
//!
//! ```text
//! for wrong classes i ≠ j, i, j ≠ t:      ‖h − w_i‖² < ‖h − w_j‖²   iff   p_i > p_j
//! share = (pairs with p_i ≠ p_j that agree) / (pairs with p_i ≠ p_j)
//! ```
//!
//! h: the student's penultimate activation of a row, w_k: its class templates (rows of the last linear layer), p: the
//! teacher's probabilities at T 1, t: the label. At the optimum q = p with equal ‖w_k‖ it holds for every pair, because
//! h·w_i − h·w_j = ln(p_i / p_j). Chance is 0.5. Equal distances do not agree.
//!
//! Source: Tang et al., "Understanding and Improving Knowledge Distillation", 2020, arXiv:2002.03532. Where we differ:
//! the measure, a share of ordered pairs, is ours; pairs are counted by Knight's method for Kendall's τ, K ln K steps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::seen::{Seen, Table, Who};
use crate::error::{Error, Result};

/// The geometry has no options.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "GeometryDiagnostic")]
pub struct Geometry {}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GeometryReport {
    /// Share of the pairs of wrong classes whose distances are in the order of the teacher's probabilities; 0…1. Chance is
    /// 0.5.
    pub share: f64,
    /// Number of pairs over all rows; pairs of equal probability are left out.
    pub pairs: u64,
    /// Smallest and largest length of a class template. The proposition assumes that all lengths are equal.
    pub template_lengths: [f64; 2],
}

/// Agreeing and ordered pairs of one row's wrong classes.
pub fn pairs(squared_distances: &[f64], probabilities: &[f64], label: usize) -> (u64, u64) {
    let mut order: Vec<usize> = (0..probabilities.len()).filter(|class| *class != label).collect();
    // Sorted by falling probability and, for equal probabilities, by rising distance, so that ties are no inversions.
    let (d, p) = (squared_distances, probabilities);
    order.sort_by(|a, b| p[*b].total_cmp(&p[*a]).then(d[*a].total_cmp(&d[*b])));
    let tied = |same: &dyn Fn(usize, usize) -> bool, order: &[usize]| -> u64 {
        let mut runs = 0;
        let mut length = 0u64;
        for (at, class) in order.iter().enumerate() {
            length = if at > 0 && same(order[at - 1], *class) { length + 1 } else { 0 };
            runs += length;
        }
        runs
    };
    let count = order.len() as u64;
    let ordered = count * count.saturating_sub(1) / 2 - tied(&|a, b| p[a] == p[b], &order);
    let in_both = tied(&|a, b| p[a] == p[b] && d[a] == d[b], &order);
    let mut distances: Vec<f64> = order.iter().map(|class| d[*class]).collect();
    let disordered = inversions(&mut distances);
    order.sort_by(|a, b| d[*a].total_cmp(&d[*b]));
    let equally_far = tied(&|a, b| d[a] == d[b], &order) - in_both;
    (ordered - disordered - equally_far, ordered)
}

/// Sorts the numbers and returns how many pairs were in the wrong order.
fn inversions(numbers: &mut [f64]) -> u64 {
    if numbers.len() < 2 {
        return 0;
    }
    let (left, right) = numbers.split_at_mut(numbers.len() / 2);
    let mut count = inversions(left) + inversions(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let mut at = 0;
    for number in right.iter() {
        while at < left.len() && left[at] <= *number {
            merged.push(left[at]);
            at += 1;
        }
        count += (left.len() - at) as u64;
        merged.push(*number);
    }
    merged.extend_from_slice(&left[at..]);
    numbers.copy_from_slice(&merged);
    count
}

/// The report on plain numbers: activations `[rows, width]`, templates `[classes, width]`, teacher's logits
/// `[rows, classes]`.
pub(super) fn report(
    activations: &Table,
    templates: &Table,
    teacher: &Table,
    labels: &[usize],
) -> Result<GeometryReport> {
    let (mut agreeing, mut ordered) = (0, 0);
    for ((h, logits), label) in activations.rows().zip(teacher.rows()).zip(labels) {
        let squared = |w: &[f64]| h.iter().zip(w).map(|(h, w)| (h - w) * (h - w)).sum::<f64>();
        let distances: Vec<f64> = templates.rows().map(squared).collect();
        // Logits have the order of their probabilities, and different logits are never rounded to equal probabilities.
        let (agree, all) = pairs(&distances, logits, *label);
        agreeing += agree;
        ordered += all;
    }
    if ordered == 0 {
        return Err(Error::data(
            "data",
            "expected wrong classes of different probability, got none: the geometry needs at least three classes",
        ));
    }
    let lengths = templates.rows().map(|w| w.iter().map(|w| w * w).sum::<f64>().sqrt());
    let bounds = lengths.fold([f64::INFINITY, 0.0], |[least, most], length| [length.min(least), length.max(most)]);
    Ok(GeometryReport { share: agreeing as f64 / ordered as f64, pairs: ordered, template_lengths: bounds })
}

impl Diagnostic for Geometry {
    type Report = GeometryReport;

    fn validate(&self) -> Result<()> {
        Ok(())
    }

    fn report(&self, seen: &Seen<'_>) -> Result<GeometryReport> {
        let (teacher, labels) = (seen.logits(Who::Teacher)?, seen.labels()?);
        let inner = seen.inner(Who::Student).map_err(|error| error.at("student"))?;
        report(&inner.activations, &inner.templates, teacher, &labels)
    }
}
