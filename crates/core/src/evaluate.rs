//! A model on data whose answers are known.

use serde::{Deserialize, Serialize};

use crate::batch::Labels;
use crate::dataset::{BatchOptions, Dataset};
use crate::error::Result;
use crate::models::Model;
use crate::tensor::read;

/// Rows of one forward: big enough for the kernels, small enough to stay out of the way.
const ROWS: usize = 256;

/// What validation says. A number that the data cannot give is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    pub rows: usize,
    /// Share of rows whose largest logit is the label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Cross entropy for classes, mean squared error for real numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Share of rows where the largest logit is the teacher's too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
}

/// Logits of all rows, `[rows, classes]`, in the order of the data.
pub(crate) fn logits(model: &Model, data: &Dataset) -> Result<Vec<f32>> {
    let mut all = Vec::with_capacity(data.rows() * model.network.classes());
    for batch in data.batches(&BatchOptions::in_order(ROWS), 0)? {
        let batch = batch?;
        all.extend_from_slice(&read::<f32>(&model.logits(&batch.inputs, &batch.ids)?)?);
    }
    Ok(all)
}

/// The model on every row; `teacher` are the teacher's logits of the same rows.
pub fn evaluate(model: &Model, data: &Dataset, teacher: Option<&[f32]>) -> Result<Evaluation> {
    let classes = model.network.classes();
    let (mut right, mut agree, mut loss, mut rows) = (0usize, 0usize, 0f64, 0usize);
    let (mut labelled, mut measured) = (false, false);
    for batch in data.batches(&BatchOptions::in_order(ROWS), 0)? {
        let batch = batch?;
        let logits = model.logits(&batch.inputs, &batch.ids)?;
        let logits = read::<f32>(&logits)?;
        match &batch.labels {
            Labels::Single(labels) => {
                (labelled, measured) = (true, true);
                for (row, label) in logits.chunks(classes).zip(labels) {
                    right += usize::from(largest(row) == *label as usize);
                    loss += negative_log_likelihood(row, *label as usize);
                }
            }
            Labels::Several(targets) => {
                measured = true;
                let targets = read::<f32>(targets)?;
                let sum: f64 = logits.iter().zip(targets.iter()).map(|(z, y)| binary(*z as f64, *y as f64)).sum();
                loss += sum / classes as f64;
            }
            Labels::Real(targets) => {
                measured = true;
                let targets = read::<f32>(targets)?;
                let sum: f64 = logits.iter().zip(targets.iter()).map(|(z, y)| ((z - y) as f64).powi(2)).sum();
                loss += sum / classes as f64;
            }
            Labels::None => {}
        }
        if let Some(teacher) = teacher {
            let of_batch = &teacher[rows * classes..(rows + batch.rows()) * classes];
            agree +=
                logits.chunks(classes).zip(of_batch.chunks(classes)).filter(|(a, b)| largest(a) == largest(b)).count();
        }
        rows += batch.rows();
    }
    let share = |count: usize| count as f64 / rows.max(1) as f64;
    Ok(Evaluation {
        rows,
        accuracy: labelled.then(|| share(right)),
        loss: measured.then(|| loss / rows.max(1) as f64),
        agreement: teacher.map(|_| share(agree)),
    })
}

/// The largest entry; ties go to the lower index.
fn largest(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

fn negative_log_likelihood(row: &[f32], label: usize) -> f64 {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max) as f64;
    let sum: f64 = row.iter().map(|logit| (*logit as f64 - max).exp()).sum();
    max + sum.ln() - row[label] as f64
}

/// Cross entropy of one class that is or is not there, from its logit.
fn binary(z: f64, y: f64) -> f64 {
    z.max(0.0) - z * y + (-z.abs()).exp().ln_1p()
}
