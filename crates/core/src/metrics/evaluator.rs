//! All chosen metrics over a data set, batch by batch: no logits are kept.

use std::collections::BTreeMap;

use super::{Accumulator, Measure, Metrics, Needs, Rows, Truth};
use crate::batch::{Batch, Labels};
use crate::dataset::{Dataset, LabelColumn};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, to_f64};

pub struct Evaluator {
    running: Vec<(&'static str, Box<dyn Accumulator>)>,
    outputs: usize,
    rows: usize,
}

impl Metrics {
    /// These, and those that say most about labels of this kind: is it right, how far is it off, is it as the teacher?
    pub fn with_basics(mut self, labels: &LabelColumn, teacher: bool) -> Metrics {
        match labels {
            LabelColumn::None => {}
            LabelColumn::Single { .. } => {
                self.accuracy.get_or_insert_default();
                self.cross_entropy.get_or_insert_default();
            }
            LabelColumn::Several { .. } => {
                self.binary_cross_entropy.get_or_insert_default();
            }
            LabelColumn::Real { .. } => {
                self.mean_squared_error.get_or_insert_default();
            }
        }
        if teacher && !matches!(labels, LabelColumn::Real { .. }) {
            self.agreement.get_or_insert_default();
        }
        self
    }

    /// Those that need no teacher: for the teacher itself.
    pub fn without_teacher(&self) -> Metrics {
        Metrics { agreement: None, teacher_kl: None, equivalent_smoothing: None, reweighting: None, ..self.clone() }
    }

    /// Whatever is worth knowing about labels of this kind, without a table.
    pub fn fitting(labels: &LabelColumn, teacher: bool) -> Metrics {
        let mut metrics = Metrics::default().with_basics(labels, teacher);
        match labels {
            LabelColumn::Single { .. } => {
                metrics.macro_f1 = Some(Default::default());
                metrics.calibration_error = Some(Default::default());
            }
            LabelColumn::Several { .. } => {
                metrics.exact_match = Some(Default::default());
                metrics.micro_f1 = Some(Default::default());
            }
            LabelColumn::None | LabelColumn::Real { .. } => {}
        }
        if metrics.agreement.is_some() {
            metrics.teacher_kl = Some(Default::default());
        }
        metrics
    }
}

impl Evaluator {
    /// Refuses, by name, a metric that these data or this model (`outputs` numbers a row) cannot give.
    pub fn new(metrics: &Metrics, data: &Dataset, outputs: usize, teacher: bool) -> Result<Evaluator> {
        let mut running = Vec::new();
        for (name, metric) in metrics.chosen() {
            let labels = &data.columns().labels;
            let given = match metric.needs() {
                Needs::Single => matches!(labels, LabelColumn::Single { .. }),
                Needs::Several => matches!(labels, LabelColumn::Several { .. }),
                Needs::Classes => matches!(labels, LabelColumn::Single { .. } | LabelColumn::Several { .. }),
                Needs::Real => matches!(labels, LabelColumn::Real { .. }),
                Needs::Teacher => teacher,
                Needs::TeacherAndLabels => teacher && matches!(labels, LabelColumn::Single { .. }),
            };
            if !given {
                return Err(Error::config(name, format!("expected {}, got none", metric.needs().as_str())));
            }
            metric.validate(outputs).map_err(|error| error.at(name))?;
            running.push((name, metric.start(outputs)));
        }
        Ok(Evaluator { running, outputs, rows: 0 })
    }

    /// Counts the rows of a batch; those of weight 0 are left out.
    pub fn add(&mut self, logits: &Tensor, batch: &Batch, teacher_logits: Option<&Tensor>) -> Result<()> {
        let weights = batch.row_weights.as_deref();
        let kept = |row: usize| weights.is_none_or(|weights| weights[row] != 0.0);
        let rows: Vec<usize> = (0..batch.rows()).filter(|row| kept(*row)).collect();
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
            Labels::Real(tensor) => {
                real.append(&mut numbers(tensor)?);
                Truth::Real(&real)
            }
        };
        let seen = Rows::new(&logits, self.outputs, truth, teacher.as_deref())?;
        self.running.iter_mut().for_each(|(_, metric)| metric.add(&seen));
        self.rows += rows.len();
        Ok(())
    }

    /// The rows counted so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Every metric by name.
    pub fn measures(&self) -> BTreeMap<String, Measure> {
        self.running.iter().map(|(name, metric)| (name.to_string(), metric.measure())).collect()
    }
}
