//! Golden files: values and gradients from another implementation, compared with those of limbeck.
//!
//! A file is `{ name, source, cases }`; its folder gives its kind: losses, layers, optimizers or metrics. Each source
//! file here runs the cases of one kind through the registry that training uses.
//! A case of an operation or a loss is `{ name, options, inputs, value, gradient }` with
//! `value = Σ upstream ⊙ operation(inputs)` and a gradient for each input that is not constant. A case of an optimizer is
//! `{ name, options, start, gradients, parameters }`: the parameters after each step, from a state of zeros.

mod case;
mod loss;
mod operation;
mod optimizer;

pub use case::Numbers;

use limbeck_core::error::{Code, Error, Result};
use limbeck_core::internals::{self, Isa};
use limbeck_core::near::Precision;
use limbeck_core::{metrics, ops};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use case::LayerCase;

#[derive(Deserialize)]
struct File {
    name: String,
    cases: Vec<Json>,
}

/// The result of one case in one arithmetic.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// `kl: temperature 2`.
    pub case: String,
    /// `f64`, or `f32 avx2`.
    pub arithmetic: String,
    /// Missing if no registry has this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ok: Option<bool>,
    pub message: String,
}

/// `kind` is the folder of the file: losses, layers, optimizers or metrics.
pub fn run(text: &str, kind: &str) -> Result<Vec<Outcome>> {
    let file: File = serde_json::from_str(text)
        .map_err(|error| Error::new(Code::InvalidFile, "", format!("expected a golden file, got: {error}")))?;
    let before = internals::current();
    let mut outcomes = Vec::new();
    for case in &file.cases {
        let name = case.get("name").and_then(Json::as_str).unwrap_or("without a name");
        let mut record = |arithmetic: String, result: Option<Result<()>>| {
            let (ok, message) = match result {
                None => (None, String::new()),
                Some(Ok(())) => (Some(true), String::new()),
                Some(Err(error)) => (Some(false), error.to_string()),
            };
            outcomes.push(Outcome { case: format!("{}: {name}", file.name), arithmetic, ok, message });
        };
        record("f64".into(), one(&file.name, kind, case, Precision::F64));
        if kind == "metrics" {
            continue; // metrics are computed only in f64
        }
        for set in Isa::ALL.into_iter().filter(|set| *set <= internals::detected()) {
            internals::choose(set);
            record(format!("f32 {}", set.name()), one(&file.name, kind, case, Precision::F32));
        }
        internals::choose(before);
    }
    Ok(outcomes)
}

fn one(name: &str, kind: &str, case: &Json, precision: Precision) -> Option<Result<()>> {
    fn read<T: DeserializeOwned>(case: &Json) -> Result<T> {
        serde_json::from_value(case.clone()).map_err(|error| Error::data("case", error.to_string()))
    }
    match kind {
        "losses" => match read::<LayerCase>(case) {
            // The weight generator is listed with the losses, but is an operation.
            Ok(case) => loss::run(name, &case, precision)
                .or_else(|| ops::find(name).map(|operation| operation::run(operation, &case, precision))),
            Err(error) => Some(Err(error)),
        },
        "layers" => ops::find(name).map(|operation| operation::run(operation, &read(case)?, precision)),
        "optimizers" => match read::<optimizer::OptimizerCase>(case) {
            Ok(case) => optimizer::run(name, &case, precision),
            Err(error) => Some(Err(error)),
        },
        "metrics" => {
            let value = metrics::golden(
                name,
                case.get("options").unwrap_or(&Json::Null),
                case.get("inputs").unwrap_or(&Json::Null),
            )?;
            let expected = case.get("value").unwrap_or(&Json::Null);
            let expected: Vec<f64> = match expected {
                Json::Array(numbers) => numbers.iter().map(|number| number.as_f64().unwrap_or(f64::NAN)).collect(),
                number => vec![number.as_f64().unwrap_or(f64::NAN)],
            };
            Some(value.and_then(|value| precision.compare("value", &value, &expected)))
        }
        _ => None,
    }
}
