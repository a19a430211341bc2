//! Golden cases of losses, through the same registry and engine as a run. The runner knows no loss's name:
//! what an input means follows from its own name, and what labels are from what the loss needs.

use std::collections::BTreeMap;

use super::{Losses, LossesOptions, Need};
use crate::batch::{Batch, Features, Labels};
use crate::error::{Error, Result};
use crate::golden::{LayerCase, Numbers, Precision};
use crate::outputs::Outputs;
use crate::tape::Tape;
use crate::targets::Teacher;
use crate::tensor::to_f64;

/// Runs one case of the loss of that name, value and gradient; `None` where the registry has none.
pub fn golden(name: &str, case: &LayerCase, precision: Precision) -> Option<Result<()>> {
    LossesOptions::NAMES.contains(&name).then(|| run(name, case, precision))
}

fn run(name: &str, case: &LayerCase, precision: Precision) -> Result<()> {
    let options = serde_json::json!({ name: case.options });
    let options = serde_json::from_value(options).map_err(|error| Error::config(name, error.to_string()))?;
    let losses = Losses::new(options)?;
    let mut tape = Tape::new(precision.engine());
    let input = |name: &str| case.inputs.get(name).ok_or_else(|| Error::data(name, "expected an input, got none"));
    let student = tape.leaf(precision.tensor(input("student")?)?);
    let real = losses.needs().iter().any(|(_, need)| *need == Need::RealLabels);
    let (mut labels, mut row_weights, mut teachers) = (Labels::None, None, Vec::new());
    for (name, numbers) in case.inputs.iter().filter(|(name, _)| *name != "student") {
        match name.as_str() {
            "teacher" => teachers.push(Teacher::logits(precision.tensor(numbers)?)),
            "labels" => labels = Labels::Single(numbers.values.iter().map(|label| *label as u32).collect()),
            "targets" if real => labels = Labels::Real(precision.tensor(numbers)?),
            "targets" => labels = Labels::Several(precision.tensor(numbers)?),
            "rowWeights" => row_weights = Some(numbers.values.iter().map(|weight| *weight as f32).collect()),
            other => return Err(Error::data(other, "expected an input that losses know")),
        }
    }
    let rows = student.dims().first().copied().unwrap_or(0) as u64;
    let inputs = Features::Ragged { ids: Vec::new(), offsets: Vec::new() };
    let batch = Batch { ids: (0..rows).collect(), epoch: 0, inputs, labels, row_weights, teacher_logits: None };
    let plan = losses.plan(&[&batch])?;
    let outputs =
        Outputs { logits: student.clone(), hidden: BTreeMap::new(), head_weight: None, buffer_updates: Vec::new() };
    let applied = losses.apply(&mut tape, &outputs, &teachers, &batch, &plan, 0, false)?;
    precision.compare("value", &[applied.total], &[case.value])?;
    let mut gradients = tape.backward(applied.seeds)?;
    let expected: &Numbers =
        case.gradient.get("student").ok_or_else(|| Error::data("gradient.student", "expected one, got none"))?;
    let got =
        gradients.take(&student).ok_or_else(|| Error::data("gradient.student", "expected a gradient, got none"))?;
    precision.compare("gradient.student", &to_f64(&got)?, &expected.values)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::golden;
    use crate::kernels::cpu::isa;

    #[test]
    fn every_loss_agrees_with_its_golden_file() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/golden/losses");
        for name in LossesOptions::NAMES {
            let file = golden::read::<LayerCase>(&folder.join(format!("{name}.json"))).unwrap();
            assert!(!file.cases.is_empty());
            for case in &file.cases {
                let check = |precision, isa: &str| {
                    let result = super::golden(name, case, precision).unwrap();
                    result.unwrap_or_else(|error| panic!("{name}, {}, {precision:?} {isa}: {error}", case.name));
                };
                check(Precision::F64, "reference");
                isa::on_each(|isa| check(Precision::F32, isa.name()));
            }
        }
    }
}
