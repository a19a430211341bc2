//! Golden cases of losses, run through the same registry and engine as in training. The name of an input determines its
//! meaning; the requirements of the loss determine the kind of labels.

use std::collections::BTreeMap;

use limbeck_core::batch::{Batch, Features};
use limbeck_core::error::{Candle, Error, Result};
use limbeck_core::labels::Labels;
use limbeck_core::losses::{Losses, LossesOptions, Micro, Need, Student};
use limbeck_core::near::Precision;
use limbeck_core::outputs::Outputs;
use limbeck_core::parameters::Bound;
use limbeck_core::tape::{Tape, Value};
use limbeck_core::targets::Signal;
use limbeck_core::tensor::{Tensor, to_f64};

use super::case::LayerCase;

/// Runs one case of the named loss, value and gradient; `None` if the registry does not have it.
pub(super) fn run(name: &str, case: &LayerCase, precision: Precision) -> Option<Result<()>> {
    LossesOptions::NAMES.contains(&name).then(|| case_of(name, case, precision))
}

/// The layer that a loss over features reads in a golden case.
const LAYER: &str = "golden";

fn case_of(name: &str, case: &LayerCase, precision: Precision) -> Result<()> {
    let mut options = if case.options.is_null() { serde_json::json!({}) } else { case.options.clone() };
    if case.inputs.contains_key("projection") {
        options["projection"] = true.into();
    }
    let options = serde_json::from_value(serde_json::json!({ name: options }))
        .map_err(|error| Error::config(name, error.to_string()))?;
    let mut losses = Losses::new(options)?;
    let mut tape = Tape::new(precision.engine());
    let real = losses.needs().iter().any(|(_, need)| *need == Need::RealLabels);
    let (mut labels, mut row_weights) = (Labels::None, None);
    // Inputs that get a gradient, by name.
    let mut trained: BTreeMap<&str, Value> = BTreeMap::new();
    let mut constants: BTreeMap<&str, Tensor> = BTreeMap::new();
    for (name, numbers) in &case.inputs {
        match name.as_str() {
            "student" | "positive" | "negative" | "projection" => {
                trained.insert(name, tape.leaf(numbers.tensor(precision)?));
            }
            "teacher" | "anchor" | "classWeights" => {
                constants.insert(name, numbers.tensor(precision)?);
            }
            "labels" => labels = Labels::Single(numbers.values.iter().map(|label| *label as u32).collect()),
            "targets" if real => labels = Labels::Real(numbers.tensor(precision)?),
            "targets" => labels = Labels::Several(numbers.tensor(precision)?),
            "rowWeights" => row_weights = Some(numbers.values.iter().map(|weight| *weight as f32).collect()),
            other => return Err(Error::data(other, "expected the name of a loss input")),
        }
    }
    let student = trained.get("student").or(trained.get("positive")).cloned();
    let student = student.ok_or_else(|| Error::data("student", "expected an input, got none"))?;
    let teacher = constants.remove("teacher").or(constants.remove("anchor"));
    let rows = student.dims().first().copied().unwrap_or(0);
    let inputs = Features::Ragged { ids: Vec::new(), offsets: Vec::new(), weights: None };
    let batch = Batch {
        ids: (0..rows as u64).collect(),
        epoch: 0,
        inputs,
        labels,
        row_weights,
        teacher_logits: None,
        pair: None,
    };
    let denominators = &losses.denominators(&[&batch])?;
    let mut parameters = Bound::new();
    let (main, pair, teachers) = match losses.has_features() {
        false => {
            let mut teacher = Signal::logits(teacher.unwrap_or(student.tensor().clone()));
            teacher.head_weight = constants.remove("classWeights");
            (Outputs::of_logits(student), None, vec![teacher])
        }
        true => {
            let teacher = teacher.ok_or_else(|| Error::data("teacher", "expected an input, got none"))?;
            let names = losses.place(LAYER, &student.dims()[1..], &teacher.dims()[1..])?;
            parameters.extend(names.into_iter().zip(trained.get("projection").cloned()));
            let classes = match &batch.labels {
                Labels::Single(labels) => labels.iter().max().map_or(2, |label| *label as usize + 1),
                _ => 2,
            };
            let logits = Tensor::zeros((rows, classes), precision.dtype(), teacher.device()).ok_or_internal()?;
            let seen = |value: Value| Outputs {
                hidden: BTreeMap::from([(LAYER.to_string(), value)]),
                ..Outputs::of_logits(Value::constant(logits.clone()))
            };
            let mut given = Signal::logits(logits.clone());
            given.hidden.insert(LAYER.into(), teacher);
            (seen(student), trained.get("negative").cloned().map(seen), vec![given])
        }
    };
    let student = Student { main: &main, pair: pair.as_ref(), parameters: &parameters };
    let micro = Micro { student, teachers: &teachers, batch: &batch, denominators, step: 0, norms: false };
    let applied = losses.apply(&mut tape, &micro)?;
    precision.compare("value", &[applied.total], &[case.value])?;
    let mut gradients = tape.backward(applied.seeds)?;
    for (name, expected) in &case.gradient {
        let path = format!("gradient.{name}");
        let value = trained.get(name.as_str()).ok_or_else(|| Error::data(path.as_str(), "expected no constant"))?;
        let got = gradients.take(value).ok_or_else(|| Error::data(path.as_str(), "expected a gradient, got none"))?;
        precision.compare(&path, &to_f64(&got)?, &expected.values)?;
    }
    Ok(())
}
