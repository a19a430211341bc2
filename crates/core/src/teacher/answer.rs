//! What teachers answer about a batch.
//!
//! The student's own average (mean teacher) is in evaluation mode and sees the batch as the student does. Source:
//! Tarvainen, Valpola, "Mean teachers are better role models", 2017, arXiv:1703.01780. Where we differ: its answers are
//! compared by any loss, and its inputs are not augmented apart from the student's.
//!
//! Smoothed labels: ρ = (1 − share) y + share / K, the same at every temperature; `kl` to it at temperature 1 has the
//! gradient of `crossEntropy` with that `labelSmoothing`. Source: Müller, Kornblith, Hinton, "When Does Label Smoothing
//! Help?", 2019, arXiv:1906.02629; a teacher made of labels: Yuan, Tay, Li, Wang, Feng, "Revisiting Knowledge Distillation
//! via Label Smoothing Regularization", 2020, arXiv:1909.11723. Where we differ: the latter's virtual teacher spreads its
//! share over the wrong classes alone.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Combine, Teacher, Teachers};
use crate::batch::Batch;
use crate::error::{Candle, Error, Result};
use crate::labels::Labels;
use crate::models::{Model, Request};
use crate::tape::Cancel;
use crate::targets::{self, Table, Target};
use crate::tensor::{DType, Tensor, to_f64};

/// What is asked, and of whom.
pub(crate) struct Asking<'a> {
    /// What a teacher's forward is asked for beside its logits.
    pub request: &'a Request,
    pub cancel: &'a Cancel,
    pub seed: u64,
    /// The student's classes.
    pub classes: usize,
    /// The student with the running average of its parameters, where that is a teacher.
    pub average: Option<&'a Model>,
    /// What the other learners answer about this batch, by their number.
    pub peers: &'a [Option<targets::Teacher>],
}

impl Teachers {
    /// The teacher's side of every row of a batch, one for each teacher that is heard.
    pub(crate) fn sides(&self, batch: &Batch, asking: &Asking) -> Result<Vec<targets::Teacher>> {
        let mut sides = Vec::with_capacity(self.members.len());
        for (at, (teacher, share)) in self.members.iter().enumerate() {
            let side = teacher.side(batch, asking).map_err(|error| placed(error, &self.path(at)))?;
            let target = match side.target {
                Target::Logits(logits) if self.permute => {
                    Target::Logits(targets::permuted(&logits, &batch.ids, asking.seed, batch.epoch)?)
                }
                target => target,
            };
            sides.push(targets::Teacher { target, weight: *share, ..side });
        }
        if !self.mixed() {
            return Ok(sides);
        }
        let dense = |side: targets::Teacher| match side.target {
            Target::Logits(logits) => Ok((logits, side.weight)),
            _ => Err(Error::internal("teachers without logits cannot be mixed")),
        };
        let parts = sides.into_iter().map(dense).collect::<Result<Vec<_>>>()?;
        let target = match self.combine {
            Combine::Logits => Target::Logits(mean(&parts)?),
            Combine::Losses | Combine::Probabilities => Target::Mixture(parts),
        };
        Ok(vec![targets::Teacher::new(target, 1.0)])
    }
}

/// Smoothed labels of a row that has none.
pub(super) fn without_label(row: usize) -> Error {
    let message = format!(
        "expected a label in every row, to be smoothed, got none in row {row}: leave such rows out, or use crossEntropy with \
         labelSmoothing, which passes over them"
    );
    Error::config("labelSmoothing", message)
}

/// Messages about the teacher's column keep their own path.
fn placed(error: Error, path: &str) -> Error {
    if error.path.starts_with("teacher") { error } else { error.at(path) }
}

