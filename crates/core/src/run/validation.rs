//! Validation of a run: the student on rows that it is not trained on, beside the teacher.

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::evaluate::{self, Evaluation, evaluate_with};
use crate::metrics::{Measure, Metrics};
use crate::models::{Model, Prediction};
use crate::options::MetricChoice;
use crate::tape::Cancel;
use crate::teacher::Teachers;

pub(crate) struct Validation {
    pub data: Dataset,
    metrics: Metrics,
    /// The teacher on the same rows.
    pub teacher: Option<Evaluation>,
    teacher_logits: Option<Vec<f32>>,
    cancel: Cancel,
}

impl Validation {
    /// Asks the teachers about the rows, once.
    pub fn new(data: Dataset, teachers: &Teachers, metrics: &Metrics, cancel: &Cancel) -> Result<Validation> {
        let (teacher, teacher_logits) = match teachers.logits(&data, cancel)? {
            Some((classes, logits)) => {
                (Some(evaluate::evaluate_answers(&data, classes, &logits, &metrics.without_teacher())?), Some(logits))
            }
            None => (None, None),
        };
        Ok(Validation { data, metrics: metrics.clone(), teacher, teacher_logits, cancel: cancel.clone() })
    }

    pub fn evaluate(&self, model: &Model) -> Result<Evaluation> {
        evaluate_with(model, &self.data, self.teacher_logits.as_deref(), &self.metrics, &self.cancel)
    }

    /// Learners that teach each other, each with the mean entropy of its predictions and how often its peers agree.
    pub fn evaluate_peers(&self, models: &[Model]) -> Result<Vec<Evaluation>> {
        let answer = |model: &Model| {
            let logits = evaluate::logits_until(model, &self.data, &self.cancel)?;
            let (rows, classes) = (self.data.rows(), model.network.classes());
            Ok(Prediction { rows, classes, logits, several: false })
        };
        let answers = models.iter().map(answer).collect::<Result<Vec<_>>>()?;
        let choices: Vec<Vec<u32>> = answers.iter().map(Prediction::classes).collect();
        let mut evaluations = Vec::with_capacity(models.len());
        for (own, answer) in answers.iter().enumerate() {
            let Prediction { classes, logits, rows, .. } = answer;
            let teacher = self.teacher_logits.as_deref();
            let mut evaluation = evaluate::evaluate_beside(&self.data, *classes, logits, teacher, &self.metrics)?;
            // Of several labels or real numbers there is no one class that a row is said to be of.
            if self.data.label_kind().is_one_class() {
                let p = answer.probabilities();
                let entropy = p.iter().filter(|p| **p > 0.0).map(|p| -f64::from(*p) * f64::from(*p).ln()).sum::<f64>();
                let agreed: usize = (0..choices.len())
                    .filter(|other| *other != own)
                    .map(|other| choices[own].iter().zip(&choices[other]).filter(|(a, b)| a == b).count())
                    .sum();
                let count = (*rows).max(1) as f64;
                let peers = agreed as f64 / count / (choices.len() - 1).max(1) as f64;
                evaluation.metrics.insert("entropy".into(), Measure::Number(entropy / count));
                evaluation.metrics.insert("peerAgreement".into(), Measure::Number(peers));
            }
            evaluations.push(evaluation);
        }
        Ok(evaluations)
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
