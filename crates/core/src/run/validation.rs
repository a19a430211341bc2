//! Validation of a run: the student on rows that it is not trained on, beside the teacher.

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::evaluate::{self, Evaluation, evaluate_with};
use crate::learner::Teacher;
use crate::metrics::Metrics;
use crate::models::Model;
use crate::options::MetricChoice;
use crate::tape::Cancel;

pub(crate) struct Validation {
    pub data: Dataset,
    metrics: Metrics,
    /// The teacher on the same rows.
    pub teacher: Option<Evaluation>,
    teacher_logits: Option<Vec<f32>>,
    cancel: Cancel,
}

impl Validation {
    /// Asks the teacher about the rows, once.
    pub fn new(data: Dataset, teacher: Option<&Teacher>, metrics: &Metrics, cancel: &Cancel) -> Result<Validation> {
        let (teacher, teacher_logits) = match teacher {
            Some(Teacher::Model(model) | Teacher::Cached(model)) => {
                let logits = evaluate::logits_until(model, &data, cancel).map_err(|error| error.at("teacher"))?;
                let classes = model.network.classes();
                (Some(evaluate::evaluate_answers(&data, classes, &logits, &metrics.without_teacher())?), Some(logits))
            }
            Some(Teacher::Column) | None => (None, None),
        };
        Ok(Validation { data, metrics: metrics.clone(), teacher, teacher_logits, cancel: cancel.clone() })
    }

    pub fn evaluate(&self, model: &Model) -> Result<Evaluation> {
        evaluate_with(model, &self.data, self.teacher_logits.as_deref(), &self.metrics, &self.cancel)
    }

    /// The number that decides which validation is best: its name, its value, whether higher is better.
    pub fn score(&self, evaluation: &Evaluation, choice: Option<MetricChoice>) -> Result<(&'static str, f64, bool)> {
        let (name, value, higher) = match choice {
            Some(MetricChoice::Accuracy) => ("accuracy", evaluation.accuracy, true),
            Some(MetricChoice::Loss) => ("loss", evaluation.loss, false),
            Some(MetricChoice::Agreement) => ("agreement", evaluation.agreement, true),
            None if evaluation.accuracy.is_some() => ("accuracy", evaluation.accuracy, true),
            None if evaluation.loss.is_some() => ("loss", evaluation.loss, false),
            None => ("agreement", evaluation.agreement, true),
        };
        let missing = || Error::config("metric", format!("expected validation data that {name} can be computed on"));
        Ok((name, value.ok_or_else(missing)?, higher))
    }
}