impl Teacher {
    /// Everything that losses compare with.
    fn side(&self, batch: &Batch, asking: &Asking) -> Result<targets::Teacher> {
        match self {
            Teacher::Model(model) => asked(model, batch, asking),
            Teacher::Average(_) => {
                let student = asking.average.ok_or_else(|| Error::internal("no average of the student"))?;
                asked(student, batch, asking)
            }
            Teacher::Column => Ok(targets::Teacher::logits(column(batch)?.into_owned())),
            Teacher::Cached(model, kept) => {
                let (all, mut at) = (column(batch)?, kept.start);
                let (axis, rows) = (all.dims().len().saturating_sub(1), all.dims().first().copied().unwrap_or(0));
                let mut next = |width: usize| {
                    let own = all.narrow(axis, at, width).and_then(|own| own.contiguous()).ok_or_internal();
                    at += width;
                    own
                };
                let mut side = targets::Teacher::logits(next(model.network.classes())?);
                side.head_weight = model.head_weight().cloned();
                for (name, sizes) in &kept.layers {
                    let own = next(sizes.iter().product())?.reshape([&[rows], sizes.as_slice()].concat());
                    side.hidden.insert(name.clone(), own.ok_or_internal()?);
                }
                Ok(side)
            }
            Teacher::Smoothed(options) => {
                let Labels::Single(labels) = &batch.labels else {
                    return Err(Error::data("labels", "expected one label a row to be smoothed, got others"));
                };
                let counts = |row: usize| batch.row_weights.as_ref().is_none_or(|weights| weights[row] != 0.0);
                if let Some(row) = (0..labels.len()).find(|row| !batch.labels.known(*row) && counts(*row)) {
                    return Err(without_label(row));
                }
                let (classes, share) = (asking.classes, options.share);
                let table = Table::new(labels, classes, |label| {
                    let mut row = vec![share / classes as f64; classes];
                    if let Some(own) = row.get_mut(label as usize) {
                        *own += 1.0 - share;
                    }
                    Ok(row)
                })?;
                Ok(targets::Teacher::new(Target::Table(table), 1.0))
            }
            Teacher::Peer(number, _) => {
                let answer = asking.peers.get(*number).and_then(Option::as_ref);
                answer.cloned().ok_or_else(|| Error::internal("a peer was not asked"))
            }
        }
    }
}

fn asked(model: &Model, batch: &Batch, asking: &Asking) -> Result<targets::Teacher> {
    let outputs = model.outputs_until(&batch.inputs, &batch.ids, asking.request, asking.cancel)?;
    let hidden: BTreeMap<String, Tensor> =
        outputs.hidden.into_iter().map(|(name, value)| (name, value.tensor().clone())).collect();
    let head_weight = model.head_weight().cloned();
    Ok(targets::Teacher { hidden, head_weight, ..targets::Teacher::logits(outputs.logits.tensor().clone()) })
}

fn column(batch: &Batch) -> Result<Cow<'_, Tensor>> {
    batch
        .teacher_logits
        .as_ref()
        .map(Cow::Borrowed)
        .ok_or_else(|| Error::data("teacherLogits", "expected a column of teacher logits in this batch, got none"))
}

fn mean(parts: &[(Tensor, f64)]) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for (logits, share) in parts {
        let part = (logits * *share).ok_or_internal()?;
        sum = Some(match sum {
            None => part,
            Some(sum) => (sum + part).ok_or_internal()?,
        });
    }
    sum.ok_or_else(|| Error::internal("a mean of no teachers"))
}

/// How sure the teachers are of each row: the largest of their probabilities, all teachers together.
pub(crate) fn confidences(sides: &[targets::Teacher], rows: usize) -> Result<Vec<f32>> {
    let mut mixed: Vec<f64> = Vec::new();
    for side in sides {
        let p = to_f64(&side.target.probabilities(1.0, DType::F32)?)?;
        if mixed.is_empty() {
            mixed = crate::blocks::filled(p.len(), 0.0);
        }
        mixed.iter_mut().zip(p).for_each(|(sum, p)| *sum += side.weight * p);
    }
    let classes = mixed.len() / rows.max(1);
    Ok(mixed.chunks(classes.max(1)).map(|row| row.iter().copied().fold(0.0, f64::max) as f32).collect())
}

/// The batch with every row's weight times how sure the teachers are of it.
///
/// Source: Furlanello et al., "Born-Again Neural Networks", 2018, arXiv:1805.04770, section 3 (CWTM): a row counts
/// m_s / Σ m, m_s the largest probability. Where we differ: nowhere.
pub(crate) fn weighted_by(batch: &Batch, sides: &[targets::Teacher]) -> Result<Batch> {
    let rows = batch.row_weights.as_ref().map_or(batch.rows(), Vec::len);
    let mut weights = confidences(sides, rows)?;
    if let Some(own) = &batch.row_weights {
        weights.iter_mut().zip(own).for_each(|(weight, own)| *weight *= own);
    }
    Ok(Batch { row_weights: Some(weights), ..batch.clone() })
}
