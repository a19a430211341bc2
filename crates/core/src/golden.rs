//! Golden files: values and gradients from another implementation, and how near ours must come.
//!
//! A file is `{ name, source, cases }`. A case of an operation is `{ name, options, inputs, value, gradient }` with
//! `value = Σ upstream ⊙ operation(inputs)` and a gradient for each input that is no constant. The runner knows no
//! names: it finds the operation in the registry that models use too.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::error::{Candle, Code, Error, Result};
use crate::ops::{Inputs, Operation};
use crate::optimizers::{Optimizer, OptimizerOptions};
use crate::parameters::{Kind, Parameter, Parameters};
use crate::tape::{Engine, Tape, Value};
use crate::tensor::{DType, Tensor, from_vec, to_f64};

#[derive(Clone, Debug, Deserialize)]
pub struct File<C> {
    pub name: String,
    /// Which implementation and version made the numbers.
    pub source: String,
    pub cases: Vec<C>,
}

/// Reads a golden file.
pub fn read<C: DeserializeOwned>(path: &Path) -> Result<File<C>> {
    let place = || path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| Error::new(Code::Io, place(), error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| Error::new(Code::InvalidFile, place(), error.to_string()))
}

/// Nested arrays of numbers, or one number, with their shape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    pub dims: Vec<usize>,
    pub values: Vec<f64>,
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fn flatten(value: &serde_json::Value, depth: usize, numbers: &mut Numbers) -> Result<(), String> {
            let serde_json::Value::Array(items) = value else {
                let number = value.as_f64().or(value.as_bool().map(f64::from));
                numbers.values.push(number.ok_or_else(|| format!("expected a number, got {value}"))?);
                return if depth == numbers.dims.len() { Ok(()) } else { Err("expected arrays of one depth".into()) };
            };
            match numbers.dims.get(depth) {
                None if numbers.values.is_empty() => numbers.dims.push(items.len()),
                Some(len) if *len == items.len() => {}
                _ => return Err("expected arrays of one length".into()),
            }
            items.iter().try_for_each(|item| flatten(item, depth + 1, numbers))
        }
        let mut numbers = Numbers::default();
        flatten(&serde_json::Value::deserialize(deserializer)?, 0, &mut numbers).map_err(serde::de::Error::custom)?;
        Ok(numbers)
    }
}

/// In which arithmetic a case is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Through the plain reference.
    F64,
    /// Through the kernels of the instruction set in use.
    F32,
}

impl Precision {
    pub fn engine(self) -> Engine {
        if self == Precision::F64 { Engine::Reference } else { Engine::Kernels }
    }

    pub(crate) fn dtype(self) -> DType {
        if self == Precision::F64 { DType::F64 } else { DType::F32 }
    }

    pub(crate) fn tensor(self, numbers: &Numbers) -> Result<Tensor> {
        from_vec(numbers.values.clone(), numbers.dims.clone())?.to_dtype(self.dtype()).ok_or_internal()
    }

    /// f64: 1e-9 of the largest entry; f32: 1e-5 of the largest entry + 1e-6.
    pub fn tolerance(self, expected: &[f64]) -> f64 {
        let largest = expected.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        if self == Precision::F64 { 1e-9 * largest.max(1e-3) } else { 1e-5 * largest + 1e-6 }
    }

    /// Whether `got` is near enough; the error names the worst entry.
    pub fn compare(self, what: &str, got: &[f64], expected: &[f64]) -> Result<()> {
        compare(what, got, expected, self.tolerance(expected))
    }
}

/// Whether every entry is within `tolerance`; the error names the worst.
pub fn compare(what: &str, got: &[f64], expected: &[f64], tolerance: f64) -> Result<()> {
    if got.len() != expected.len() {
        return Err(Error::data(what, format!("expected {} numbers, got {}", expected.len(), got.len())));
    }
    let distance = |i: usize| if got[i] == expected[i] { 0.0 } else { (got[i] - expected[i]).abs() };
    // A NaN is at no distance that is near.
    let near = |i: usize| distance(i) <= tolerance;
    match (0..got.len()).filter(|i| !near(*i)).max_by(|a, b| distance(*a).total_cmp(&distance(*b))) {
        None => Ok(()),
        Some(worst) => {
            let message = format!("expected {} ± {tolerance:.1e} at {worst}, got {}", expected[worst], got[worst]);
            Err(Error::data(what, message))
        }
    }
}

