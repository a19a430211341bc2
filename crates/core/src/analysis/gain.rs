//! Gain of distillation per class: the distilled student compared with the same student trained without a teacher.
//!
//! ```text
//! gain_k = accuracy of the distilled student on the rows of class k − accuracy of the control student on them
//! ```
//!
//! Only the distilled student predicts `mended` rows correctly; only the control predicts `spoilt` rows correctly. The
//! gain is the difference of their counts; if both are small, it may be chance. The p-value is that of McNemar's exact
//! two-sided test.
//!
//! Source: McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12,
//! 1947, with the exact binomial distribution. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::seen::{Seen, Table, Who};
use crate::error::Result;

/// The gain has no options.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "GainDiagnostic")]
pub struct Gain {}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GainReport {
    /// All rows together.
    pub all: GainOf,
    /// Probability of a difference between `mended` and `spoilt` that is at least as large, if both students were equally
    /// good (McNemar's exact test).
    pub p_value: f64,
    /// Each class, in order; a class without rows is left out.
    pub classes: Vec<ClassGain>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GainOf {
    pub rows: usize,
    /// Accuracy of the control, which was trained without a teacher.
    pub alone: f64,
    /// Accuracy of the distilled student.
    pub distilled: f64,
    /// `distilled − alone`.
    pub gain: f64,
    /// Accuracy of the teacher, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<f64>,
    /// Number of rows that only the distilled student predicts correctly.
    pub mended: usize,
    /// Number of rows that only the control predicts correctly.
    pub spoilt: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassGain {
    pub label: usize,
    /// Name of the class, if the data or the student have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(flatten)]
    pub of: GainOf,
}

/// Whether each row is predicted correctly; among equal logits the first wins.
pub(super) fn right(logits: &Table, labels: &[usize]) -> Vec<bool> {
    let best = |row: &[f64]| (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
    logits.rows().zip(labels).map(|(row, label)| best(row) == *label).collect()
}

fn of(rows: &[usize], alone: &[bool], distilled: &[bool], teacher: Option<&[bool]>) -> GainOf {
    let share = |right: &[bool]| rows.iter().filter(|row| right[**row]).count() as f64 / rows.len() as f64;
    let (alone_share, distilled_share) = (share(alone), share(distilled));
    GainOf {
        rows: rows.len(),
        alone: alone_share,
        distilled: distilled_share,
        gain: distilled_share - alone_share,
        teacher: teacher.map(share),
        mended: rows.iter().filter(|row| distilled[**row] && !alone[**row]).count(),
        spoilt: rows.iter().filter(|row| alone[**row] && !distilled[**row]).count(),
    }
}

/// McNemar's exact p-value: 2 · P(X ≤ min(b, c)), X binomial of b + c throws of a fair coin; at most 1.
fn mcnemar(mended: usize, spoilt: usize) -> f64 {
    let throws = mended + spoilt;
    // ln of the probability of each count, computed from the previous one, because factorials would overflow.
    let mut chance = -(throws as f64) * std::f64::consts::LN_2;
    let mut sum = 0.0;
    for count in 0..=mended.min(spoilt) {
        sum += chance.exp();
        chance += ((throws - count) as f64 / (count + 1) as f64).ln();
    }
    (2.0 * sum).min(1.0)
}

/// The report from plain flags: whether each student predicts each row correctly.
pub fn report(
    labels: &[usize],
    alone: &[bool],
    distilled: &[bool],
    teacher: Option<&[bool]>,
    names: Option<&[String]>,
) -> GainReport {
    let rows: Vec<usize> = (0..labels.len()).collect();
    let mut of_class: Vec<Vec<usize>> = vec![Vec::new(); labels.iter().max().map_or(0, |label| label + 1)];
    labels.iter().enumerate().for_each(|(row, label)| of_class[*label].push(row));
    let class = |(label, rows): (usize, &Vec<usize>)| ClassGain {
        label,
        name: names.and_then(|names| names.get(label).cloned()),
        of: of(rows, alone, distilled, teacher),
    };
    let all = of(&rows, alone, distilled, teacher);
    GainReport {
        p_value: mcnemar(all.mended, all.spoilt),
        classes: of_class.iter().enumerate().filter(|(_, rows)| !rows.is_empty()).map(class).collect(),
        all,
    }
}

impl Diagnostic for Gain {
    type Report = GainReport;

    fn validate(&self) -> Result<()> {
        Ok(())
    }

    fn report(&self, seen: &Seen<'_>) -> Result<GainReport> {
        let labels = seen.labels()?;
        let of = |who: Who| seen.logits(who).map(|logits| right(logits, &labels));
        let (alone, distilled) = (of(Who::Control)?, of(Who::Student)?);
        let teacher = if seen.has(Who::Teacher) { Some(of(Who::Teacher)?) } else { None };
        let student = seen.model(Who::Student)?;
        let names = seen.data().label_names().or(student.label_names.as_deref());
        Ok(report(&labels, &alone, &distilled, teacher.as_deref(), names))
    }
}
