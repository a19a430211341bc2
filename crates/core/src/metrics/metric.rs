//! The interface of a metric: its options, its requirements, and its computation over rows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows::Rows;
use super::spread::Spread;
use crate::error::Result;

/// The data that the rows must contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Labels of any kind.
    Labels,
    /// One label per row.
    Single,
    /// Several labels per row.
    Several,
    /// One or several labels per row.
    Classes,
    /// Real numbers.
    Real,
    /// The teacher's outputs.
    Teacher,
    /// The teacher's outputs, which must be of classes.
    TeacherClasses,
    /// The teacher's outputs, and one label per row.
    TeacherAndLabels,
}

impl Needs {
    /// Whether rows without a label are of no use.
    pub(super) fn is_of_labels(self) -> bool {
        !matches!(self, Needs::Teacher | Needs::TeacherClasses)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Needs::Labels => "labels",
            Needs::Single => "one label per row",
            Needs::Several => "several labels per row",
            Needs::Classes => "labels that are classes",
            Needs::Real => "labels that are real numbers",
            Needs::Teacher => "a teacher",
            Needs::TeacherClasses => "a teacher whose outputs are classes",
            Needs::TeacherAndLabels => "a teacher and one label per row",
        }
    }
}

/// Which of two models a metric calls better: the one with the higher or the lower value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Better {
    #[default]
    Higher,
    Lower,
}

/// The options of a metric.
pub trait Metric {
    fn needs(&self) -> Needs;

    /// Whether higher or lower values are better; `None` if the metric does not rank models, as for a table.
    fn better(&self) -> Option<Better> {
        None
    }

    /// Rejects options out of range; `outputs` is the model's number of outputs per row.
    fn validate(&self, _outputs: usize) -> Result<()> {
        Ok(())
    }

    fn start(&self, outputs: usize) -> Box<dyn Accumulator>;
}

/// A metric over the rows seen so far, in memory independent of their number.
pub trait Accumulator: Send {
    fn add(&mut self, rows: &Rows<'_>);
    fn measure(&self) -> Measure;
    /// The values as plain numbers, for comparison with a golden file.
    fn numbers(&self) -> Vec<f64> {
        self.measure().number().into_iter().collect()
    }
}

/// The value of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Measure {
    Number(f64),
    /// One number per row, summarised over all rows.
    Spread(Spread),
    /// One entry per class.
    Classes(Vec<ClassMeasure>),
}

impl Measure {
    pub fn number(&self) -> Option<f64> {
        match self {
            Measure::Number(number) => Some(*number),
            Measure::Spread(_) | Measure::Classes(_) => None,
        }
    }
}

/// How well the rows of one class are predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassMeasure {
    pub label: usize,
    /// Sum of the weights of the rows with this label; a row's default weight is 1.
    pub count: f64,
    /// Sum of the weights of the rows for which this label was predicted.
    pub predicted: f64,
    /// Share of the predicted rows that have this label.
    pub precision: f64,
    /// Share of the rows with this label for which it was predicted.
    pub recall: f64,
    pub f1: f64,
}

/// A weighted mean of values that are added one at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    pub fn add(&mut self, value: f64, weight: f64) {
        self.sum += value * weight;
        self.weight += weight;
    }

    /// NaN if no value was added.
    pub fn measure(self) -> Measure {
        Measure::Number(self.sum / self.weight)
    }
}

/// A metric that is a mean over the rows, each counted by its weight.
pub trait MeanMetric: Clone + Send + 'static {
    const NEEDS: Needs;
    const BETTER: Option<Better>;

    fn validate(&self, _outputs: usize) -> Result<()> {
        Ok(())
    }

    fn add(&self, rows: &Rows<'_>, mean: &mut Mean);
}

impl<M: MeanMetric> Metric for M {
    fn needs(&self) -> Needs {
        M::NEEDS
    }

    fn better(&self) -> Option<Better> {
        M::BETTER
    }

    fn validate(&self, outputs: usize) -> Result<()> {
        MeanMetric::validate(self, outputs)
    }

    fn start(&self, _outputs: usize) -> Box<dyn Accumulator> {
        Box::new((self.clone(), Mean::default()))
    }
}

impl<M: MeanMetric> Accumulator for (M, Mean) {
    fn add(&mut self, rows: &Rows<'_>) {
        self.0.add(rows, &mut self.1);
    }

    fn measure(&self) -> Measure {
        self.1.measure()
    }
}