/// One case of an operation.
#[derive(Clone, Debug, Deserialize)]
pub struct LayerCase {
    pub name: String,
    #[serde(default)]
    pub options: serde_json::Value,
    pub inputs: BTreeMap<String, Numbers>,
    pub value: f64,
    pub gradient: BTreeMap<String, Numbers>,
}

/// Runs one case of one operation: value and every gradient.
pub(crate) fn layer(operation: &Operation, case: &LayerCase, precision: Precision) -> Result<()> {
    let mut tape = Tape::new(precision.engine());
    let mut inputs = Inputs::default();
    for (name, numbers) in &case.inputs {
        let tensor = precision.tensor(numbers)?;
        let value = if case.gradient.contains_key(name) { tape.leaf(tensor) } else { Value::constant(tensor) };
        inputs.0.insert(name.clone(), value);
    }
    let y = (operation.case)(&mut tape, &inputs, &case.options)?;
    let upstream = inputs.get("upstream")?.tensor().clone();
    if upstream.dims() != y.dims() {
        let message = format!("expected an output of {:?}, got {:?}", upstream.dims(), y.dims());
        return Err(Error::shape(operation.name, message));
    }
    let value: f64 = to_f64(&upstream)?.iter().zip(to_f64(y.tensor())?).map(|(a, b)| a * b).sum();
    precision.compare("value", &[value], &[case.value])?;
    let mut gradients = tape.backward(vec![(y, upstream)])?;
    for (name, expected) in &case.gradient {
        let got =
            gradients.take(inputs.get(name)?).ok_or_else(|| Error::data(name, "expected a gradient, got none"))?;
        precision.compare(&format!("gradient.{name}"), &to_f64(&got)?, &expected.values)?;
    }
    Ok(())
}

/// One case of an optimizer: gradients of several steps, and the parameters after each.
#[derive(Clone, Debug, Deserialize)]
pub struct OptimizerCase {
    pub name: String,
    pub options: serde_json::Value,
    pub start: Numbers,
    pub gradients: Vec<Numbers>,
    pub parameters: Vec<Numbers>,
}

/// Runs one case of the optimizer of that name; `None` where there is none.
pub fn optimizer(name: &str, case: &OptimizerCase, precision: Precision) -> Option<Result<()>> {
    let choice = serde_json::json!({ name: case.options.clone() });
    let known = serde_json::from_value::<OptimizerOptions>(serde_json::json!({ name: {} })).is_ok();
    known.then(|| {
        let options = OptimizerOptions::deserialize(choice).map_err(|error| Error::config(name, error.to_string()))?;
        let tensor = precision.tensor(&case.start)?;
        let parameter = Parameter { tensor: tensor.clone(), kind: Kind::Trainable, decay: true };
        let parameters = Parameters(BTreeMap::from([("p".to_string(), parameter)]));
        let mut optimizer = Optimizer::new(&options, &parameters)?;
        for (i, (gradient, expected)) in case.gradients.iter().zip(&case.parameters).enumerate() {
            let gradients = BTreeMap::from([("p".to_string(), precision.tensor(gradient)?)]);
            optimizer.step(&parameters, &gradients, 1.0)?;
            precision.compare(&format!("parameters[{i}]"), &to_f64(&tensor)?, &expected.values)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_arrays_keep_their_shape() {
        let numbers: Numbers = serde_json::from_str("[[1, 2, 3], [4, 5, 6]]").unwrap();
        assert_eq!(numbers, Numbers { dims: vec![2, 3], values: vec![1., 2., 3., 4., 5., 6.] });
        assert_eq!(serde_json::from_str::<Numbers>("2.5").unwrap(), Numbers { dims: vec![], values: vec![2.5] });
        assert!(serde_json::from_str::<Numbers>("[[1, 2], [3]]").is_err());
        assert!(serde_json::from_str::<Numbers>("[[1, 2], 3]").is_err());
    }

    #[test]
    fn comparison_sees_the_worst_entry_and_never_accepts_nan() {
        let error = compare("value", &[1.0, 2.5, 3.1], &[1.0, 2.0, 3.0], 0.01).unwrap_err();
        assert!(error.to_string().starts_with("value: expected 2 ± 1.0e-2 at 1, got 2.5"), "{error}");
        assert!(compare("value", &[f64::NAN], &[1.0], 0.01).is_err());
        assert!(compare("value", &[1.0], &[1.0, 1.0], 0.01).is_err());
    }
}
