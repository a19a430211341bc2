//! What the first rows of a stream say of its teachers, which can be asked about nothing before.

use super::before::ROWS;
use super::teacher::{
    TeacherRows, chosen, gives_probabilities, inputs_as_trained, looks_like_probabilities, model_choices, teacher_knows,
};
use super::{Findings, Proofs};
use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::labels::Labels;
use crate::tape::Cancel;
use crate::teacher::{Teacher, Teachers};

pub(crate) struct FirstRows {
    each: Vec<Judged>,
    labels: Vec<u32>,
    seen: usize,
}

struct Judged {
    teacher: Teacher,
    path: String,
    choices: Vec<u32>,
    classes: usize,
    /// Whether all rows of its column so far look like probabilities.
    probabilities: Option<bool>,
}

impl FirstRows {
    /// Where the proofs before the first step have no rows to ask the teachers about.
    pub fn of(teachers: &Teachers, validation: Option<&Dataset>, proofs: Proofs) -> Option<FirstRows> {
        if proofs == Proofs::Off {
            return None;
        }
        let open = |teacher: &Teacher| match teacher {
            Teacher::Model(_) => validation.is_none(),
            Teacher::Column => true,
            _ => false,
        };
        let each = teachers.members.iter().enumerate().filter(|(_, (teacher, _))| open(teacher));
        let each: Vec<Judged> = each
            .map(|(at, (teacher, _))| Judged {
                teacher: teacher.clone(),
                path: teachers.path(at),
                choices: Vec::new(),
                classes: 0,
                probabilities: None,
            })
            .collect();
        (!each.is_empty()).then_some(FirstRows { each, labels: Vec::new(), seen: 0 })
    }

    pub fn see(&mut self, batch: &Batch, cancel: &Cancel, findings: &mut Findings) -> Result<()> {
        for Judged { teacher, path, choices, classes, probabilities } in &mut self.each {
            if let (Teacher::Model(model), 0) = (&*teacher, self.seen) {
                inputs_as_trained(model, path, batch, findings)?;
            }
            if let (Teacher::Column, Some(here)) = (&*teacher, looks_like_probabilities(batch)?) {
                *probabilities = Some(here && probabilities.unwrap_or(true));
            }
            let Labels::Single(_) = &batch.labels else { continue };
            match (&*teacher, &batch.teacher_logits) {
                (Teacher::Model(model), _) => {
                    choices.extend(model_choices(model, batch, cancel).map_err(|error| error.at(path))?);
                    *classes = model.network.classes();
                }
                (_, Some(column)) => {
                    choices.extend(chosen(column)?);
                    *classes = column.dims().last().copied().unwrap_or(0);
                }
                (_, None) => {}
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

    pub fn judge(&self, findings: &mut Findings) -> Result<()> {
        for Judged { teacher, path, choices, classes, probabilities } in &self.each {
            if *probabilities == Some(true) {
                gives_probabilities(path, findings)?;
            }
            let known = teacher.model().and_then(|model| model.provenance.get("accuracy")?.as_f64());
            let labels = &self.labels[..self.labels.len().min(choices.len())];
            teacher_knows(&TeacherRows { choices, labels, classes: *classes }, path, known, findings)?;
        }
        Ok(())
    }
}
