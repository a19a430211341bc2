//! All chosen metrics over a data set, computed batch by batch without storing logits.

use std::collections::BTreeMap;

use super::metric::{Accumulator, Measure, Needs};
use super::rows::{Rows, Truth};
use super::{MetricChoice, Metrics};
use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::labels::{LabelKind, Labels};
use crate::tensor::{Tensor, to_f64};

pub struct Evaluator {
    running: Vec<(&'static str, Needs, Box<dyn Accumulator>)>,
    outputs: usize,
    rows: usize,
}

impl Metrics {
    /// Adds the most informative metrics for labels of this kind: accuracy, loss, and agreement with the teacher.
    pub fn with_basics(mut self, labels: LabelKind, teacher: bool) -> Metrics {
        if labels != LabelKind::None {
            self = self.with(MetricChoice::Loss);
        }
        if labels.is_one_class() {
            self = self.with(MetricChoice::Accuracy);
        }
        if teacher && labels != LabelKind::Real {
            self = self.with(MetricChoice::Agreement);
        }
        self
    }

    /// The metrics that need no teacher; they evaluate the teacher itself.
    pub fn without_teacher(&self) -> Metrics {
        Metrics {
            agreement: None,
            teacher_kl: None,
            teacher_distance: None,
            equivalent_smoothing: None,
            reweighting: None,
            ..self.clone()
        }
    }

    /// All metrics that are useful for labels of this kind, except the table per class.
    pub fn fitting(labels: LabelKind, teacher: bool) -> Metrics {
        let mut metrics = Metrics::default().with_basics(labels, teacher);
        match labels {
            LabelKind::Single | LabelKind::Probabilities => {
                metrics.macro_f1 = Some(Default::default());
                metrics.calibration_error = Some(Default::default());
            }
            LabelKind::Several => {
                metrics.exact_match = Some(Default::default());
                metrics.micro_f1 = Some(Default::default());
            }
            LabelKind::None | LabelKind::Real => {}
        }
        if metrics.agreement.is_some() {
            metrics.teacher_kl = Some(Default::default());
        }
        metrics
    }
}

impl Evaluator {
    /// Rejects a metric that does not fit the data or the model, which has `outputs` numbers per row. The error's path
    /// is the name of the metric.
    pub fn new(metrics: &Metrics, data: &Dataset, outputs: usize, teacher: bool) -> Result<Evaluator> {
        let (mut running, labels) = (Vec::new(), data.label_kind());
        for (name, metric) in metrics.chosen() {
            let needs = metric.needs();
            let given = match needs {
                Needs::Labels => labels != LabelKind::None,
                Needs::Single => labels.is_one_class(),
                Needs::Several => labels == LabelKind::Several,
                Needs::Classes => labels.is_one_class() || labels == LabelKind::Several,
                Needs::Real => labels == LabelKind::Real,
                Needs::Teacher => teacher,
                Needs::TeacherClasses => teacher && labels != LabelKind::Real,
                Needs::TeacherAndLabels => teacher && labels.is_one_class(),
            };
            if !given {
                return Err(Error::config(name, format!("expected {}, got none", needs.as_str())));
            }
            metric.validate(outputs).map_err(|error| error.at(name))?;
            running.push((name, needs, metric.start(outputs)));
        }
        Ok(Evaluator { running, outputs, rows: 0 })
    }

    /// Adds the rows of a batch, each counted by its weight. Metrics of labels skip rows without a label.
    pub fn add(&mut self, logits: &Tensor, batch: &Batch, teacher_logits: Option<&Tensor>) -> Result<()> {
        let weights = batch.row_weights.as_deref();
        let kept = |row: &usize| weights.is_none_or(|weights| weights[*row] != 0.0);
        let rows: Vec<usize> = (0..batch.rows()).filter(kept).collect();
        let (known, unknown): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| batch.labels.known(**row));
        if unknown.is_empty() {
            self.see(logits, batch, teacher_logits, &rows, |_| true)?;
        } else {
            self.see(logits, batch, teacher_logits, &known, Needs::is_of_labels)?;
            let all = Batch { labels: Labels::None, ..batch.clone() };
            self.see(logits, &all, teacher_logits, &rows, |needs| !needs.is_of_labels())?;
        }
        self.rows += rows.len();
        Ok(())
    }

    /// Adds these rows of a batch to the metrics that `meant` selects by their needs.
    fn see(
        &mut self,
        logits: &Tensor,
        batch: &Batch,
        teacher_logits: Option<&Tensor>,
        rows: &[usize],
        meant: impl Fn(Needs) -> bool,
    ) -> Result<()> {
        let numbers = |tensor: &Tensor| -> Result<Vec<f64>> {
            let all = to_f64(tensor)?;
            if all.len() != batch.rows() * self.outputs {
                let expected = [batch.rows(), self.outputs];
                return Err(Error::shape("outputs", format!("expected {expected:?}, got {:?}", tensor.dims())));
            }
            Ok(match rows.len() == batch.rows() {
                true => all,
                false => rows.iter().flat_map(|row| &all[row * self.outputs..][..self.outputs]).copied().collect(),
            })
        };
        let logits = numbers(logits)?;
        let teacher = teacher_logits.map(numbers).transpose()?;
        let (mut single, mut real) = (Vec::new(), Vec::new());
        let truth = match &batch.labels {
            Labels::None => Truth::None,
            Labels::Single(labels) => {
                single.extend(rows.iter().map(|row| labels[*row]));
                Truth::Single(&single)
            }
            Labels::Several(tensor) => {
                real.append(&mut numbers(tensor)?);
                Truth::Several(&real)
            }
            Labels::Probabilities(tensor) => {
                real.append(&mut numbers(tensor)?);
                Truth::Probabilities(&real)
            }
            Labels::Real(tensor) => {
                real.append(&mut numbers(tensor)?);
                Truth::Real(&real)
            }
        };
        let weights: Option<Vec<f64>> =
            batch.row_weights.as_ref().map(|weights| rows.iter().map(|row| f64::from(weights[*row])).collect());
        let seen = Rows::new(&logits, self.outputs, truth, teacher.as_deref())?;
        let seen = match &weights {
            Some(weights) => seen.weighted(weights),
            None => seen,
        };
        self.running.iter_mut().filter(|(_, needs, _)| meant(*needs)).for_each(|(.., metric)| metric.add(&seen));
        Ok(())
    }

    /// The rows counted so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Every metric by name.
    pub fn measures(&self) -> BTreeMap<String, Measure> {
        self.running.iter().map(|(name, _, metric)| (name.to_string(), metric.measure())).collect()
    }
}
