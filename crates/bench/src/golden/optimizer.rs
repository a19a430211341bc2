//! Cases of optimizers.

use std::collections::BTreeMap;

use limbeck_core::error::{Error, Result};
use limbeck_core::near::Precision;
use limbeck_core::optimizers::{Optimizer, OptimizerOptions};
use limbeck_core::parameters::{Kind, Parameter, Parameters};
use limbeck_core::tensor::to_f64;
use serde::Deserialize;

use super::case::Numbers;

/// One case of an optimizer: gradients of several steps, and the parameters after each.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct OptimizerCase {
    options: serde_json::Value,
    start: Numbers,
    gradients: Vec<Numbers>,
    parameters: Vec<Numbers>,
}

/// Runs one case of the named optimizer; `None` if there is none.
pub(super) fn run(name: &str, case: &OptimizerCase, precision: Precision) -> Option<Result<()>> {
    let choice = serde_json::json!({ name: case.options.clone() });
    OptimizerOptions::NAMES.contains(&name).then(|| {
        let options = OptimizerOptions::deserialize(choice).map_err(|error| Error::config(name, error.to_string()))?;
        let tensor = case.start.tensor(precision)?;
        let parameter = Parameter::new(tensor.clone(), Kind::Trainable, true);
        let parameters = Parameters::from_iter([("p".to_string(), parameter)]);
        let mut optimizer = Optimizer::new(&options, &parameters)?;
        for (i, (gradient, expected)) in case.gradients.iter().zip(&case.parameters).enumerate() {
            let gradients = BTreeMap::from([("p".to_string(), gradient.tensor(precision)?)]);
            optimizer.step(&parameters, &gradients, 1.0)?;
            precision.compare(&format!("parameters[{i}]"), &to_f64(&tensor)?, &expected.values)?;
        }
        Ok(())
    })
}
