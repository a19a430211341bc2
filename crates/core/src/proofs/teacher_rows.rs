//! What the frozen teachers make of some rows: of a data set before the first step, of a stream as its first rows pass.

use super::agreement::Agreement;
use super::evidence::Teaching;
use super::finding::Findings;
use super::sample::{InputStatistics, ROWS, choices, chosen};
use super::teacher;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::labels::Labels;
use crate::models::Model;
use crate::tape::Cancel;
use crate::teacher::{Teacher, Teachers};
use crate::tensor::{Tensor, read};

/// Teachers and the rows that they were asked about so far.
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
    /// Of those teachers that `of` chooses; smoothed labels and averages have nothing to prove.
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
                *classes = logits.dims().last().copied().unwrap_or(0);
                // The numbers of a teacher of real labels may be anything.
                if !matches!(batch.labels, Labels::Real(_)) {
                    *probabilities = Some(are_probabilities(logits, *classes)? && probabilities.unwrap_or(true));
                }
                if single {
                    all.extend(chosen(logits)?);
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

/// Whether every row is 0 or more and sums to 1, as no logits do.
fn are_probabilities(rows: &Tensor, classes: usize) -> Result<bool> {
    let rows = read::<f32>(rows)?;
    let row = |row: &[f32]| {
        row.iter().all(|value| *value >= 0.0) && (row.iter().map(|p| f64::from(*p)).sum::<f64>() - 1.0).abs() < 1e-3
    };
    Ok(classes > 1 && !rows.is_empty() && rows.chunks(classes).all(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::from_vec;

    #[test]
    fn probabilities_are_told_from_logits() {
        let are = |rows: &[f32], classes: usize| {
            are_probabilities(&from_vec(rows.to_vec(), (rows.len() / classes, classes)).unwrap(), classes).unwrap()
        };
        assert!(are(&[0.2, 0.8, 0.0, 1.0], 2));
        assert!(!are(&[0.2, 0.8, -0.5, 1.5], 2));
        assert!(!are(&[0.2, 0.8, 1.0, 1.0], 2));
        assert!(!are(&[1.0, 1.0], 1));
    }
}
