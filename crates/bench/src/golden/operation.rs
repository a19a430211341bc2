//! Cases of operations.

use limbeck_core::error::{Error, Result};
use limbeck_core::near::Precision;
use limbeck_core::ops::{Inputs, Operation};
use limbeck_core::tape::{Tape, Value};
use limbeck_core::tensor::to_f64;

use super::case::LayerCase;

/// Runs one case of one operation: value and every gradient.
pub(super) fn run(operation: &Operation, case: &LayerCase, precision: Precision) -> Result<()> {
    let mut tape = Tape::new(precision.engine());
    let mut inputs = Inputs::default();
    for (name, numbers) in &case.inputs {
        let tensor = numbers.tensor(precision)?;
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
