//! Metrics measure how good a model is. There is one file per metric, and each metric reads its rows batch by batch.
//!
//! To add one: write `metrics/<name>.rs` with an options struct that implements `Metric`, add its module and its
//! line to the registry below, put its golden file under `__test__/golden/metrics`. All numbers are f64.

mod accuracy;
mod agreement;
mod binary_cross_entropy;
pub(crate) mod calibration_error;
mod confusion;
mod cross_entropy;
mod equivalent_smoothing;
mod evaluator;
mod exact_match;
mod loss;
mod macro_f1;
mod mean_squared_error;
mod metric;
mod micro_f1;
mod per_class;
pub(crate) mod reweighting;
mod rows;
mod spread;
mod teacher_distance;
mod teacher_kl;
mod top_k_accuracy;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

pub use evaluator::Evaluator;
pub use metric::{Accumulator, Better, ClassMeasure, Mean, MeanMetric, Measure, Metric, Needs};
pub use rows::{Rows, Truth};
pub use spread::Spread;

macro_rules! registry {
    ($($key:literal: $module:ident::$options:ident,)*) => {
        /// Which metrics to compute, each with its options.
        #[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct Metrics {
            $(#[serde(rename = $key, skip_serializing_if = "Option::is_none")] pub $module: Option<$module::$options>,)*
        }

        $(pub use $module::$options;)*

        /// The name of every metric.
        pub const NAMES: &[&str] = &[$($key,)*];

        impl Metrics {
            pub fn is_empty(&self) -> bool {
                self.chosen().is_empty()
            }

            /// The metrics that were chosen, in the order of the registry.
            fn chosen(&self) -> Vec<(&'static str, &dyn Metric)> {
                let mut chosen: Vec<(&'static str, &dyn Metric)> = Vec::new();
                $(if let Some(options) = &self.$module { chosen.push(($key, options)); })*
                chosen
            }

            /// These metrics and `choice`, which gets default options if it was not among them.
            pub fn with(mut self, choice: MetricChoice) -> Metrics {
                match choice {
                    $(MetricChoice::$options => drop(self.$module.get_or_insert_default()),)*
                }
                self
            }
        }

        /// The name of a metric.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum MetricChoice {
            $(#[serde(rename = $key)] $options,)*
        }

        impl MetricChoice {
            pub fn name(self) -> &'static str {
                match self {
                    $(MetricChoice::$options => $key,)*
                }
            }

            /// Whether higher or lower values are better; `None` if the metric does not rank models.
            pub fn better(self) -> Option<Better> {
                match self {
                    $(MetricChoice::$options => $module::$options::default().better(),)*
                }
            }
        }
    };
}

registry! {
    "loss": loss::Loss,
    "accuracy": accuracy::Accuracy,
    "topKAccuracy": top_k_accuracy::TopKAccuracy,
    "crossEntropy": cross_entropy::CrossEntropy,
    "macroF1": macro_f1::MacroF1,
    "calibrationError": calibration_error::CalibrationError,
    "perClass": per_class::PerClass,
    "exactMatch": exact_match::ExactMatch,
    "microF1": micro_f1::MicroF1,
    "binaryCrossEntropy": binary_cross_entropy::BinaryCrossEntropy,
    "meanSquaredError": mean_squared_error::MeanSquaredError,
    "agreement": agreement::Agreement,
    "teacherKl": teacher_kl::TeacherKl,
    "teacherDistance": teacher_distance::TeacherDistance,
    "equivalentSmoothing": equivalent_smoothing::EquivalentSmoothing,
    "reweighting": reweighting::Reweighting,
}

/// Computes one case of a golden file; `None` if there is no metric of that name.
pub fn golden(name: &str, options: &serde_json::Value, inputs: &serde_json::Value) -> Option<Result<Vec<f64>>> {
    NAMES.contains(&name).then(|| {
        let options = if options.is_null() { serde_json::json!({}) } else { options.clone() };
        let given = serde_json::json!({ name: options });
        let metrics: Metrics = serde_json::from_value(given).map_err(|error| Error::config(name, error.to_string()))?;
        let table = |key: &str| -> Result<Option<Vec<Vec<f64>>>> {
            let Some(value) = inputs.get(key) else { return Ok(None) };
            serde_json::from_value(value.clone()).map(Some).map_err(|error| Error::data(key, error.to_string()))
        };
        let teacher = table("teacher")?;
        // A metric of the teacher alone has no student logits; it gets the teacher's in their place.
        let logits = table("logits")?.or(table("student")?).or_else(|| teacher.clone());
        let logits = logits.ok_or_else(|| Error::data("logits", "expected an input, got none"))?;
        let teacher = teacher.map(|rows| rows.concat());
        let outputs = logits.first().map_or(0, Vec::len);
        let numbers = inputs.get("labels").cloned().unwrap_or_default();
        let single = serde_json::from_value::<Vec<u32>>(numbers.clone());
        let several = serde_json::from_value::<Vec<Vec<f64>>>(numbers).map(|rows| rows.concat());
        let logits = logits.concat();
        let mut measures = Vec::new();
        for (_, metric) in metrics.chosen() {
            let truth = match (metric.needs(), &single, &several) {
                (Needs::Real, _, Ok(numbers)) => Truth::Real(numbers),
                (_, Ok(labels), _) => Truth::Single(labels),
                (_, _, Ok(numbers)) => Truth::Several(numbers),
                _ => Truth::None,
            };
            metric.validate(outputs)?;
            let mut accumulator = metric.start(outputs);
            accumulator.add(&Rows::new(&logits, outputs, truth, teacher.as_deref())?);
            measures.extend(accumulator.numbers());
        }
        match measures.is_empty() {
            true => Err(Error::data(name, "expected a metric that gives numbers")),
            false => Ok(measures),
        }
    })
}

#[cfg(test)]
mod tests;
