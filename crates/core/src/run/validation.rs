//! Validation of a run: evaluates the student on rows that it is not trained on, and compares it with the teacher.

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::evaluate::{self, Evaluation, evaluate_with};
use crate::labels::LabelKind;
use crate::losses::{Losses, Need};
use crate::metrics::{Better, Mean, MetricChoice, Metrics};
use crate::models::{Model, Prediction};
use crate::options::TrainOptions;
use crate::tape::Cancel;
use crate::teacher::Teachers;

pub(crate) struct Validation {
    pub data: Dataset,
    metrics: Metrics,
    /// The teacher's metrics on the same rows.
    pub teacher: Option<Evaluation>,
    teacher_logits: Option<Vec<f32>>,
    cancel: Cancel,
}

impl Validation {
    /// Computes the teachers' outputs once; `options` are those of all learners, the first one's set the metrics.
    pub fn new(data: Dataset, teachers: &Teachers, options: &[&TrainOptions], cancel: &Cancel) -> Result<Validation> {
        let asked = teachers.models().next().is_some();
        let mut metrics = options.first().map_or_else(Metrics::default, |first| first.metrics.clone());
        for own in options {
            metrics = metrics.with(choice(own, &data, asked)?);
        }
        let (teacher, teacher_logits) = match teachers.logits(&data, cancel)? {
            Some((classes, logits)) => {
                (Some(evaluate::evaluate_answers(&data, classes, &logits, &metrics.without_teacher())?), Some(logits))
            }
            None => (None, None),
        };
        Ok(Validation { data, metrics, teacher, teacher_logits, cancel: cancel.clone() })
    }

    pub fn evaluate(&self, model: &Model) -> Result<Evaluation> {
        evaluate_with(model, &self.data, self.teacher_logits.as_deref(), &self.metrics, &self.cancel)
    }

    /// Evaluates the learners of mutual learning; adds the mean entropy of each one's predictions and its agreement with
    /// its peers.
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
            let Prediction { classes, logits, .. } = answer;
            let teacher = self.teacher_logits.as_deref();
            let mut evaluation = evaluate::evaluate_beside(&self.data, *classes, logits, teacher, &self.metrics)?;
            // Multi-label rows and real targets have no single predicted class.
            if self.data.label_kind().is_one_class() {
                let (mut entropy, mut agreement) = (Mean::default(), Mean::default());
                for (row, p) in answer.probabilities().chunks(*classes).enumerate() {
                    let weight = self.data.weight(row);
                    let terms = p.iter().map(|p| f64::from(*p)).filter(|p| *p > 0.0).map(|p| -p * p.ln());
                    entropy.add(terms.sum(), weight);
                    for peer in (0..choices.len()).filter(|peer| *peer != own) {
                        agreement.add(f64::from(choices[own][row] == choices[peer][row]), weight);
                    }
                }
                evaluation.metrics.insert("entropy".into(), entropy.measure());
                evaluation.metrics.insert("peerAgreement".into(), agreement.measure());
            }
            evaluations.push(evaluation);
        }
        Ok(evaluations)
    }

    /// The metric that decides which validation is best: its name, its value, its direction of improvement.
    pub fn score(&self, evaluation: &Evaluation, options: &TrainOptions) -> Result<(&'static str, f64, Better)> {
        let choice = choice(options, &self.data, self.teacher_logits.is_some())?;
        let name = choice.name();
        let missing =
            || Error::config("metric", format!("expected validation rows for which {name} can be computed, got none"));
        Ok((name, evaluation.number(name).ok_or_else(missing)?, choice.better().unwrap_or_default()))
    }
}

/// The metric by which validations are compared: the metric in the options, or the one that fits the rows. `teacher`:
/// whether a teacher has outputs for the rows.
pub(crate) fn choice(options: &TrainOptions, rows: &Dataset, teacher: bool) -> Result<MetricChoice> {
    let teacher = teacher || rows.has_teacher_logits();
    Ok(match (options.metric, rows.label_kind()) {
        (Some(choice), _) => choice,
        (None, LabelKind::Single | LabelKind::Probabilities) => MetricChoice::Accuracy,
        (None, LabelKind::Several | LabelKind::Real) => MetricChoice::Loss,
        (None, LabelKind::None) if !teacher => {
            let message = "expected rows with labels, or a teacher to compare with, got rows without labels";
            return Err(Error::config("validation", message));
        }
        (None, LabelKind::None) => match of_classes(&Losses::new(options.losses.clone())?) {
            true => MetricChoice::Agreement,
            false => MetricChoice::TeacherDistance,
        },
    })
}

/// Whether a loss treats the outputs as classes; `logitMse` and losses over layers treat them as vectors.
fn of_classes(losses: &Losses) -> bool {
    let of_classes = |need: &Need| matches!(need, Need::Teacher | Need::TeacherLogits | Need::TeacherHead);
    let all = losses.needs();
    all.iter().any(|(name, need)| *name != "logitMse" && (of_classes(need) || need.label_kind().is_some()))
}
