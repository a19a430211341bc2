//! The frozen teachers' outputs for some rows: of a data set before the first step, of a stream as its first rows
//! arrive.

use super::agreement::Agreement;
use super::evidence::Teaching;
use super::finding::Findings;
use super::sample::{InputStatistics, ROWS, choices, stored_choices};
use super::teacher;
use crate::batch::{Batch, TeacherLogits};
use crate::error::{Error, Result};
use crate::labels::Labels;
use crate::models::Model;
use crate::tape::Cancel;
use crate::teacher::{Teacher, Teachers};
use crate::tensor::read;

/// Teachers, and their outputs for the rows so far.
pub(crate) struct TeacherRows {
    each: Vec<Asked>,
    labels: Vec<u32>,
    seen: usize,
}

struct Asked {
    teacher: Teacher,
    path: String,
    choices: Vec<u32>,
    classes: usize,
    inputs: Option<InputStatistics>,
    /// Whether all rows of its column so far look like probabilities.
    probabilities: Option<bool>,
}

impl TeacherRows {
    /// For the teachers that `of` selects; smoothed labels and averages need no proof.
    pub fn new(teachers: &Teachers, of: impl Fn(&Teacher) -> bool) -> TeacherRows {
        let asked = |(at, (teacher, _)): (usize, &(Teacher, f64))| Asked {
            teacher: teacher.clone(),
            path: teachers.path(at),
            choices: Vec::new(),
            classes: 0,
            inputs: None,
            probabilities: None,
        };
        let chosen = teachers.members.iter().enumerate().filter(|(_, (teacher, _))| of(teacher));
        TeacherRows { each: chosen.map(asked).collect(), labels: Vec::new(), seen: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    pub fn see(&mut self, batch: &Batch, cancel: &Cancel) -> Result<()> {
        for Asked { teacher, path, choices: all, classes, inputs, probabilities } in &mut self.each {
            let single = matches!(batch.labels, Labels::Single(_));
            if let Some(model) = teacher.model() {
                if self.seen == 0 {
                    *inputs = InputStatistics::of(model, batch)?;
                }
                if single {
                    all.extend(choices(model, batch, cancel).map_err(|error| error.at(path))?);
                    *classes = model.network.classes();
                }
            } else {
                let missing =
                    || Error::data("teacherLogits", "expected a column of teacher logits in this batch, got none");
                let logits = batch.teacher_logits.as_ref().ok_or_else(missing)?;
                *classes = match logits {
                    TeacherLogits::All(logits) => logits.dims().last().copied().unwrap_or(0),
                    TeacherLogits::Top(top) => {
                        top.classes.iter().map(|class| *class as usize + 1).fold(*classes, usize::max)
                    }
                };
                // A teacher of real labels may give any numbers.
                if !matches!(batch.labels, Labels::Real(_)) {
                    *probabilities = Some(are_probabilities(logits)? && probabilities.unwrap_or(true));
                }
                if single {
                    all.extend(stored_choices(logits)?);
                }
            }
        }
        self.seen += batch.rows();
        if let Labels::Single(labels) = &batch.labels {
            self.labels.extend(labels);
        }
        Ok(())
    }

    pub fn are_enough(&self) -> bool {
        self.seen >= ROWS
    }

    pub fn prove(&self, findings: &mut Findings) -> Result<()> {
        for Asked { teacher: of, path, choices, classes, inputs, probabilities } in &self.each {
            let says = |key: &str| of.model().and_then(|model: &Model| model.provenance.get(key)).cloned();
            let then = says("inputs").and_then(|then| serde_json::from_value(then).ok());
            let agreement = Agreement::of(choices, &self.labels, *classes);
            let evidence = Teaching {
                path,
                inputs: then.zip(*inputs),
                probabilities: *probabilities == Some(true),
                known: says("accuracy").and_then(|accuracy| accuracy.as_f64()),
                agreement: agreement.as_ref(),
                ..Teaching::default()
            };
            teacher(&evidence, findings)?;
        }
        Ok(())
    }
}

/// Whether every row contains only numbers ≥ 0 and sums to 1, unlike logits. If only the largest numbers of a row are
/// known, they must sum to at least one half.
fn are_probabilities(logits: &TeacherLogits) -> Result<bool> {
    let are = |rows: &[f32], width: usize, least: f64| {
        let sum = |row: &[f32]| row.iter().map(|p| f64::from(*p)).sum::<f64>();
        let row = |row: &[f32]| row.iter().all(|value| *value >= 0.0) && (least..1.001).contains(&sum(row));
        width > 1 && !rows.is_empty() && rows.chunks(width).all(row)
    };
    Ok(match logits {
        TeacherLogits::All(rows) => are(&read::<f32>(rows)?, rows.dims().last().copied().unwrap_or(0), 0.999),
        TeacherLogits::Top(top) => are(&top.logits, top.k, 0.5),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::from_vec;
    use crate::top_logits::TopLogits;

    #[test]
    fn probabilities_are_told_from_logits() {
        let are = |rows: &[f32], classes: usize| {
            let rows = from_vec(rows.to_vec(), (rows.len() / classes, classes)).unwrap();
            are_probabilities(&TeacherLogits::All(rows)).unwrap()
        };
        assert!(are(&[0.2, 0.8, 0.0, 1.0], 2));
        assert!(!are(&[0.2, 0.8, -0.5, 1.5], 2));
        assert!(!are(&[0.2, 0.8, 1.0, 1.0], 2));
        assert!(!are(&[1.0, 1.0], 1));
        let top = |logits: Vec<f32>| TopLogits { k: 2, classes: vec![0, 1, 3, 2], logits, tail: None };
        let are = |logits: Vec<f32>| are_probabilities(&TeacherLogits::Top(top(logits))).unwrap();
        assert!(are(vec![0.5, 0.3, 0.6, 0.1]));
        assert!(!are(vec![0.1, 0.05, 0.6, 0.1]) && !are(vec![3.0, 1.0, 0.6, 0.1]));
    }
}
