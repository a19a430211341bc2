//! Rows of outputs together with their labels; values that several metrics need are computed once.

use std::cell::OnceCell;

use crate::error::{Error, Result};

/// The labels or targets of the rows.
#[derive(Clone, Copy, Debug)]
pub enum Truth<'a> {
    None,
    /// One class per row.
    Single(&'a [u32]),
    /// `[rows, outputs]`, each in 0…1.
    Several(&'a [f64]),
    /// `[rows, outputs]`: the probability of each class; each row sums to 1.
    Probabilities(&'a [f64]),
    /// `[rows, outputs]`.
    Real(&'a [f64]),
}

/// Outputs of a model, row after row.
pub struct Rows<'a> {
    logits: &'a [f64],
    outputs: usize,
    truth: Truth<'a>,
    teacher: Option<&'a [f64]>,
    labels: OnceCell<Vec<usize>>,
    weights: Option<&'a [f64]>,
    best: OnceCell<Vec<usize>>,
    log_sums: OnceCell<Vec<f64>>,
}

impl<'a> Rows<'a> {
    /// `logits` and `teacher` are `[rows, outputs]`.
    pub fn new(logits: &'a [f64], outputs: usize, truth: Truth<'a>, teacher: Option<&'a [f64]>) -> Result<Rows<'a>> {
        if outputs == 0 || !logits.len().is_multiple_of(outputs) {
            let message = format!("expected rows of {outputs} numbers, got {} numbers", logits.len());
            return Err(Error::shape("outputs", message));
        }
        let rows = logits.len() / outputs;
        let (got, expected) = match truth {
            Truth::None => (0, 0),
            Truth::Single(labels) => (labels.len(), rows),
            Truth::Several(numbers) | Truth::Probabilities(numbers) | Truth::Real(numbers) => {
                (numbers.len(), logits.len())
            }
        };
        if got != expected {
            return Err(Error::shape("labels", format!("expected {expected} numbers for {rows} rows, got {got}")));
        }
        if let Truth::Single(labels) = truth
            && let Some(row) = labels.iter().position(|label| *label as usize >= outputs)
        {
            let message = format!("expected a label below {outputs} (the outputs of the model), got {}", labels[row]);
            return Err(Error::data(format!("labels[{row}]"), message));
        }
        if let Some(teacher) = teacher.filter(|teacher| teacher.len() != logits.len()) {
            let message = format!("expected {} numbers, as many as the student's, got {}", logits.len(), teacher.len());
            return Err(Error::shape("teacher", message));
        }
        Ok(Rows {
            logits,
            outputs,
            truth,
            teacher,
            weights: None,
            labels: OnceCell::new(),
            best: OnceCell::new(),
            log_sums: OnceCell::new(),
        })
    }

    /// The same rows, each counted by its weight.
    pub fn weighted(self, weights: &'a [f64]) -> Rows<'a> {
        Rows { weights: Some(weights), ..self }
    }

    /// The weight of a row; 1 if rows have no weights.
    pub fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }

    pub fn count(&self) -> usize {
        self.logits.len() / self.outputs
    }

    pub fn outputs(&self) -> usize {
        self.outputs
    }

    pub fn logits(&self) -> std::slice::ChunksExact<'a, f64> {
        self.logits.chunks_exact(self.outputs)
    }

    pub fn truth(&self) -> Truth<'a> {
        self.truth
    }

    /// The teacher's rows; empty without a teacher.
    pub fn teacher(&self) -> std::slice::ChunksExact<'a, f64> {
        self.teacher.unwrap_or_default().chunks_exact(self.outputs)
    }

    /// The class of each row, for probabilities the most likely one; empty for multi-label, real or missing labels.
    pub fn labels(&self) -> &[usize] {
        self.labels.get_or_init(|| match self.truth {
            Truth::Single(labels) => labels.iter().map(|label| *label as usize).collect(),
            Truth::Probabilities(numbers) => numbers.chunks_exact(self.outputs).map(largest).collect(),
            Truth::None | Truth::Several(_) | Truth::Real(_) => Vec::new(),
        })
    }

    /// Each row's logits with its class.
    pub fn labelled(&self) -> impl Iterator<Item = (&'a [f64], usize)> {
        self.logits().zip(self.labels().iter().copied())
    }

    /// Each row's logits with its target numbers; empty for rows with a single label or none.
    pub fn numbered(&self) -> impl Iterator<Item = (&'a [f64], &'a [f64])> {
        let numbers = match self.truth {
            Truth::Several(numbers) | Truth::Probabilities(numbers) | Truth::Real(numbers) => numbers,
            Truth::None | Truth::Single(_) => &[],
        };
        self.logits().zip(numbers.chunks_exact(self.outputs))
    }

    /// For each row the class with the largest logit; among equal logits the first.
    pub fn best(&self) -> &[usize] {
        self.best.get_or_init(|| self.logits().map(largest).collect())
    }

    /// log Σ exp of each row's logits.
    pub fn log_sums(&self) -> &[f64] {
        self.log_sums.get_or_init(|| self.logits().map(log_sum_exp).collect())
    }
}

/// The index of the largest number; among equal numbers the first.
pub(super) fn largest(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}

pub(super) fn log_sum_exp(row: &[f64]) -> f64 {
    let shift = row[largest(row)];
    shift + row.iter().map(|logit| (logit - shift).exp()).sum::<f64>().ln()
}
