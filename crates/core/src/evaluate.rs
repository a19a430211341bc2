//! Evaluates a model on data with known labels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::batch::{Batch, TeacherLogits};
use crate::blocks::{collected, copied, reserve};
use crate::dataset::{BatchOptions, Dataset};
use crate::error::Result;
use crate::metrics::{Evaluator, Measure, Metrics};
use crate::models::{Model, expect_finite};
use crate::tape::Cancel;
use crate::tensor::{Tensor, from_vec, read};

/// The results of a validation. Numbers that the data do not support are omitted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// Rows with a non-zero weight. Metrics of labels use only labelled rows.
    pub rows: usize,
    /// Share of rows whose largest logit is that of the label. This and the following numbers use the rows' weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Cross entropy for classes, mean squared error for real numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Share of rows for which student and teacher predict the same class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// Every other requested metric, by name.
    #[serde(flatten)]
    pub metrics: BTreeMap<String, Measure>,
}

impl Evaluation {
    /// A metric by its name, if it is a number.
    pub fn number(&self, metric: &str) -> Option<f64> {
        match metric {
            "accuracy" => self.accuracy,
            "loss" => self.loss,
            "agreement" => self.agreement,
            _ => self.metrics.get(metric).and_then(Measure::number),
        }
    }
}

/// Logits of all rows, `[rows, classes]`, in the order of the data.
pub fn logits(model: &Model, data: &Dataset) -> Result<Vec<f32>> {
    logits_until(model, data, &Cancel::default())
}

pub(crate) fn logits_until(model: &Model, data: &Dataset, cancel: &Cancel) -> Result<Vec<f32>> {
    let data = &data.seen_by(&model.reader(), "data")?;
    let mut all = Vec::new();
    reserve(&mut all, data.rows().saturating_mul(model.network.classes()))?;
    for batch in data.batches(&BatchOptions::in_order(model.rows_at_once()), 0)? {
        let batch = batch?;
        let logits = model.logits_until(&batch.inputs, &batch.ids, cancel)?;
        let logits = read::<f32>(&logits)?;
        expect_finite(&logits, model.network.classes(), all.len() / model.network.classes())?;
        all.extend_from_slice(&logits);
    }
    Ok(all)
}

/// Evaluates the model on every row. `teacher` contains the teacher's logits for the same rows, in their order; without
/// it, teacher logits of the data are used, if there are any.
pub fn evaluate(model: &Model, data: &Dataset, teacher: Option<&[f32]>) -> Result<Evaluation> {
    evaluate_with(model, data, teacher, &Metrics::default(), &Cancel::default())
}

/// Like `evaluate`, with further metrics.
pub(crate) fn evaluate_with(
    model: &Model,
    data: &Dataset,
    teacher: Option<&[f32]>,
    more: &Metrics,
    cancel: &Cancel,
) -> Result<Evaluation> {
    let data = &data.seen_by(&model.signature(), "data")?;
    let classes = model.network.classes();
    let piece = model.rows_at_once();
    measured(data, classes, teacher, more, piece, &mut |batch, start| {
        let logits = model.logits_until(&batch.inputs, &batch.ids, cancel)?;
        expect_finite(&read::<f32>(&logits)?, classes, start)?;
        Ok(logits)
    })
}

/// Metrics of precomputed outputs: `logits` of all rows, in their order.
pub(crate) fn evaluate_answers(data: &Dataset, classes: usize, logits: &[f32], more: &Metrics) -> Result<Evaluation> {
    evaluate_beside(data, classes, logits, None, more)
}

/// Like `evaluate_answers`, compared with a teacher's outputs.
pub(crate) fn evaluate_beside(
    data: &Dataset,
    classes: usize,
    logits: &[f32],
    teacher: Option<&[f32]>,
    more: &Metrics,
) -> Result<Evaluation> {
    measured(data, classes, teacher, more, 256, &mut |batch, start| {
        let of_batch = start * classes..(start + batch.rows()) * classes;
        from_vec(copied(&logits[of_batch]), (batch.rows(), classes))
    })
}

/// Passes every batch's logits, computed by `answers(batch, first row)`, to the metrics.
fn measured(
    data: &Dataset,
    classes: usize,
    teacher: Option<&[f32]>,
    more: &Metrics,
    piece: usize,
    answers: &mut dyn FnMut(&Batch, usize) -> Result<Tensor>,
) -> Result<Evaluation> {
    let has_teacher = has_teacher(data, teacher.is_some(), classes);
    let metrics = more.clone().with_basics(data.label_kind(), has_teacher);
    let mut evaluator = Evaluator::new(&metrics, data, classes, has_teacher)?;
    let mut rows = 0;
    for batch in data.batches(&BatchOptions::in_order(piece), 0)? {
        let batch = batch?;
        let logits = answers(&batch, rows)?;
        let of_batch = rows * classes..(rows + batch.rows()) * classes;
        let teacher = match teacher {
            Some(teacher) => Some(from_vec(copied(&teacher[of_batch]), (batch.rows(), classes))?),
            None if has_teacher => batch.teacher_logits.clone().map(|logits| of_all(logits, classes)).transpose()?,
            None => None,
        };
        evaluator.add(&logits, &batch, teacher.as_ref())?;
        rows += batch.rows();
    }
    let mut metrics = evaluator.measures();
    let mut number = |name: &str| metrics.remove(name).and_then(|measure| measure.number());
    let (accuracy, loss, agreement) = (number("accuracy"), number("loss"), number("agreement"));
    Ok(Evaluation { rows: evaluator.rows(), accuracy, loss, agreement, metrics })
}

/// Rejects metrics that do not fit the data; the error's path is the name of the metric.
pub(crate) fn check(metrics: &Metrics, data: &Dataset, teacher: bool, classes: usize) -> Result<()> {
    Evaluator::new(metrics, data, classes, has_teacher(data, teacher, classes)).map(|_| ())
}

fn has_teacher(data: &Dataset, given: bool, classes: usize) -> bool {
    let top = || data.teacher_top().is_some_and(|(_, largest)| largest <= classes);
    given || data.teacher_classes() == Some(classes) || top()
}

/// Logits of all classes. If only the largest are stored, they are ln p at temperature 1, including the tail.
fn of_all(logits: TeacherLogits, classes: usize) -> Result<Tensor> {
    match logits {
        TeacherLogits::All(logits) => Ok(logits),
        TeacherLogits::Top(top) => {
            let p = top.probabilities(1.0, classes).into_iter().map(|p| p.ln() as f32);
            from_vec(collected(p), (top.rows(), classes))
        }
    }
}

/// Like `evaluate`, compared with a teacher that is a model, and with further metrics.
pub fn against(model: &Model, data: &Dataset, teacher: Option<&Model>, metrics: &Metrics) -> Result<Evaluation> {
    check(metrics, data, teacher.is_some(), model.network.classes()).map_err(|error| error.at("metrics"))?;
    if let Some(teacher) = teacher {
        model.signature().expect_alike(&teacher.signature(), "teacher", "the model")?;
    }
    let logits = teacher.map(|teacher| logits(teacher, data)).transpose()?;
    evaluate_with(model, data, logits.as_deref(), metrics, &Cancel::default())
}
